"""Sums, means and extremes over dimensions."""

from __future__ import annotations

from typing import Any

import torch

from ..plain import plain
from .call import Call, Handler, composed, is_tensor


def _reduce(type: str) -> Handler:
    def handle(call: Call) -> None:
        dim = call.argument(1, "dim", call.kwargs.get("axis"))
        keepdim = call.argument(2, "keepdim", False)
        call.add(type, [call.x], call.first_output(), dim=plain(dim) if dim != () else None, keepdim=True if keepdim else None)

    return handle


def _extreme(two: str, negated: bool) -> Handler:
    """max, min: of two tensors, or of one over dimensions."""

    def handle(call: Call) -> None:
        if is_tensor(call.argument(1, "other")):
            call.add(two, [call.x, call.argument(1, "other")])
        elif negated:
            call.replay(_smallest)
        else:
            _reduce("Max")(call)

    return handle


def _smallest(input: torch.Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    least = (-input).amax(() if dim is None else dim, keepdim).neg()
    return least if dim is None else (least,)


def _var(call: Call) -> None:
    dim = call.argument(1, "dim", call.kwargs.get("axis"))
    unbiased, keepdim = call.argument(2, "unbiased", True), call.argument(3, "keepdim", False)
    if isinstance(dim, bool):  # x.var(False)
        dim, unbiased = None, dim
    correction = call.kwargs.get("correction", 1 if unbiased else 0)
    dim = None if dim in ((), []) else plain(dim)
    call.add("Var", [call.x], dim=dim, correction=correction, keepdim=True if keepdim else None)


def root(squares: torch.Tensor) -> torch.Tensor:
    """The square root of a sum of squares. Where it is 0, PyTorch's gradient of a norm is 0, not 0/0."""
    zero = (squares == 0).to(squares.dtype)
    return (squares + zero).sqrt() - zero if bool(zero.any()) else squares.sqrt()


def _std(input: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    return root(input.var(*args, **kwargs))


def _var_mean(input: torch.Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, correction: Any = None) -> Any:
    dims = list(range(input.dim())) if dim is None else dim
    ddof = (1 if unbiased else 0) if correction is None else correction
    return input.var(dims, unbiased=bool(ddof), keepdim=keepdim), input.mean(dims, keepdim)


def _std_mean(input: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
    variance, mean = _var_mean(input, *args, **kwargs)
    return root(variance), mean


def norm(input: torch.Tensor, p: Any = 2, dim: Any = None, keepdim: bool = False, **_: Any) -> torch.Tensor:
    dims = list(range(input.dim())) if dim is None else dim
    if p in (None, "fro", 2):
        return root(input.square().sum(dims, keepdim))
    if p == 1:
        return input.abs().sum(dims, keepdim)
    if p == float("inf"):
        return input.abs().amax(dims, keepdim)
    return input.abs().pow(float(p)).sum(dims, keepdim).pow(1 / float(p))


def _cumsum(call: Call) -> None:
    call.add("CumSum", [call.x], dim=call.argument(1, "dim"))


HANDLERS: dict[str, Handler] = {
    "sum": _reduce("Sum"), "mean": _reduce("Mean"), "amax": _reduce("Max"), "max": _extreme("Maximum", False), "min": _extreme("Minimum", True),
    "amin": composed(lambda input, dim=(), keepdim=False: (-input).amax(dim, keepdim).neg()),
    "logsumexp": _reduce("LogSumExp"), "var": _var, "std": composed(_std), "var_mean": composed(_var_mean), "std_mean": composed(_std_mean),
    "norm": composed(norm), "linalg_norm": composed(norm), "linalg_vector_norm": composed(norm), "cumsum": _cumsum,
}  # fmt: skip
