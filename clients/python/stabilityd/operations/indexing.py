"""Elements by number, by slice, by tensor and by mask. Indices and masks are those of this batch: constants."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from .call import Call, Handler, composed, is_tensor


def _parts(x: torch.Tensor, index: Any) -> list[Any]:
    """An index as a list with one part for each dimension of x, and None for new ones."""
    parts = list(index) if isinstance(index, tuple) else [index]
    parts = [torch.tensor(part) if isinstance(part, list) else part for part in parts]
    parts = [int(part) if is_tensor(part) and part.dim() == 0 and part.dtype != torch.bool else part for part in parts]
    used = sum(part.dim() if _is_mask(part) else 1 for part in parts if part is not None and part is not Ellipsis)
    rest = [slice(None)] * (x.dim() - used)
    at = next((i for i, part in enumerate(parts) if part is Ellipsis), None)
    return parts + rest if at is None else parts[:at] + rest + parts[at + 1 :]


def _is_mask(part: Any) -> bool:
    return is_tensor(part) and part.dtype == torch.bool


def _getitem(call: Call) -> None:
    parts = _parts(call.x, call.args[1])
    if any(is_tensor(part) for part in parts):
        _pick(call, parts)
        return
    steps: list[tuple[str, dict[str, Any]]] = []
    dim = 0
    for part in parts:
        if part is None:
            steps.append(("Unsqueeze", {"dim": dim}))
            dim += 1
        elif isinstance(part, slice):
            if part != slice(None):
                start, stop, step = (None if v is None else int(v) for v in (part.start, part.stop, part.step))
                steps.append(("Slice", {"dim": dim, "start": start or 0, "end": stop, "step": step}))
            dim += 1
        else:
            steps.append(("Select", {"dim": dim, "index": int(part)}))
    x = call.x
    call.recorder.view(call.output, x, call.args[1])
    for position, (type, attributes) in enumerate(steps):
        made = call.output if position + 1 == len(steps) else torch.empty(0)
        call.add(type, [x], made, **attributes)
        x = made
    if not steps:
        call.same(x)


def _pick(call: Call, parts: list[Any]) -> None:
    """Elements by tensors: which elements come out is known by sending their numbers the same way."""
    x = call.x
    if _embeds(call, parts):
        return
    numbers = torch.arange(x.numel(), device=x.device).reshape(x.shape)[call.args[1]]
    call.replay(lambda *_: _elements(x, numbers))


def _embeds(call: Call, parts: list[Any]) -> bool:
    """table[indices] of a parameter is an Embedding."""
    index = parts[0]
    rest_is_whole = all(part == slice(None) for part in parts[1:])
    if not is_tensor(index) or _is_mask(index) or not rest_is_whole or call.x.dim() != 2 or not call.recorder.is_weight(call.x):
        return False
    call.replay(lambda *_: functional.embedding(index % call.x.shape[0], call.x))
    return True


_MOST = 1 << 24  # elements of a matrix that picks


def _elements(x: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """The elements of x of these numbers, in row-major order: whole blocks where they are, by a product with ones and
    zeros. The engine has no layer that gathers."""
    block = _common_block(x, numbers)
    rows = numbers.reshape(-1, block)[:, 0] // block if numbers.numel() else numbers.reshape(0)
    count = x.numel() // block
    if count * rows.numel() > _MOST:
        raise NotImplementedError(f"picks {rows.numel()} of {count} blocks by a tensor: too many for the service")
    ones = functional.one_hot(rows, count).to(x.dtype)
    return torch.matmul(ones, x.reshape(count, block)).reshape(numbers.shape)


def _common_block(x: torch.Tensor, numbers: torch.Tensor) -> int:
    """How many neighbours at the end of the dimensions always stay together."""
    block = 1
    for size, picked in zip(reversed(x.shape), reversed(numbers.shape)):
        if size != picked or not _stay_together(numbers, block * size):
            break
        block *= size
    return block


def _stay_together(numbers: torch.Tensor, block: int) -> bool:
    rows = numbers.reshape(-1, block)
    return bool((rows == rows[:, :1] + torch.arange(block, device=rows.device)).all() and (rows[:, 0] % block == 0).all())


def _by_numbers(pick: Any) -> Handler:
    """What moves elements of its first argument alone: their numbers, sent the same way, say which."""

    def handle(call: Call) -> None:
        x = call.x
        numbers = pick(torch.arange(x.numel(), device=x.device).reshape(x.shape), *call.args[1:], **call.kwargs)
        call.replay(lambda *_, **__: _elements(x, numbers))

    return handle


def _masked_fill(call: Call) -> None:
    x, mask, value = call.x, call.argument(1, "mask"), float(call.argument(2, "value"))
    kept = (~mask).to(x.dtype)
    filled = torch.zeros_like(kept).masked_fill(mask, value)
    if value not in (float("inf"), float("-inf")):
        x = call.between("Mul", [x, kept])
    call.add("Add", [x, filled])


def _where(condition: torch.Tensor, input: Any, other: Any) -> Any:
    kinds = [value for value in (input, other) if is_tensor(value) and value.is_floating_point()]
    dtype = kinds[0].dtype if kinds else torch.get_default_dtype()
    return _chosen(input, condition, dtype) + _chosen(other, ~condition, dtype)


def _chosen(value: Any, condition: torch.Tensor, dtype: torch.dtype) -> Any:
    """The value where the condition holds, else 0."""
    zeros = torch.zeros((), dtype=dtype)
    if not is_tensor(value) or not value.requires_grad:
        return torch.where(condition, torch.as_tensor(value, dtype=dtype), zeros)
    if not bool(value.isfinite().all()):
        raise NotImplementedError("chooses among elements that are not all finite: 0 times one of them is NaN in the service")
    return value * condition.to(dtype)


def _tri(function: Any) -> Handler:
    return composed(lambda input, diagonal=0: input * function(torch.ones(input.shape[-2:], dtype=input.dtype), diagonal))


def _setitem(call: Call) -> None:
    """x[index] = value: what was there before, but for the elements that are written."""
    x, index, value = call.args
    touched = torch.zeros(x.shape, dtype=torch.bool)
    touched[index] = True
    kept = (~touched).to(x.dtype)
    if not call.recorder.follows(value):
        added = torch.zeros(x.shape, dtype=x.dtype)
        added[index] = value.detach() if is_tensor(value) else value
        call.replay(lambda *_: x * kept + added)
        return
    parts = _parts(x, index)
    if not all(isinstance(part, int) or (isinstance(part, slice) and part.step in (None, 1)) for part in parts):
        call.refuse("writes elements that are picked by a tensor")
        return
    shown, region, pads = _region(x, parts)
    call.replay(lambda *_: x * kept + functional.pad(value.expand(shown).reshape(region), pads))


def _region(x: torch.Tensor, parts: list[Any]) -> tuple[list[int], list[int], list[int]]:
    """The shape that an index shows, that of the elements within x, and how far these are from its borders."""
    shown: list[int] = []
    region: list[int] = []
    pads: list[int] = []
    for part, size in zip(parts, x.shape):
        start, stop = (part % size, part % size + 1) if isinstance(part, int) else part.indices(size)[:2]
        region.append(stop - start)
        pads = [start, size - stop, *pads]
        if not isinstance(part, int):
            shown.append(stop - start)
    return shown, region, pads


HANDLERS: dict[str, Handler] = {
    "getitem": _getitem, "setitem": _setitem, "masked_fill": _masked_fill, "where": composed(_where), "tril": _tri(torch.tril), "triu": _tri(torch.triu),
    **{name: _by_numbers(getattr(torch, name)) for name in (
        "gather", "index_select", "take", "masked_select", "diagonal", "diag", "repeat_interleave", "take_along_dim", "rot90")},
    "unfold": _by_numbers(torch.Tensor.unfold),
}  # fmt: skip
