"""One call of a function or of a tensor's method, as its handler sees it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Callable, Mapping, Sequence

import torch

if TYPE_CHECKING:
    from ..recorder import Recorder
    from ..watch import Watch


def is_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor)


def tensors_in(value: Any) -> list[torch.Tensor]:
    """The tensors of an argument or an output: itself, or those of a list, a tuple or a dictionary."""
    if is_tensor(value):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    return [t for part in value for t in tensors_in(part)] if isinstance(value, (list, tuple)) else []


class Call:
    """Its name, its arguments, what it returned, and where its layers go."""

    def __init__(
        self, watch: "Watch", function: str, node: str, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any
    ) -> None:
        self.watch = watch
        self.recorder: Recorder = watch.recorder
        self.function = function
        self.node = node
        self.args = list(args)
        self.kwargs = dict(kwargs)
        self.output = output

    @property
    def x(self) -> Any:
        """The first argument: the tensor."""
        return self.args[0] if self.args else self.kwargs.get("input", self.kwargs.get("self"))

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        """By position, counted with the tensor, or by name."""
        return self.args[position] if position < len(self.args) else self.kwargs.get(name, default)

    def named(self, *names: str, **defaults: Any) -> dict[str, Any]:
        """All arguments by name, of a function that does not say what its arguments are called."""
        return {**defaults, **dict(zip(names, self.args)), **self.kwargs}

    def bound(self, function: Callable[..., Any]) -> dict[str, Any]:
        """All arguments by the names of the function's signature."""
        bound = inspect.signature(function).bind(*self.args, **self.kwargs)
        bound.apply_defaults()
        return dict(bound.arguments)

    def sizes(self, position: int, name: str) -> list[int]:
        """Sizes or dimensions, given one by one or as a list."""
        given = self.args[position:] if len(self.args) > position else [self.kwargs[name]]
        if len(given) == 1 and isinstance(given[0], (list, tuple, torch.Size)):
            given = list(given[0])
        return [int(size) for size in given]

    def first_output(self) -> torch.Tensor:
        return self.output[0] if isinstance(self.output, (tuple, list)) else self.output  # type: ignore[no-any-return]

    def add(self, type: str, inputs: list[torch.Tensor], output: Any = None, **attributes: Any) -> str:
        """A layer; attributes that are None are left out. Returns its name."""
        if type not in self.recorder.table:
            raise NotImplementedError(f"needs the layer {type}, which this service does not have: it is older than the client")
        made = self.output if output is None else output
        return self.recorder.add(type, self.node, inputs, {k: v for k, v in attributes.items() if v is not None}, made)

    def between(self, type: str, inputs: list[torch.Tensor], **attributes: Any) -> torch.Tensor:
        """A layer whose output no one but the next one reads: returns what stands for it."""
        made = torch.empty(0)
        self.add(type, inputs, made, **attributes)
        return made

    def same(self, source: torch.Tensor) -> None:
        """The output is the source, moved or copied."""
        self.recorder.same(self.output, source, self.node)

    def replay(self, function: Callable[..., Any]) -> None:
        """Computes the output once more, as `function` does of simpler calls, which are recorded."""
        _alike(self.recorder, self.output, self.watch.replay(self.node, function, self.args, self.kwargs), self.node)

    def replay_body(self, function: Callable[..., Any]) -> None:
        """The same, of the body of a function of PyTorch that is written in Python."""
        again = self.watch.replay_body(self.node, function, self.args, self.kwargs)
        _alike(self.recorder, self.output, again, self.node)

    def refuse(self, why: str) -> None:
        """What has no gradient needs no layer: it is a constant of this batch."""
        outputs = [tensor for tensor in tensors_in(self.output) if tensor.requires_grad]
        if outputs:
            where = self.node.rpartition(".")[0]
            self.recorder.unknown(self.node, outputs, f"{self.function}{f' in {where!r}' if where else ''} {why}")


Handler = Callable[[Call], None]


def _alike(recorder: "Recorder", output: Any, again: Any, node: str) -> None:
    """The tensors of an output are those of the replayed one."""
    if is_tensor(output):
        if recorder.follows(again):
            recorder.same(output, again, node)
    elif isinstance(output, (tuple, list)):
        for one, other in zip(output, again):
            _alike(recorder, one, other, node)


def composed(function: Callable[..., Any]) -> Handler:
    """The handler of what is composed of simpler calls, as `function` says."""
    return lambda call: call.replay(function)
