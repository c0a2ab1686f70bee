"""From a torch.nn.Module to a model of the service.

The model runs once on the batch, while each call of a module is watched, and by a TorchFunctionMode each call of a
function or of a tensor's method; a Recorder writes down which layer made each tensor. So whatever Python does between them
(sizes, loops, branches) needs no tracing: it simply runs. torch.fx, which must not run it, gives up at `b, t = x.shape`.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, Callable, Iterator, Optional

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from . import losses, operations
from .connection import Connection
from .recorder import Recorder, TraceError

__all__ = ["Trace", "TraceError", "trace"]


@dataclass
class Trace:
    """A model as the service reads it: the request's `model`, its inputs by name, its weights by key."""

    model: dict[str, Any]
    inputs: dict[str, torch.Tensor]
    weights: dict[str, torch.Tensor]
    keys: dict[str, str]

    def key_of(self, parameter: str) -> str:
        """The key of a parameter by its name in model.named_parameters()."""
        if parameter not in self.keys:
            raise TraceError(f"the loss does not read the parameter {parameter!r}, or there is none of this name")
        return self.keys[parameter]


class _Watch(TorchFunctionMode):
    """Tells the recorder of all calls, but for those within a module that is one layer."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder
        self._path: list[str] = []
        self._layer: Optional[nn.Module] = None  # whose forward runs
        self._recording = False
        self._calls = 0
        self._getitem = torch.Tensor.__getitem__
        self._watch_getitem = lambda tensor, index: self._watched_getitem(tensor, index)  # a function becomes a method

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is self._watch_getitem:
            func = self._getitem
        output = func(*args, **kwargs)
        self._record(operations.name_of(func), args, kwargs, output)
        return output

    @contextlib.contextmanager
    def _quietly(self) -> Iterator[None]:
        """What the recorder itself does with tensors is not recorded."""
        self._recording = True
        try:
            yield
        finally:
            self._recording = False

    def _record(self, name: str, args: Any, kwargs: Any, output: Any) -> None:
        self._calls += 1
        if self._layer is not None or self._recording:
            return
        with self._quietly():
            node = f"{self._path[-1]}.{name}" if self._path and self._path[-1] else name
            operations.record(self._recorder, name, node, args, kwargs, output)

    def _watched_getitem(self, tensor: torch.Tensor, index: Any) -> torch.Tensor:
        calls = self._calls
        output = self._getitem(tensor, index)
        if self._calls == calls:
            self._record("getitem", (tensor, index), {}, output)
        return output

    def __enter__(self) -> Any:
        """Until PyTorch 2 the mode isn't told of x[0] and x[1:2]."""
        setattr(torch.Tensor, "__getitem__", self._watch_getitem)
        return super().__enter__()

    def __exit__(self, *reason: Any) -> Any:
        setattr(torch.Tensor, "__getitem__", self._getitem)
        return super().__exit__(*reason)

    def watched(self, module: nn.Module, path: str) -> Callable[..., Any]:
        """The forward of the module at `path`, seen. Not by hooks: before PyTorch 2 they don't get keyword arguments."""
        forward = module.forward

        def watch(*args: Any, **kwargs: Any) -> Any:
            is_layer = self._layer is None and self._recorder.is_layer(module)
            if is_layer:
                self._layer = module
            self._path.append(path)
            try:
                output = forward(*args, **kwargs)
            finally:
                self._path.pop()
                if is_layer:
                    self._layer = None
            if is_layer:
                with self._quietly():
                    self._recorder.module(module, path, args, kwargs, output)
            return output

        return watch


@contextlib.contextmanager
def _unchanged(model: nn.Module) -> Iterator[None]:
    """Runs a model without a trace of it: buffers (running statistics) and the generator's state are put back."""
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    with torch.random.fork_rng(), torch.no_grad():
        try:
            yield
        finally:
            for buffer, before in buffers:
                buffer.copy_(before)


def _run(model: nn.Module, inputs: tuple[torch.Tensor, ...], recorder: Recorder) -> Any:
    """Runs the model once, and lets the recorder know all that happens."""
    watch = _Watch(recorder)
    modules = dict(model.named_modules())
    before = {path: module.__dict__.get("forward") for path, module in modules.items()}
    try:
        for path, module in modules.items():
            module.__dict__["forward"] = watch.watched(module, path)
        with watch:
            return model(*inputs)
    finally:
        for path, module in modules.items():
            if before[path] is None:
                module.__dict__.pop("forward", None)
            else:
                module.__dict__["forward"] = before[path]


def _all_parameters(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Also those that are another one under a second name."""
    for path, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            yield (f"{path}.{name}" if path else name), parameter


def _first_tensor(output: Any) -> torch.Tensor:
    """What the loss reads: the output, or the first tensor in it."""
    if isinstance(output, torch.Tensor):
        return output
    for part in output.values() if isinstance(output, dict) else output if isinstance(output, (list, tuple)) else ():
        return _first_tensor(part)
    raise TraceError(f"the model's output must be a tensor or start with one, got {type(output).__name__}")


def trace(model: nn.Module, x: Any, loss_fn: Any, connection: Connection, *, name: Optional[str] = None) -> Trace:
    """Traces `model` on the batch `x` (a tensor, or a tuple of the model's inputs). Raises TraceError, which names
    everything that has no counterpart among the service's layers."""
    inputs = tuple(x) if isinstance(x, (tuple, list)) else (x,)
    inputs = tuple(torch.as_tensor(tensor) for tensor in inputs)
    recorder = Recorder(connection.table("layers")["layers"], model)
    named = {"input" if len(inputs) == 1 else f"input{i}": tensor for i, tensor in enumerate(inputs)}
    recorder.begin(named)
    with _unchanged(model):
        output = _run(model, inputs, recorder)
    recorder.raise_problems()
    layers = recorder.layers
    loss = losses.loss_of(loss_fn, connection.table("losses")["losses"])
    loss["inputs"] = [recorder.name_of(_first_tensor(output), "the loss")]
    recorder.raise_problems()
    wire = {"name": name or type(model).__name__, "inputs": list(named), "layers": layers, "loss": loss}
    keys = {n: recorder.keys[id(p)] for n, p in _all_parameters(model) if id(p) in recorder.keys}
    return Trace(wire, named, recorder.weights, keys)
