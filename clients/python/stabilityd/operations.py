"""Calls of functions and of methods of tensors, by their names in PyTorch."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Callable, Mapping, Optional

import torch
from torch.nn import functional

from .modules import plain

if TYPE_CHECKING:
    from .recorder import Recorder


class Call:
    """One call: its name, its arguments, what it returned, and where its layers go."""

    def __init__(
        self, recorder: "Recorder", function: str, node: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any
    ) -> None:
        self.recorder = recorder
        self.function = function
        self.node = node
        self.args = list(args)
        self.kwargs = dict(kwargs)
        self.output = output

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        """By position, counted with the tensor, or by name."""
        return self.args[position] if position < len(self.args) else self.kwargs.get(name, default)

    def sizes(self, position: int, name: str) -> list[int]:
        """Sizes or dimensions, given one by one or as a list."""
        given = self.args[position:] if len(self.args) > position else [self.kwargs[name]]
        if len(given) == 1 and isinstance(given[0], (list, tuple, torch.Size)):
            given = list(given[0])
        return [int(size) for size in given]

    def add(self, type: str, inputs: list[torch.Tensor], output: Any = None, **attributes: Any) -> None:
        made = self.output if output is None else output
        self.recorder.add(type, self.node, inputs, {k: v for k, v in attributes.items() if v is not None}, made)

    def between(self, type: str, inputs: list[torch.Tensor], **attributes: Any) -> torch.Tensor:
        """A layer whose output no one but the next one reads: returns what stands for it."""
        made = torch.empty(0)
        self.add(type, inputs, made, **attributes)
        return made

    def refuse(self, why: str) -> None:
        self.recorder.problem(f"{self.function} ({self.node}) {why}")


Handler = Callable[[Call], None]


def _is_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor)


# ---- arithmetic ----


def _scale(call: Call, x: torch.Tensor, factor: float = 1.0, shift: float = 0.0) -> None:
    call.add("Scale", [x], factor=float(factor), shift=float(shift))


def _scaled(call: Call, x: Any, factor: float) -> Any:
    if factor == 1:
        return x
    return call.between("Scale", [x], factor=float(factor)) if _is_tensor(x) else x * factor


def _add(call: Call) -> None:
    a, b = call.args[0], call.argument(1, "other")
    b = _scaled(call, b, call.kwargs.get("alpha", 1))
    if not _is_tensor(b):
        _scale(call, a, shift=b)
    elif not _is_tensor(a):
        _scale(call, b, shift=a)
    else:
        call.add("Add", [a, b])


def _sub(call: Call) -> None:
    a, b = call.args[0], call.argument(1, "other")
    if call.function == "rsub":
        a, b = b, a
    b = _scaled(call, b, call.kwargs.get("alpha", 1))
    if not _is_tensor(b):
        _scale(call, a, shift=-b)
    elif not _is_tensor(a):
        _scale(call, b, factor=-1, shift=a)
    else:
        call.add("Sub", [a, b])


def _mul(call: Call) -> None:
    a, b = call.args[0], call.argument(1, "other")
    if not _is_tensor(b):
        _scale(call, a, factor=b)
    elif not _is_tensor(a):
        _scale(call, b, factor=a)
    else:
        call.add("Mul", [a, b])


def _div(call: Call) -> None:
    a, b = call.args[0], call.argument(1, "other")
    if call.function == "rtruediv":
        a, b = b, a
    if call.kwargs.get("rounding_mode") is not None:
        call.refuse("rounds, and has no gradient")
    elif not _is_tensor(b):
        _scale(call, a, factor=1 / b)
    elif not _is_tensor(a):
        inverse = call.between("Reciprocal", [b])
        _scale(call, inverse, factor=a)
    else:
        call.add("Div", [a, b])


def _pow(call: Call) -> None:
    base, exponent = call.args[0], call.argument(1, "exponent")
    if _is_tensor(exponent) or not _is_tensor(base):
        call.refuse("has a tensor as exponent: the service's Pow has a number")
    else:
        call.add("Pow", [base], exponent=float(exponent))


def _two(type: str) -> Handler:
    def handle(call: Call) -> None:
        other = call.argument(1, "other", call.kwargs.get("mat2"))
        if not _is_tensor(other):
            call.refuse("needs two tensors here")
            return
        call.add(type, [call.args[0], other])

    return handle


def _one(type: str) -> Handler:
    return lambda call: call.add(type, [call.args[0]])


def _clamp(call: Call) -> None:
    low, high = call.argument(1, "min"), call.argument(2, "max")
    if _is_tensor(low) or _is_tensor(high):
        call.refuse("has tensors as bounds: the service's Clamp has numbers")
    else:
        call.add("Clamp", [call.args[0]], min=low, max=high)


# ---- reductions ----


def _reduce(type: str, position: int = 1) -> Handler:
    def handle(call: Call) -> None:
        dim = call.argument(position, "dim", call.kwargs.get("axis"))
        keepdim = call.argument(position + 1, "keepdim", False)
        output = call.output[0] if isinstance(call.output, tuple) else call.output
        call.add(type, [call.args[0]], output, dim=plain(dim), keepdim=True if keepdim else None)

    return handle


def _max(call: Call) -> None:
    if len(call.args) > 1 and _is_tensor(call.args[1]):
        call.add("Maximum", call.args[:2])
    else:
        _reduce("Max")(call)


def _var(call: Call) -> None:
    dim = call.argument(1, "dim")
    unbiased = call.kwargs.get("unbiased", call.args[2] if len(call.args) > 2 else True)
    correction = call.kwargs.get("correction", 1 if unbiased else 0)
    call.add("Var", [call.args[0]], dim=plain(dim), correction=correction, keepdim=call.kwargs.get("keepdim") or None)


def _std(call: Call) -> None:
    output, call.output = call.output, torch.empty(0)
    _var(call)
    call.add("Sqrt", [call.output], output)


# ---- shapes ----


def _same(call: Call) -> None:
    """What has the same elements: a copy, another dtype, another layout in memory."""
    x = call.args[0]
    if call.output.is_floating_point() != x.is_floating_point():
        call.refuse(f"turns {x.dtype} into {call.output.dtype}")
    call.recorder.made(call.output, call.recorder.name_of(x, call.node))


def _detach(call: Call) -> None:
    call.refuse("cuts the gradient: the service has no layer that does")


def _reshape(call: Call) -> None:
    call.add("Reshape", [call.args[0]], shape=list(call.output.shape))


def _flatten(call: Call) -> None:
    start, end = call.argument(1, "start_dim", 0), call.argument(2, "end_dim", -1)
    call.add("Flatten", [call.args[0]], start_dim=start, end_dim=end)


def _permute(call: Call) -> None:
    call.add("Permute", [call.args[0]], dims=call.sizes(1, "dims"))


def _transpose(call: Call) -> None:
    call.add("Transpose", [call.args[0]], dim0=call.argument(1, "dim0"), dim1=call.argument(2, "dim1"))


def _transpose_last(call: Call) -> None:
    if call.args[0].dim() == 2:
        call.add("Transpose", [call.args[0]], dim0=0, dim1=1)
    else:
        call.refuse("needs a matrix here")


def _expand(call: Call) -> None:
    call.add("Expand", [call.args[0]], shape=list(call.output.shape))


def _slices(call: Call) -> None:
    """chunk, split: parts along a dimension."""
    dim = call.argument(2, "dim", 0)
    start = 0
    for part in call.output:
        end = start + part.shape[dim]
        call.add("Slice", [call.args[0]], part, dim=dim, start=start, end=end)
        start = end


def _unbind(call: Call) -> None:
    dim = call.argument(1, "dim", 0)
    for index, part in enumerate(call.output):
        call.add("Select", [call.args[0]], part, dim=dim, index=index)


def _narrow(call: Call) -> None:
    dim, start, length = (call.argument(i, n) for i, n in ((1, "dim"), (2, "start"), (3, "length")))
    call.add("Slice", [call.args[0]], dim=dim, start=start, end=start + length)


def _getitem(call: Call) -> None:
    x, index = call.args[0], call.args[1]
    parts = list(index) if isinstance(index, tuple) else [index]
    explicit = sum(part is not None and part is not Ellipsis for part in parts)
    if any(part is Ellipsis for part in parts):
        at = next(i for i, part in enumerate(parts) if part is Ellipsis)
        parts[at : at + 1] = [slice(None)] * (x.dim() - explicit)
    steps: list[tuple[str, dict[str, Any]]] = []
    dim = 0
    for part in parts:
        if part is None:
            steps.append(("Unsqueeze", {"dim": dim}))
            dim += 1
        elif isinstance(part, int) and not isinstance(part, bool):
            steps.append(("Select", {"dim": dim, "index": part}))
        elif isinstance(part, slice):
            if part != slice(None):
                steps.append(("Slice", {"dim": dim, "start": part.start or 0, "end": part.stop, "step": part.step}))
            dim += 1
        else:
            call.refuse("picks elements by a tensor or a list: the service's Select and Slice take numbers")
            return
    for position, (type, attributes) in enumerate(steps):
        last = position + 1 == len(steps)
        made = call.output if last else torch.empty(0)
        call.add(type, [x], made, **attributes)
        x = made
    if not steps:
        call.recorder.made(call.output, call.recorder.name_of(x, call.node))


def _concat(type: str) -> Handler:
    def handle(call: Call) -> None:
        tensors = list(call.argument(0, "tensors"))
        call.add(type, tensors, dim=call.argument(1, "dim", call.kwargs.get("axis", 0)))

    return handle


def _unsqueeze(call: Call) -> None:
    call.add("Unsqueeze", [call.args[0]], dim=call.argument(1, "dim"))


def _squeeze(call: Call) -> None:
    call.add("Squeeze", [call.args[0]], dim=plain(call.argument(1, "dim")))


def _cumsum(call: Call) -> None:
    call.add("CumSum", [call.args[0]], dim=call.argument(1, "dim"))


def _pad(call: Call) -> None:
    if call.argument(2, "mode", "constant") != "constant":
        call.refuse("pads otherwise than with a constant")
    else:
        call.add("Pad", [call.args[0]], pad=plain(call.argument(1, "pad")), value=call.argument(3, "value") or 0.0)


def _masked_fill(call: Call) -> None:
    x, mask, value = call.args[0], call.argument(1, "mask"), float(call.argument(2, "value"))
    if call.recorder.follows(mask):
        call.refuse("has a mask that depends on the input")
        return
    kept = (~mask).to(x.dtype)
    filled = torch.zeros_like(kept).masked_fill(mask, value)
    if value not in (float("inf"), float("-inf")):
        x = call.between("Mul", [x, kept])
    call.add("Add", [x, filled])


# ---- functions of torch.nn.functional that are modules ----


def _with_weights(call: Call, type: str, bound: Mapping[str, Any], **attributes: Any) -> None:
    """A layer whose parameters are arguments of the call."""
    recorder = call.recorder
    weights = {n: bound[n] for n in ("weight", "bias", "running_mean", "running_var") if bound.get(n) is not None}
    tied = {n: recorder.keys.get(id(tensor)) for n, tensor in weights.items()}
    for name, tensor in weights.items():
        if id(tensor) not in recorder._parameters and id(tensor) not in recorder._buffers:
            call.refuse(f"has a {name} that is computed: the service's {type} has a parameter")
            return
    call.add(type, [bound["input"]], **attributes)
    layer = recorder.layers[-1]
    if any(tied.values()):
        owners = {key.rpartition(".")[0] for key in tied.values() if key}
        if len(owners) > 1 or not all(tied.values()):
            call.refuse("shares only some of its parameters with another layer")
        layer["weights_from"] = owners.pop()
        return
    for name, tensor in weights.items():
        recorder.keep(tensor, f"{layer['name']}.{name}")


def _bound(function: Callable[..., Any], call: Call) -> dict[str, Any]:
    bound = inspect.signature(function).bind(*call.args, **call.kwargs)
    bound.apply_defaults()
    return bound.arguments


def _linear(call: Call) -> None:
    x, weight = call.args[0], call.argument(1, "weight")
    bias = call.argument(2, "bias")
    out_features, in_features = weight.shape
    given = {"input": x, "weight": weight, "bias": bias}
    _with_weights(
        call, "Linear", given, in_features=in_features, out_features=out_features, bias=None if bias is not None else False
    )


def _conv(call: Call) -> None:
    names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
    given: dict[str, Any] = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": None}
    given.update(zip(names, call.args))
    given.update(call.kwargs)
    weight, groups = given["weight"], given["groups"]
    _with_weights(
        call,
        f"Conv{weight.dim() - 2}d",
        given,
        in_channels=weight.shape[1] * groups,
        out_channels=weight.shape[0],
        kernel_size=list(weight.shape[2:]),
        bias=None if given["bias"] is not None else False,
        **{name: plain(given[name]) for name in ("stride", "padding", "dilation", "groups")},
    )


def _layer_norm(call: Call) -> None:
    given = _bound(functional.layer_norm, call)
    shape = list(given["normalized_shape"])
    affine = given["weight"] is not None
    _with_weights(
        call, "LayerNorm", given, normalized_shape=shape, eps=given["eps"],
        elementwise_affine=None if affine else False, bias=False if affine and given["bias"] is None else None,
    )  # fmt: skip


def _embedding(call: Call) -> None:
    given = _bound(functional.embedding, call)
    count, size = given["weight"].shape
    _with_weights(call, "Embedding", given, num_embeddings=count, embedding_dim=size, padding_idx=given["padding_idx"])


def _interpolate(call: Call) -> None:
    given = _bound(functional.interpolate, call)
    sizes = list(call.output.shape[2:])
    call.add("Upsample", [given["input"]], size=sizes, mode=given["mode"], align_corners=given["align_corners"])


def _scaled_dot_product_attention(call: Call) -> None:
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
    given = {**dict(zip(names, call.args)), **call.kwargs}
    query, key, value = given["query"], given["key"], given["value"]
    mask = given.get("attn_mask")
    if given.get("is_causal"):
        length = query.shape[-2]
        mask = torch.full((length, key.shape[-2]), float("-inf")).triu(1)
    if mask is not None and mask.dtype == torch.bool:
        mask = torch.zeros(mask.shape).masked_fill(~mask, float("-inf"))
    scale = given.get("scale") or query.shape[-1] ** -0.5
    turned = call.between("Transpose", [key], dim0=-2, dim1=-1)
    scores = call.between("MatMul", [query, turned])
    scores = call.between("Scale", [scores], factor=scale)
    if mask is not None:
        scores = call.between("Add", [scores, mask.to(query.dtype)])
    weights = call.between("Softmax", [scores], dim=-1)
    if given.get("dropout_p"):
        weights = call.between("Dropout", [weights], p=given["dropout_p"])
    call.add("MatMul", [weights, value])


def _dropout(call: Call) -> None:
    given = _bound(functional.dropout, call)
    if given["training"] and given["p"] > 0:
        call.add("Dropout", [given["input"]], p=given["p"])
    else:
        call.recorder.made(call.output, call.recorder.name_of(given["input"], call.node))


def _module_function(call: Call) -> bool:
    """functional.leaky_relu is LeakyReLU, by the server's table; arguments have the names of attributes."""
    wanted = call.function.replace("_", "")
    row = next((row for kind, row in call.recorder.table.items() if kind.lower() == wanted and not row["parameters"]), None)
    if row is None:
        return False
    function = getattr(functional, call.function, None)
    try:
        given = _bound(function, call) if function else {}
    except (TypeError, ValueError):  # a builtin, or a method with other arguments
        given = {}
    if "input" not in given:  # nor does max_pool2d, which dispatches, say what its arguments are
        given = {**dict(zip(["input", *(a["name"] for a in row["attributes"])], call.args)), **call.kwargs}
    attributes = {}
    for attribute in row["attributes"]:
        value = plain(given.get(attribute["name"]))
        if value is not None and value != attribute.get("default"):
            attributes[attribute["name"]] = value
    output = call.output[0] if isinstance(call.output, tuple) else call.output
    call.add(row["type"], [call.args[0] if call.args else call.kwargs["input"]], output, **attributes)
    return True


HANDLERS: dict[str, Handler] = {
    "add": _add, "sub": _sub, "rsub": _sub, "subtract": _sub, "mul": _mul, "multiply": _mul, "div": _div, "truediv": _div, "true_divide": _div,
    "divide": _div, "rtruediv": _div, "pow": _pow, "matmul": _two("MatMul"), "mm": _two("MatMul"), "bmm": _two("MatMul"),
    "maximum": _two("Maximum"), "minimum": _two("Minimum"), "clamp": _clamp, "clip": _clamp,
    "neg": _one("Neg"), "negative": _one("Neg"), "abs": _one("Abs"), "exp": _one("Exp"), "log": _one("Log"), "log1p": _one("Log1p"),
    "sqrt": _one("Sqrt"), "rsqrt": _one("Rsqrt"), "reciprocal": _one("Reciprocal"), "square": _one("Square"), "sin": _one("Sin"), "cos": _one("Cos"),
    "sum": _reduce("Sum"), "mean": _reduce("Mean"), "amax": _reduce("Max"), "max": _max, "logsumexp": _reduce("LogSumExp"),
    "var": _var, "std": _std, "cumsum": _cumsum,
    "contiguous": _same, "clone": _same, "to": _same, "float": _same, "double": _same, "type_as": _same, "alias": _same, "detach": _detach,
    "view": _reshape, "reshape": _reshape, "unflatten": _reshape, "view_as": _reshape, "reshape_as": _reshape, "flatten": _flatten, "permute": _permute,
    "transpose": _transpose, "swapaxes": _transpose, "t": _transpose_last, "expand": _expand, "expand_as": _expand, "broadcast_to": _expand,
    "chunk": _slices, "split": _slices, "tensor_split": _slices, "unbind": _unbind, "narrow": _narrow, "getitem": _getitem,
    "cat": _concat("Concat"), "concat": _concat("Concat"), "stack": _concat("Stack"), "unsqueeze": _unsqueeze, "squeeze": _squeeze,
    "pad": _pad, "masked_fill": _masked_fill, "linear": _linear, "conv1d": _conv, "conv2d": _conv, "conv3d": _conv, "layer_norm": _layer_norm,
    "embedding": _embedding, "interpolate": _interpolate, "scaled_dot_product_attention": _scaled_dot_product_attention, "dropout": _dropout,
}  # fmt: skip

# Those that only move elements: integers stay what they are.
MOVES = {
    "contiguous", "clone", "view", "reshape", "unflatten", "view_as", "reshape_as", "flatten", "permute", "transpose", "swapaxes", "t", "expand",
    "expand_as", "broadcast_to", "chunk", "split", "tensor_split", "unbind", "narrow", "getitem", "cat", "concat", "stack", "unsqueeze", "squeeze",
}  # fmt: skip

# Names of operators that the others don't have.
_OPERATORS = {"radd": "add", "rmul": "mul", "rmatmul": "matmul", "rdiv": "rtruediv", "idiv": "truediv"}


def name_of(function: Any) -> str:
    """PyTorch's name of a function: "add" of torch.add, Tensor.add, Tensor.__add__, Tensor.add_, Tensor.__iadd__. Of a
    property (x.shape) it is "get"."""
    name = getattr(function, "__name__", str(function))
    plain_name = name.strip("_")
    if name.startswith("__") and plain_name not in HANDLERS and plain_name[1:] in HANDLERS and plain_name[0] == "i":
        return plain_name[1:]
    return _OPERATORS.get(plain_name, plain_name)


def _outputs(output: Any) -> list[torch.Tensor]:
    if _is_tensor(output):
        return [output]
    return [t for part in output for t in _outputs(part)] if isinstance(output, (list, tuple)) else []


def _follows(recorder: "Recorder", value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_follows(recorder, part) for part in value)
    return recorder.follows(value)


def _property(call: Call) -> None:
    """x.T and x.mT are the properties that are tensors and have a gradient."""
    x = call.args[0]
    if call.output.shape == torch.Size([*x.shape[:-2], *x.shape[:-3:-1]]) and x.dim() >= 2 and call.output.is_floating_point():
        call.add("Transpose", [x], dim0=-2, dim1=-1)
    else:
        call.refuse("is a property that the service has no layer for")


def record(
    recorder: "Recorder", function: str, node: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any
) -> None:
    """Notes a call whose result depends on the input; others are constants, which are noted where they are read."""
    outputs = _outputs(output)
    if not any(tensor.is_floating_point() or tensor.is_complex() for tensor in outputs) and function not in MOVES:
        return  # a comparison, an index: of this batch it is a constant
    if not outputs or not any(_follows(recorder, value) for value in [*args, *kwargs.values()]):
        return
    if function == "getitem" and not _is_tensor(args[0]):
        return  # an element of a tuple is the tensor itself
    call = Call(recorder, function, node, args, kwargs, output)
    if call.function == "get":
        _property(call)
    elif call.function in HANDLERS:
        HANDLERS[call.function](call)
    elif not _module_function(call):
        call.refuse("has no counterpart among the service's layers")
        for tensor in outputs:
            recorder.made(tensor, node)  # what reads it is no further problem
