"""How a golden file is drawn, computed and written. The format is described in README.md beside this file."""
import math
import random
from dataclasses import dataclass, field

import torch

GRID = 256  # every drawn value is a multiple of 1/GRID, so it is exact in float32 and short as a hexadecimal float
FLOOR = 1e-2  # what cancels to zero is compared as if it were this large


# ---- what a case is given ------------------------------------------------------------------------------------------
def uniform(*shape, low=-2.0, high=2.0):
    """Distinct values where the range has enough of them, never 0: no ties, no kink hit by accident."""
    def draw(generator):
        candidates = [n for n in range(math.ceil(low * GRID), math.floor(high * GRID) + 1) if n != 0]
        count = math.prod(shape)
        pick = generator.sample if count <= len(candidates) else lambda c, k: generator.choices(c, k=k)
        return torch.tensor(pick(candidates, count), dtype=torch.float64).reshape(shape) / GRID
    return draw


def positive(*shape, high=3.0):
    return uniform(*shape, low=0.25, high=high)


def probabilities(*shape, dimension=1):
    """Sums to 1 over `dimension`, exactly."""
    def draw(generator):
        size = shape[dimension]
        rest = [s for i, s in enumerate(shape) if i != dimension]
        rows = []
        for _ in range(math.prod(rest)):
            cuts = sorted(generator.sample(range(1, GRID), size - 1))
            rows.append([b - a for a, b in zip([0] + cuts, cuts + [GRID])])
        return torch.tensor(rows, dtype=torch.float64).reshape(rest + [size]).movedim(-1, dimension).contiguous() / GRID
    return draw


def integers(*shape, low=0, high):
    """low <= value < high."""
    def draw(generator):
        return torch.tensor([generator.randrange(low, high) for _ in range(math.prod(shape))]).reshape(shape)
    return draw


def signs(*shape):
    def draw(generator):
        return integers(*shape, high=2)(generator).double() * 2 - 1
    return draw


def values(nested):
    def draw(_):
        tensor = torch.tensor(nested)
        return tensor.double() if tensor.is_floating_point() else tensor
    return draw


@dataclass
class Case:
    name: str
    attributes: dict
    inputs: list
    mode: str = 'train'
    gradients: bool = True                    # False: outputs only
    unused: tuple = ()                        # outputs that the loss does not depend on
    spread: float = 1.0                       # parameters are drawn from [-spread, spread]
    target: object = None                     # losses only


@dataclass
class Record:
    """One tensor of a case: `<keyword> <name> <dtype> <rank> <sizes…>`, then its values."""
    keyword: str
    name: str
    tensor: torch.Tensor


@dataclass
class Computed:
    given: list = field(default_factory=list)     # records that the reader feeds in
    expected: list = field(default_factory=list)  # records that it compares with


# ---- computing -----------------------------------------------------------------------------------------------------
def seeded(kind, case):
    return random.Random(f'{kind}/{case.name}')


def draw_parameters(module, generator, spread):
    """Overwrites every floating parameter and buffer; variances stay positive."""
    for name, tensor in list(module.named_parameters()) + list(module.named_buffers()):
        if tensor.is_floating_point():
            draw = positive(*tensor.shape, high=2.0) if name.endswith('running_var') else \
                uniform(*tensor.shape, low=-spread, high=spread)
            with torch.no_grad():
                tensor.copy_(draw(generator))


def leaf(tensor, dtype, gradients):
    if not tensor.is_floating_point():
        return tensor
    return tensor.to(dtype).detach().clone().requires_grad_(gradients)


def compute_layer(kind, case, build, dtype=torch.float64):
    """`build(kind, attributes)` gives a callable of the inputs that returns {output name: tensor} and its module."""
    generator = seeded(kind, case)
    inputs = [leaf(draw(generator), dtype, case.gradients) for draw in case.inputs]
    run, module = build(kind, case.attributes, dtype)
    computed = Computed()
    computed.given += [Record('input', str(i), t) for i, t in enumerate(inputs)]
    if module is not None:
        draw_parameters(module, generator, case.spread)
        module.train(case.mode == 'train')
        computed.given += [Record('parameter', n, p.detach().clone()) for n, p in module.named_parameters()]
        computed.given += [Record('buffer', n, b.clone()) for n, b in module.named_buffers() if b.is_floating_point()]
    outputs = run(*inputs)
    computed.expected += [Record('output', n, t) for n, t in outputs.items()]
    if case.gradients:
        used = {n: t for n, t in outputs.items() if n not in case.unused}
        cotangents = {n: uniform(*t.shape)(generator).to(dtype) for n, t in used.items()}
        computed.given += [Record('output_gradient', n, t) for n, t in cotangents.items()]
        torch.autograd.backward(list(used.values()), list(cotangents.values()))
        computed.expected += gradients_of('input_gradient', [(str(i), t) for i, t in enumerate(inputs)])
        if module is not None:
            computed.expected += gradients_of('parameter_gradient', list(module.named_parameters()))
    if module is not None:
        computed.expected += [Record('buffer_after', n, b) for n, b in module.named_buffers() if b.is_floating_point()]
    return computed


def compute_loss(kind, case, build, dtype=torch.float64):
    generator = seeded(kind, case)
    inputs = [leaf(draw(generator), dtype, case.gradients) for draw in case.inputs]
    target = case.target(generator)
    target = target.to(dtype) if target.is_floating_point() else target
    loss = build(kind, case.attributes, dtype)(*inputs, target)
    computed = Computed()
    computed.given += [Record('input', str(i), t) for i, t in enumerate(inputs)] + [Record('target', '-', target)]
    computed.expected.append(Record('output', '-', loss))
    if case.gradients:
        loss.backward()
        computed.expected += gradients_of('input_gradient', [(str(i), t) for i, t in enumerate(inputs)])
    return computed


def gradients_of(keyword, named):
    return [Record(keyword, n, t.grad) for n, t in named if t.is_floating_point() and t.grad is not None]


def check_float32(kind, case, exact, single):
    """A case that float32 cannot follow (a kink within rounding, a cancellation) would test nothing: refuse it."""
    for want, got in zip(exact.expected, single.expected):
        want, got = want.tensor.detach().double(), got.tensor.detach().double()
        finite = torch.isfinite(want)
        if not torch.equal(torch.isnan(want), torch.isnan(got)):
            raise SystemExit(f'{kind}/{case.name}: float32 gives NaN elsewhere than float64')
        if not finite.any():
            continue
        want, got = want[finite], got[finite]
        scale = want.square().mean().sqrt().clamp(min=FLOOR)
        error = ((want - got).abs() / torch.maximum(want.abs(), scale)).max()
        if error > 2e-5:
            raise SystemExit(f'{kind}/{case.name}: float32 is {error:.1e} away from float64')


# ---- writing -------------------------------------------------------------------------------------------------------
def number(value):
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        return str(value)  # nan, inf, -inf: strtod reads them
    if value == 0:
        return '-0x0p+0' if math.copysign(1.0, value) < 0 else '0x0p+0'
    mantissa, exponent = value.hex().split('p')
    return f"{mantissa.rstrip('0').rstrip('.')}p{exponent}"


def tensor_words(tensor):
    dtype = 'float64' if tensor.is_floating_point() else 'int64'
    return ' '.join([dtype, str(tensor.dim())] + [str(s) for s in tensor.shape])


def tensor_values(tensor):
    return ' '.join(number(v) for v in tensor.detach().reshape(-1).tolist())


def attribute_line(name, value):
    if value is None:
        words = 'null'
    elif isinstance(value, bool):
        words = f'boolean {str(value).lower()}'
    elif isinstance(value, int):
        words = f'integer {value}'
    elif isinstance(value, float):
        words = f'real {number(value)}'
    elif isinstance(value, str):
        words = f'string {value}'
    elif isinstance(value, torch.Tensor):
        words = f'tensor {tensor_words(value)}\n{tensor_values(value)}'
    elif any(isinstance(v, float) for v in value):
        words = ' '.join(['reals', str(len(value))] + [number(float(v)) for v in value])
    else:
        words = ' '.join(['integers', str(len(value))] + [str(v) for v in value])
    return f'attribute {name} {words}'


def case_text(case, computed):
    lines = [f'case {case.name}', f'mode {case.mode}']
    lines += [attribute_line(n, v) for n, v in case.attributes.items()]
    for record in computed.given + computed.expected:
        lines += [f'{record.keyword} {record.name} {tensor_words(record.tensor)}', tensor_values(record.tensor)]
    return '\n'.join(lines + ['end', ''])


def write(path, heading, kind, cases, compute, build):
    names = [c.name for c in cases]
    if len(set(names)) != len(names):
        raise SystemExit(f'{kind}: two cases have the same name')
    text = [f'{heading} {kind}\n']
    for case in cases:
        try:
            exact = compute(kind, case, build)
            check_float32(kind, case, exact, compute(kind, case, build, torch.float32))
        except (RuntimeError, TypeError, ValueError, IndexError) as problem:
            raise SystemExit(f'{kind}/{case.name}: {problem}')
        text.append(case_text(case, exact))
    path.write_text('\n'.join(text))
