"""Arithmetic by element, and products of matrices."""

from __future__ import annotations

from typing import Any

import torch

from .call import Call, Handler, is_tensor


def _scale(call: Call, x: torch.Tensor, factor: float = 1.0, shift: float = 0.0) -> None:
    call.add("Scale", [x], factor=float(factor), shift=float(shift))


def _scaled(call: Call, x: Any, factor: float) -> Any:
    if factor == 1:
        return x
    return call.between("Scale", [x], factor=float(factor)) if is_tensor(x) else x * factor


def _add(call: Call) -> None:
    a, b = call.x, call.argument(1, "other")
    b = _scaled(call, b, call.kwargs.get("alpha", 1))
    if not is_tensor(b):
        _scale(call, a, shift=b)
    elif not is_tensor(a):
        _scale(call, b, shift=a)
    else:
        call.add("Add", [a, b])


def _sub(call: Call) -> None:
    a, b = call.x, call.argument(1, "other")
    if call.function == "rsub":
        a, b = b, a
    b = _scaled(call, b, call.kwargs.get("alpha", 1))
    if not is_tensor(b):
        _scale(call, a, shift=-b)
    elif not is_tensor(a):
        _scale(call, b, factor=-1, shift=a)
    else:
        call.add("Sub", [a, b])


def _mul(call: Call) -> None:
    a, b = call.x, call.argument(1, "other")
    if not is_tensor(b):
        _scale(call, a, factor=b)
    elif not is_tensor(a):
        _scale(call, b, factor=a)
    else:
        call.add("Mul", [a, b])


def _div(call: Call) -> None:
    a, b = call.x, call.argument(1, "other")
    if call.function == "rtruediv":
        a, b = b, a
    if call.kwargs.get("rounding_mode") is not None:
        call.refuse("rounds, and has no gradient")
    elif not is_tensor(b):
        _scale(call, a, factor=1 / b if b else float("nan"))
    elif not is_tensor(a):
        inverse = call.between("Reciprocal", [b])
        _scale(call, inverse, factor=a)
    else:
        call.add("Div", [a, b])


def _pow(call: Call) -> None:
    base, exponent = call.x, call.argument(1, "exponent")
    if is_tensor(exponent) or not is_tensor(base):
        call.replay(_power_of_tensors)
    else:
        call.add("Pow", [base], exponent=float(exponent))


def _power_of_tensors(input: Any, exponent: Any) -> Any:
    base = input if is_tensor(input) else torch.tensor(float(input))
    return (exponent * base.log()).exp()


def _rpow(call: Call) -> None:
    call.args.reverse()
    call.replay(_power_of_tensors)


def _two(type: str) -> Handler:
    def handle(call: Call) -> None:
        other = call.argument(1, "other", call.kwargs.get("mat2"))
        if not is_tensor(other):
            call.refuse("needs two tensors here")
            return
        call.add(type, [call.x, other])

    return handle


def _one(type: str) -> Handler:
    return lambda call: void(call.add(type, [call.x]))


def void(_: object) -> None:
    """Drops a result."""


def _clamp(call: Call) -> None:
    low, high = call.argument(1, "min"), call.argument(2, "max")
    if is_tensor(low) or is_tensor(high):
        call.replay(_clamp_by_tensors)
    else:
        call.add("Clamp", [call.x], min=low, max=high)


def _clamp_by_tensors(input: torch.Tensor, min: Any = None, max: Any = None) -> torch.Tensor:
    for bound, of in ((min, torch.maximum), (max, torch.minimum)):
        if bound is not None:
            input = of(input, torch.as_tensor(bound, dtype=input.dtype))
    return input


def _clamp_min(call: Call) -> None:
    call.add("Clamp", [call.x], min=call.argument(1, "min"))


def _clamp_max(call: Call) -> None:
    call.add("Clamp", [call.x], max=call.argument(1, "max"))


HANDLERS: dict[str, Handler] = {
    "add": _add, "sub": _sub, "rsub": _sub, "subtract": _sub, "mul": _mul, "multiply": _mul,
    "div": _div, "truediv": _div, "true_divide": _div, "divide": _div, "rtruediv": _div, "pow": _pow, "rpow": _rpow,
    "matmul": _two("MatMul"), "mm": _two("MatMul"), "bmm": _two("MatMul"), "mv": _two("MatMul"), "dot": _two("MatMul"),
    "maximum": _two("Maximum"), "minimum": _two("Minimum"), "clamp": _clamp, "clip": _clamp, "clamp_min": _clamp_min, "clamp_max": _clamp_max,
    "neg": _one("Neg"), "negative": _one("Neg"), "abs": _one("Abs"), "absolute": _one("Abs"), "exp": _one("Exp"), "log": _one("Log"),
    "log1p": _one("Log1p"), "sqrt": _one("Sqrt"), "rsqrt": _one("Rsqrt"), "reciprocal": _one("Reciprocal"), "square": _one("Square"),
    "sin": _one("Sin"), "cos": _one("Cos"), "erf": _one("Erf"),
}  # fmt: skip
