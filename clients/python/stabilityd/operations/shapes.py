"""Shapes, dimensions, copies."""

from __future__ import annotations

import functools
from typing import Any, Callable

import torch

from ..plain import plain
from .call import Call, Handler, composed


def _same(call: Call) -> None:
    """What has the same elements: a copy, another dtype, another layout in memory."""
    if call.output.is_floating_point() == call.x.is_floating_point():
        call.same(call.x)
    else:  # what follows from integers has no gradient: it is a constant of this batch
        call.recorder.convert_input(call.x, call.output)


def _reshape(call: Call) -> None:
    call.add("Reshape", [call.x], shape=list(call.output.shape))


def _flatten(call: Call) -> None:
    start, end = call.argument(1, "start_dim", 0), call.argument(2, "end_dim", -1)
    call.add("Flatten", [call.x], start_dim=start, end_dim=end)


def _permute(call: Call) -> None:
    call.add("Permute", [call.x], dims=call.sizes(1, "dims"))


def _movedim(input: torch.Tensor, source: Any, destination: Any) -> torch.Tensor:
    sources = [d % input.dim() for d in ([source] if isinstance(source, int) else source)]
    places = [d % input.dim() for d in ([destination] if isinstance(destination, int) else destination)]
    rest = iter(d for d in range(input.dim()) if d not in sources)
    return input.permute([sources[places.index(d)] if d in places else next(rest) for d in range(input.dim())])


def _transpose(call: Call) -> None:
    dim0 = call.argument(1, "dim0", call.kwargs.get("axis0"))
    dim1 = call.argument(2, "dim1", call.kwargs.get("axis1"))
    call.add("Transpose", [call.x], dim0=dim0, dim1=dim1)


def _reversed(call: Call) -> None:
    """x.T, x.t(): all dimensions the other way round."""
    if call.x.dim() < 2:
        call.same(call.x)
    else:
        call.add("Permute", [call.x], dims=list(reversed(range(call.x.dim()))))


def _transpose_last(call: Call) -> None:
    call.add("Transpose", [call.x], dim0=-2, dim1=-1)


def _expand(call: Call) -> None:
    call.add("Expand", [call.x], shape=list(call.output.shape))


def broadcast_tensors(*tensors: torch.Tensor) -> Any:
    shape = functools.reduce(torch.add, [torch.zeros(tensor.shape) for tensor in tensors]).shape
    return tuple(tensor.expand(shape) for tensor in tensors)


def _repeat(input: torch.Tensor, *sizes: Any, repeats: Any = None, dims: Any = None) -> torch.Tensor:
    given = sizes if sizes else (repeats if repeats is not None else dims,)
    counts = list(given[0] if len(given) == 1 and not isinstance(given[0], int) else given)
    counts = [1] * (input.dim() - len(counts)) + counts  # torch.tile
    x = input.reshape([1] * (len(counts) - input.dim()) + list(input.shape))
    for dim, count in enumerate(counts):
        if count != 1:
            x = torch.cat([x] * count, dim)
    return x


def _slices(call: Call) -> None:
    """chunk, split: parts along a dimension."""
    dim = call.argument(2, "dim", 0)
    start = 0
    for part in call.output:
        end = start + part.shape[dim]
        call.add("Slice", [call.x], part, dim=dim, start=start, end=end)
        start = end


def _unbind(call: Call) -> None:
    dim = call.argument(1, "dim", 0)
    for index, part in enumerate(call.output):
        call.add("Select", [call.x], part, dim=dim, index=index)


def _select(call: Call) -> None:
    call.add("Select", [call.x], dim=call.argument(1, "dim"), index=int(call.argument(2, "index")))


def _narrow(call: Call) -> None:
    dim, start, length = (call.argument(i, n) for i, n in ((1, "dim"), (2, "start"), (3, "length")))
    start = int(start)
    call.add("Slice", [call.x], dim=dim, start=start, end=start + length if start + length else None)


def _concat(type: str) -> Handler:
    def handle(call: Call) -> None:
        tensors = [t for t in call.argument(0, "tensors") if t.shape != (0,)]
        call.add(type, tensors, dim=call.argument(1, "dim", call.kwargs.get("axis", 0)))

    return handle


def _hstack(tensors: Any) -> torch.Tensor:
    return torch.cat(list(tensors), 0 if tensors[0].dim() == 1 else 1)


def _vstack(tensors: Any) -> torch.Tensor:
    return torch.cat([t.unsqueeze(0) if t.dim() == 1 else t for t in tensors], 0)


def _unsqueeze(call: Call) -> None:
    call.add("Unsqueeze", [call.x], dim=call.argument(1, "dim"))


def _squeeze(call: Call) -> None:
    call.add("Squeeze", [call.x], dim=plain(call.argument(1, "dim")))


def _pad(call: Call) -> None:
    mode, pad = call.argument(2, "mode", "constant"), plain(call.argument(1, "pad"))
    if mode == "constant":
        call.add("Pad", [call.x], pad=pad, value=call.argument(3, "value") or 0.0)
    elif mode in _PADDED:
        call.replay(_pad_by_copies)
    else:
        call.refuse(f"pads with mode {mode!r}")


def _pad_by_copies(input: torch.Tensor, pad: Any, mode: str, value: Any = None) -> torch.Tensor:
    """Elements of the tensor itself around it, one dimension after another."""
    for index in range(0, len(pad), 2):
        before, after = int(pad[index]), int(pad[index + 1])
        dim = input.dim() - 1 - index // 2
        places = _PADDED[mode](input.shape[dim], before, after)
        input = torch.cat([input.narrow(dim, place, 1) for place in places], dim)
    return input


_PADDED: dict[str, Callable[[int, int, int], list[int]]] = {
    "reflect": lambda n, b, a: [*range(b, 0, -1), *range(n), *range(n - 2, n - 2 - a, -1)],
    "replicate": lambda n, b, a: [*([0] * b), *range(n), *([n - 1] * a)],
    "circular": lambda n, b, a: [*range(n - b, n), *range(n), *range(a)],
}


def _roll(input: torch.Tensor, shifts: Any, dims: Any = None) -> torch.Tensor:
    if dims is None:
        return _roll(input.reshape(-1), shifts, 0).reshape(input.shape)
    for shift, dim in zip(*([v] if isinstance(v, int) else v for v in (shifts, dims))):
        size = input.shape[dim]
        if shift % size:
            input = torch.cat([input.narrow(dim, size - shift % size, shift % size), input.narrow(dim, 0, size - shift % size)], dim)
    return input


def _flip(input: torch.Tensor, *dims: Any) -> torch.Tensor:
    for dim in dims[0] if dims and not isinstance(dims[0], int) else dims:
        input = torch.cat([input.narrow(dim, place, 1) for place in reversed(range(input.shape[dim]))], dim)
    return input


def _pixel_shuffle(input: torch.Tensor, upscale_factor: int) -> torch.Tensor:
    r, (*batch, channels, height, width) = upscale_factor, input.shape
    x = input.reshape(*batch, channels // (r * r), r, r, height, width)
    n = len(batch)
    x = x.permute(*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return x.reshape(*batch, channels // (r * r), height * r, width * r)


def _pixel_unshuffle(input: torch.Tensor, downscale_factor: int) -> torch.Tensor:
    r, (*batch, channels, height, width) = downscale_factor, input.shape
    x = input.reshape(*batch, channels, height // r, r, width // r, r)
    n = len(batch)
    x = x.permute(*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return x.reshape(*batch, channels * r * r, height // r, width // r)


def _channel_shuffle(input: torch.Tensor, groups: int) -> torch.Tensor:
    batch, channels, *rest = input.shape
    return input.reshape(batch, groups, channels // groups, *rest).transpose(1, 2).reshape(input.shape)


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(["contiguous", "clone", "detach", "get data", "get real", "to", "float", "double", "half", "bfloat16", "long", "int", "type", "type_as", "alias",
                     "cpu", "cuda", "requires_grad", "as_tensor", "positive", "pos"], _same),
    **dict.fromkeys(["view", "reshape", "unflatten", "view_as", "reshape_as", "ravel"], _reshape),
    "flatten": _flatten, "permute": _permute, "movedim": composed(_movedim), "moveaxis": composed(_movedim), "transpose": _transpose,
    "swapaxes": _transpose, "swapdims": _transpose, "t": _reversed, "get T": _reversed, "numpy_T": _reversed, "get mT": _transpose_last,
    "adjoint": _transpose_last, "expand": _expand, "expand_as": _expand, "broadcast_to": _expand, "broadcast_tensors": composed(broadcast_tensors), "repeat": composed(_repeat),
    "tile": composed(_repeat), "chunk": _slices, "split": _slices, "tensor_split": _slices, "split_with_sizes": _slices, "unbind": _unbind,
    "select": _select, "narrow": _narrow, "cat": _concat("Concat"), "concat": _concat("Concat"), "concatenate": _concat("Concat"),
    "stack": _concat("Stack"), "hstack": composed(_hstack), "vstack": composed(_vstack), "unsqueeze": _unsqueeze, "squeeze": _squeeze,
    "pad": _pad, "roll": composed(_roll), "flip": composed(_flip), "pixel_shuffle": composed(_pixel_shuffle),
    "pixel_unshuffle": composed(_pixel_unshuffle), "channel_shuffle": composed(_channel_shuffle),
}  # fmt: skip

SAME = {name for name, handler in HANDLERS.items() if handler is _same}
