"""Which layer made which tensor, while a model runs."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence

import torch
from torch import nn

from . import modules
from .tensors import to_json


class TraceError(Exception):
    """A model has something that the service has no layer for; the message names all of it."""


class Recorder:
    """Collects layers and weights. A tensor is known by its identity: whoever returns it, in whatever tuple, it is
    the output of the layer that made it last."""

    def __init__(self, table: Sequence[Mapping[str, Any]], model: nn.Module) -> None:
        self.table = {row["type"]: row for row in table}
        self.layers: list[dict[str, Any]] = []
        self.weights: dict[str, torch.Tensor] = {}
        self.keys: dict[int, str] = {}  # by the identity of a parameter
        self._names: dict[int, str] = {}  # by the identity of a tensor
        self._alive: list[Any] = []  # an identity stays one as long as its object lives
        self._taken: set[str] = set()
        self._uses: dict[int, str] = {}  # by the identity of a module: the layer of its first use
        self._problems: list[str] = []
        self._parameters = {id(p): n for n, p in model.named_parameters()}
        self._buffers = {id(b): n for n, b in model.named_buffers()}

    def begin(self, inputs: Mapping[str, torch.Tensor]) -> None:
        """The model's inputs."""
        for name, tensor in inputs.items():
            self._taken.add(name)
            self.made(tensor, name)

    # ---- problems ----

    def problem(self, text: str) -> None:
        if text not in self._problems:
            self._problems.append(text)

    def raise_problems(self) -> None:
        if not self._problems:
            return
        raise TraceError("the model can't be sent:\n" + "\n".join("  " + p for p in self._problems))

    # ---- tensors ----

    def made(self, tensor: torch.Tensor, name: str) -> None:
        """This tensor is now the output of that name."""
        self._names[id(tensor)] = name
        self._alive.append(tensor)

    def follows(self, value: Any) -> bool:
        """Whether it depends on the model's inputs or parameters."""
        return isinstance(value, torch.Tensor) and (id(value) in self._names or id(value) in self._parameters)

    def name_of(self, tensor: torch.Tensor, reader: str) -> str:
        """The name of what made a tensor; parameters and constants become layers of their own. `reader` is who
        asks."""
        if id(tensor) in self._names:
            return self._names[id(tensor)]
        if id(tensor) in self._parameters:
            path = self._parameters[id(tensor)]
            name = self.add("Parameter", path, [], {"shape": list(tensor.shape)}, tensor)
            self.keep(tensor, f"{name}.weight")
            return name
        path = self._buffers.get(id(tensor), "constant")
        return self.add("Constant", path, [], {"value": to_json(tensor.float() if not tensor.is_floating_point() else tensor)}, tensor)

    def keep(self, parameter: torch.Tensor, key: str) -> None:
        """A weight of the request."""
        self.weights[key] = parameter
        self.keys.setdefault(id(parameter), key)
        self._alive.append(parameter)

    # ---- layers ----

    def unique(self, name: str) -> str:
        name = name or "layer"
        unique, count = name, 1
        while unique in self._taken:
            count += 1
            unique = f"{name}_{count}"
        self._taken.add(unique)
        return unique

    def add(
        self,
        type: str,
        name: str,
        inputs: Sequence[torch.Tensor],
        attributes: Mapping[str, Any],
        output: Optional[torch.Tensor],
        **members: Any,
    ) -> str:
        """Adds a layer that made `output`. Returns its name."""
        name = self.unique(name)
        layer: dict[str, Any] = {"name": name, "type": type}
        if inputs:
            layer["inputs"] = [self.name_of(tensor, f"{type} {name!r}") for tensor in inputs]
        layer.update(attributes)
        layer.update(members)
        self.layers.append(layer)
        if output is not None:
            self.made(output, name)
        return name

    # ---- modules ----

    def is_layer(self, module: nn.Module) -> bool:
        """Whether a module is one layer, or is known as a whole."""
        kind = type(module).__name__
        return type(module).__module__.startswith("torch.nn.modules") and (kind in self.table or kind in modules.SPECIAL)

    def module(self, module: nn.Module, path: str, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> None:
        """A call of a module that is_layer."""
        modules.record(self, module, path, list(args), dict(kwargs), output)

    def first_use(self, module: nn.Module, name: str) -> Optional[str]:
        """The layer whose weights this use of a module shares, or None: it is the first."""
        first = self._uses.setdefault(id(module), name)
        return None if first == name else first
