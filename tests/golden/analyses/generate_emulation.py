#!/usr/bin/env python3
"""Writes emulation.json and rounding.txt: what rounding to narrower formats makes of numbers and of ../models.

  /usr/bin/python3 tests/golden/analyses/generate_emulation.py

emulation.json: relative errors of outputs, their gradients and parameters' gradients, with parameters, inputs, outputs and
                gradients rounded by PyTorch's casts to float32, float16 and bfloat16, the arithmetic in float64.
rounding.txt:   NUMBER and what it becomes in float16, bfloat16 (PyTorch's casts from float32), float8_e4m3 and float8_e5m2 (the
                nearest of all numbers of the OCP 8-bit specification, ties to the even code), as hexadecimal.
"""
import json
import math
from pathlib import Path

import numpy
import torch

from generate_networks import Network

HERE = Path(__file__).resolve().parent
NETWORKS = ['mlp', 'cnn', 'gated', 'resnet', 'mixer']
FORMATS = {'float32': torch.float32, 'float16': torch.float16, 'bfloat16': torch.bfloat16}


def cast(tensor, dtype):
    return tensor.float().to(dtype).double()


def run(network, dtype, scale):
    """Outputs, their gradients and parameters' gradients; dtype None: without rounding."""
    gradients = {}
    data = dict(network.data)
    if dtype is not None:
        data = {k: cast(v, dtype) if v.is_floating_point() and k != 'target' else v for k, v in data.items()}
        with torch.no_grad():
            for module in network.modules.values():
                for tensor in list(module.parameters()) + list(module.buffers()):
                    tensor.copy_(cast(tensor, dtype) if tensor.is_floating_point() else tensor)
    runs = dict(network.runs)

    def keep(name, gradient):
        rounded = gradient if dtype is None else cast(gradient * scale, dtype) / scale
        gradients[name] = rounded
        return rounded

    def wrap(name, function):
        def call(*inputs):
            outputs = function(*inputs)
            for key, tensor in outputs.items():
                if not tensor.is_floating_point():
                    continue
                if dtype is not None:
                    tensor.data.copy_(cast(tensor.data, dtype))  # also what a backward pass reads of it
                if tensor.requires_grad:
                    tensor.register_hook(lambda g, at=(name, key): keep(at, g))
            return outputs
        return call

    network.runs = {name: wrap(name, function) for name, function in runs.items()}
    outputs, loss = network.forward(data)
    loss.backward()
    network.runs = runs
    parameters = {}
    for layer, _, parameter in network.owned():
        if parameter.grad is not None:
            rounded = parameter.grad if dtype is None else cast(parameter.grad * scale, dtype) / scale
            parameters.setdefault(layer, []).append(rounded.reshape(-1))
    return ({name: tensor.detach() for name, tensor in outputs.items()},
            {name: tensor for (name, key), tensor in gradients.items() if key == '-'},
            {name: torch.cat(parts) for name, parts in parameters.items()}, loss.item())


def error(rounded, exact):
    broken = ~torch.isfinite(rounded) & torch.isfinite(exact)
    if broken.any():
        return 'Infinity'
    apart = (rounded - exact).norm().item()
    return 0.0 if apart == 0 else apart / exact.norm().item()


def emulate(name, dtype, scale):
    exact, rounded = Network(name), Network(name)
    for network in (exact, rounded):
        network.train(False)
    want, got = run(exact, None, 1.0), run(rounded, dtype, scale)
    layers = [{'layer': layer, 'forward_error': error(got[0][layer], want[0][layer]),
               'backward_error': error(got[1][layer], want[1][layer]) if layer in want[1] else None,
               'parameter_gradient_error': error(got[2][layer], want[2][layer]) if layer in want[2] else None}
              for layer in want[0]]
    return {'loss': got[3], 'layers': layers}


def numbers():
    generator = numpy.random.default_rng(7)
    bits = generator.integers(0, 2 ** 32, 400, dtype=numpy.uint32)
    special = [0.0, -0.0, 65504, 65519.996, 65520, 448, 464, 464.00003, 57344, 61439.996, 61440, 2.0 ** -24, 2.0 ** -25,
               numpy.nextafter(numpy.float32(2.0 ** -25), numpy.float32(1)), 1.5 * 2.0 ** -25, 2.0 ** -133, 2.0 ** -134, 2.0 ** -149,
               2.0 ** -9, 2.0 ** -10, 1.5 * 2.0 ** -9, 2.0 ** -16, 2.0 ** -17, 1 + 2.0 ** -11, 1 + 3 * 2.0 ** -11, 1 + 2.0 ** -8, 1 + 3 * 2.0 ** -8,
               1.0625, 1.1875, 1.125, 1.375, math.inf, -math.inf, math.nan, 3.3895e38, 3.4e38]
    medium = generator.standard_normal(400) * 2.0 ** generator.integers(-30, 20, 400)
    return numpy.concatenate([bits.view(numpy.float32), numpy.array(special, dtype=numpy.float32), medium.astype(numpy.float32)])


def eight_bits(exponent_bits, mantissa_bits, bias, finite_top):
    """All finite numbers from 0 up, in the order of their codes."""
    values = []
    for code in range(finite_top + 1):
        exponent, mantissa = code >> mantissa_bits, code & (2 ** mantissa_bits - 1)
        values.append(math.ldexp(mantissa if exponent == 0 else mantissa + 2 ** mantissa_bits,
                                 (exponent or 1) - bias - mantissa_bits))
    return values


def nearest(x, values, beyond):
    if math.isnan(x):
        return math.nan
    magnitude = abs(x)
    step = values[-1] - values[-2]
    if magnitude > values[-1] + step / 2 or (magnitude == values[-1] + step / 2 and (len(values) - 1) % 2 == 1):
        return math.copysign(beyond, x) if not math.isnan(beyond) else math.nan
    code = min(range(len(values)), key=lambda c: (abs(values[c] - magnitude), c % 2))
    return math.copysign(values[code], x)


def text(x):
    return 'nan' if math.isnan(x) else 'inf' if x == math.inf else '-inf' if x == -math.inf else float(x).hex()


def rounding():
    e4m3, e5m2 = eight_bits(4, 3, 7, 0x7e), eight_bits(5, 2, 15, 0x7b)
    assert e4m3[-1] == 448 and e5m2[-1] == 57344
    for x in numbers():
        tensor = torch.tensor(x)
        yield ' '.join(text(v) for v in (float(x), tensor.half().item(), tensor.bfloat16().item(),
                                         nearest(float(x), e4m3, math.nan), nearest(float(x), e5m2, math.inf)))


def main():
    torch.set_num_threads(1)
    (HERE / 'rounding.txt').write_text('\n'.join(rounding()) + '\n')
    cases = [(name, form, exponent) for name in NETWORKS for form in FORMATS for exponent in (0, 10)]
    lines = [f'  {json.dumps(f"{name} {form} {exponent}")}: {json.dumps(emulate(name, FORMATS[form], 2.0 ** exponent))}'
             for name, form, exponent in cases]
    (HERE / 'emulation.json').write_text('{\n' + ',\n'.join(lines) + '\n}\n')


if __name__ == '__main__':
    main()
