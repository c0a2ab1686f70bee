"""Sees every call that a model makes while it runs."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Iterator, Mapping, Optional, Sequence

import torch
from torch import nn
from torch.autograd.function import FunctionCtx
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import CheckpointFunction

from . import modules, operations
from .operations.call import tensors_in
from .place import frames, place_of
from .recorder import Recorder

_GET, _PUT = torch.Tensor.__getitem__, torch.Tensor.__setitem__
_GUARDS = ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")


class Watch(TorchFunctionMode):
    """Tells the recorder of all calls, but for those within a module that is one layer. `training` is the mode of the whole
    model; `loss_calls` has what is the output of a loss of the service, by its identity."""

    def __init__(self, recorder: Recorder, losses: Sequence[Mapping[str, Any]], training: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.recorder = recorder
        self.training = training
        self.losses_table = {row["type"]: row for row in losses}
        self.loss_calls: dict[int, operations.losses.LossCall] = {}
        self._path: list[str] = []
        self._layer: Optional[nn.Module] = None  # whose forward runs
        self._quiet = False

    # ---- functions ----

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.call(func, args, kwargs or {})

    def call(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Runs a function, and records it."""
        if self._layer is not None or self._quiet:
            return function(*args, **kwargs)
        name = operations.name_of(function)
        node = self._node(name)
        in_place = operations.is_in_place(function)
        with self._quietly():
            self._before(node, in_place, args, kwargs)
            output = function(*args, **kwargs)
            if in_place:
                for tensor in tensors_in(list(args)):
                    self.recorder.refresh(tensor)
            custom = self._custom_function()
            if custom is None or custom is CheckpointFunction:
                made = args[0] if name == "setitem" else output
                operations.record(self, function, node, args, kwargs, made, custom is not None)
                if in_place:
                    self._write_through(node, args[0])
        return output

    def _write_through(self, node: str, tensor: Any) -> None:
        """A view that was changed in place changes what it is a view of: x[1:2].zero_() is x[1:2] = 0."""
        view = self.recorder.view_of(tensor)
        if view is None:
            return
        whole, index = view
        self.recorder.refresh(whole)
        operations.record(self, _PUT, node, (whole, index, tensor), {}, whole, True)
        self._write_through(node, whole)

    def _node(self, name: str) -> str:
        return f"{self._path[-1]}.{name}" if self._path and self._path[-1] else name

    def _before(self, node: str, in_place: bool, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        tensors = tensors_in([*args, *kwargs.values()])
        for tensor in tensors:
            self.recorder.check_fresh(tensor, node)
        if in_place and isinstance(args[0], torch.Tensor) and args[0].is_floating_point():
            if any(self.recorder.follows(tensor) for tensor in tensors):
                self.recorder.name_of(args[0], node)  # a constant is what it was before

    def _custom_function(self) -> Any:
        """The custom autograd function whose forward runs; what it computes has a gradient of its own."""
        for frame in frames():
            code = frame.f_code
            if code.co_name == "forward" and code.co_argcount:
                context = frame.f_locals.get(code.co_varnames[0])
                if isinstance(context, FunctionCtx):
                    function = getattr(context, "_forward_cls", type(context))
                    if function is not CheckpointFunction:
                        self.recorder.custom_function(function.__name__, place_of(frame.f_back))
                    return function
            if frame.f_locals.get("self") is self and code.co_name == "run":
                break
        return None

    @contextlib.contextmanager
    def _quietly(self) -> Iterator[None]:
        """What the recorder itself does with tensors is not recorded."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    # ---- functions again, in simpler calls ----

    def replay(self, node: str, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Runs a function; its calls are recorded."""
        quiet, self._quiet = self._quiet, False
        self._path.append(node)
        try:
            with self, torch.enable_grad():
                return function(*args, **kwargs)
        finally:
            self._path.pop()
            self._quiet = quiet

    def replay_body(self, node: str, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """The same, of a function that would otherwise ask the mode first: its first question is answered with no."""
        scope = function.__globals__
        guards = {name: scope[name] for name in _GUARDS if name in scope}

        def no_more(*_: Any) -> bool:
            scope.update(guards)
            return False

        scope.update(dict.fromkeys(guards, no_more))
        try:
            return self.replay(node, function, args, kwargs)
        finally:
            scope.update(guards)

    # ---- modules ----

    def watched(self, module: nn.Module, path: str) -> Callable[..., Any]:
        """The forward of the module at `path`, seen. Not by hooks: before PyTorch 2 they don't get keyword arguments."""
        forward = module.forward

        def watch(*args: Any, **kwargs: Any) -> Any:
            if self._layer is not None or self._quiet:
                return forward(*args, **kwargs)
            with self._quietly():
                is_layer = modules.is_layer(self.recorder, module, self.training, args, kwargs)
                for tensor in tensors_in([*args, *kwargs.values()]) if is_layer else ():
                    self.recorder.check_fresh(tensor, path)
            self._layer = module if is_layer else None
            self._path.append(path)
            try:
                output = forward(*args, **kwargs)
            finally:
                self._path.pop()
                self._layer = None
            if is_layer:
                self._record_module(module, path, args, kwargs, output)
            return output

        return watch

    def _record_module(self, module: nn.Module, path: str, args: Any, kwargs: Any, output: Any) -> None:
        sources = tensors_in([*args, *kwargs.values()])
        with self._quietly():
            custom = self._custom_function()
            had = any(tensor.requires_grad for tensor in [*sources, *module.parameters()])
            cut = had and custom is None and not any(tensor.requires_grad for tensor in tensors_in(output))
            if cut or (custom is not None and custom is not CheckpointFunction):
                return  # torch.no_grad(): a constant
            if self.recorder.follows_unknown(path, sources, tensors_in(output)):
                return
            modules.record(self.recorder, module, path, args, kwargs, output)

    # ---- the run ----

    def run(self, model: nn.Module, function: Callable[[], Any]) -> Any:
        """Runs a function with all calls of modules and functions seen."""
        parts = dict(model.named_modules())
        before = {path: module.__dict__.get("forward") for path, module in parts.items()}
        try:
            for path, module in parts.items():
                module.__dict__["forward"] = self.watched(module, path)
            with self, self._indexing(), torch.enable_grad():
                return function()
        finally:
            for path, module in parts.items():
                if before[path] is None:
                    module.__dict__.pop("forward", None)
                else:
                    module.__dict__["forward"] = before[path]

    @contextlib.contextmanager
    def _indexing(self) -> Iterator[None]:
        """Until PyTorch 2 the mode isn't told of x[0] and x[0] = y."""
        if _is_told_of_indexing():
            yield
            return
        setattr(torch.Tensor, "__getitem__", lambda tensor, index: self.call(_GET, (tensor, index), {}))
        setattr(torch.Tensor, "__setitem__", lambda tensor, index, value: self.call(_PUT, (tensor, index, value), {}))
        try:
            yield
        finally:
            setattr(torch.Tensor, "__getitem__", _GET)
            setattr(torch.Tensor, "__setitem__", _PUT)


class _Probe(TorchFunctionMode):
    told = False

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.told = True
        return func(*args, **(kwargs or {}))


def _is_told_of_indexing() -> bool:
    tensor = torch.zeros(1)
    probe = _Probe()  # type: ignore[no-untyped-call]
    with probe:
        tensor[0]
    return probe.told
