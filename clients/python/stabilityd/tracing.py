"""From a torch.nn.Module and its loss to a model of the service.

The model runs once on the batch, while each call of a module is watched, and by a TorchFunctionMode each call of a
function or of a tensor's method; a Recorder writes down which layer made each tensor. So whatever Python does between them
(sizes, loops, branches) needs no tracing: it simply runs. torch.fx, which must not run it, gives up at `b, t = x.shape`.
"""

from __future__ import annotations

import contextlib
import copy
import functools
from dataclasses import dataclass
from typing import Any, Callable, Iterator, Mapping, Optional

import torch
from torch import nn
from torch.jit._script import ScriptModule

from .connection import Connection
from .errors import TraceError
from .recorder import Recorder
from .watch import Watch

__all__ = ["Trace", "trace"]


@dataclass
class Trace:
    """A model as the service reads it: the request's `model`, its inputs by name, the target, weights by key. `loss` is what
    PyTorch computed."""

    model: dict[str, Any]
    inputs: dict[str, torch.Tensor]
    target: torch.Tensor
    weights: dict[str, torch.Tensor]
    keys: dict[str, str]
    loss: float

    def key_of(self, parameter: str) -> str:
        """The key of a parameter by its name in model.named_parameters()."""
        if parameter not in self.keys:
            raise TraceError(f"the loss does not read the parameter {parameter!r}, or there is none of this name")
        return self.keys[parameter]


@contextlib.contextmanager
def _unchanged(model: nn.Module) -> Iterator[None]:
    """Runs a model without a trace of it: buffers (running statistics) and the generator's state are put back."""
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    with torch.random.fork_rng():
        try:
            yield
        finally:
            with torch.no_grad():
                for buffer, before in buffers:
                    buffer.copy_(before)


def _all_parameters(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Also those that are another one under a second name."""
    for path, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            yield (f"{path}.{name}" if path else name), parameter


def _first_tensor(output: Any) -> torch.Tensor:
    """What the loss reads: the output, or the first tensor in it."""
    if isinstance(output, torch.Tensor):
        return output
    for part in output.values() if isinstance(output, Mapping) else output if isinstance(output, (list, tuple)) else ():
        return _first_tensor(part)
    raise TraceError(f"the model's output must be a tensor or start with one, got {type(output).__name__}")


def _reads_tensors(loss_fn: Any) -> bool:
    """Whether it is a loss of PyTorch, which can't read tuples and dictionaries."""
    function = loss_fn.func if isinstance(loss_fn, functools.partial) else loss_fn
    kind = type(function) if isinstance(function, nn.Module) else function
    return str(getattr(kind, "__module__", "")).startswith("torch.nn")


def _named_inputs(x: Any, dtype: Optional[torch.dtype]) -> tuple[list[torch.Tensor], dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The inputs by position, by keyword, and all by name; floating ones in `dtype`, where one is given."""

    def tensor(value: Any) -> torch.Tensor:
        given = torch.as_tensor(value)
        return given.to(dtype) if dtype is not None and given.is_floating_point() else given

    if isinstance(x, Mapping):
        keywords = {str(name): tensor(value) for name, value in x.items()}
        return [], keywords, keywords
    given = [tensor(value) for value in x] if isinstance(x, (tuple, list)) else [tensor(x)]
    return given, {}, {"input" if len(given) == 1 else f"input{i}": value for i, value in enumerate(given)}


def _in_single_precision(model: nn.Module) -> Optional[nn.Module]:
    """A copy of a model in half precision, which PyTorch can't run everywhere; None for all others."""
    halves = any(p.dtype in (torch.float16, torch.bfloat16) for p in model.parameters())
    return copy.deepcopy(model).float() if halves else None


def _in_dtype(value: Any, dtype: Optional[torch.dtype]) -> Any:
    if dtype is None or not isinstance(value, torch.Tensor) or not value.is_floating_point():
        return value
    return value.to(dtype)


def trace(model: nn.Module, x: Any, y: Any, loss_fn: Callable[..., Any], connection: Connection, *, name: Optional[str] = None) -> Trace:
    """See stabilityd.trace."""
    model = getattr(model, "_orig_mod", model)  # of torch.compile
    if isinstance(model, ScriptModule):
        raise TraceError("a TorchScript module can't be looked into: give the torch.nn.Module that it was made from")
    single = _in_single_precision(model)
    dtype = torch.float32 if single is not None else None
    running = single if single is not None else model
    args, kwargs, named = _named_inputs(x, dtype)
    parts = [running, loss_fn] if isinstance(loss_fn, nn.Module) else [running]
    recorder = Recorder(connection.table("layers")["layers"], *parts)
    recorder.begin(named)
    watch = Watch(recorder, connection.table("losses")["losses"], running.training)

    def run() -> torch.Tensor:
        output = running(*args, **kwargs)
        return loss_fn(_first_tensor(output) if _reads_tensors(loss_fn) else output, _in_dtype(y, dtype))  # type: ignore[no-any-return]

    with _unchanged(running):
        value = watch.run(running, run)
    loss, target = _loss(recorder, watch, value)
    recorder.finish(loss["inputs"])
    wire = {"name": name or type(model).__name__, "inputs": list(recorder.inputs), "layers": recorder.layers, "loss": loss}
    kept = {parameter: recorder.key_of(tensor) for parameter, tensor in _all_parameters(running)}
    keys = {parameter: key for parameter, key in kept.items() if key is not None}
    return Trace(wire, recorder.inputs, target, recorder.weights, keys, float(value.detach()))


def _loss(recorder: Recorder, watch: Watch, value: Any) -> tuple[dict[str, Any], torch.Tensor]:
    """The request's loss, and its target. A loss that the service does not have is computed by layers, down to one number, which
    HingeEmbeddingLoss with the target 1 lets through as it is."""
    if not isinstance(value, torch.Tensor) or value.numel() != 1:
        what = f"a tensor of shape {list(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__
        raise TraceError(f"the loss must be one number, got {what}")
    if not recorder.follows(value):
        raise TraceError("the loss does not depend on the model's parameters (torch.no_grad(), .detach(), .item()?)")
    call = watch.loss_calls.get(id(value))
    if call is not None:
        return {**call.loss, "inputs": [recorder.name_of(tensor, "the loss") for tensor in call.inputs]}, call.target
    return {"type": "HingeEmbeddingLoss", "inputs": [recorder.name_of(value, "the loss")]}, torch.ones(value.shape)

