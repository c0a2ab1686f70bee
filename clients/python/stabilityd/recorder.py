"""Which layer made which tensor, while a model runs."""

from __future__ import annotations

from typing import Any, Callable, Container, Mapping, Optional, Sequence

import torch
from torch import nn

from .errors import TraceError
from .place import frames, place_of
from .tensors import to_json


class Recorder:
    """Collects layers, inputs and weights. A tensor is known by its identity: whoever returns it, in whatever tuple, it
    is the output of the layer that made it last."""

    def __init__(self, table: Sequence[Mapping[str, Any]], *modules: nn.Module) -> None:
        """`table` describes the service's layers; the parameters of `modules` are weights."""
        self.table = {row["type"]: row for row in table}
        self.layers: list[dict[str, Any]] = []
        self.inputs: dict[str, torch.Tensor] = {}
        self.weights: dict[str, torch.Tensor] = {}
        self._keys: dict[int, str] = {}  # by the identity of a parameter
        self._names: dict[int, str] = {}  # by the identity of a tensor
        self._versions: dict[int, int] = {}  # which version of a tensor that name is
        self._later: dict[int, Callable[[], Any]] = {}  # by the identity of a tensor
        self._alive: list[Any] = []  # an identity stays one as long as its object lives
        self._taken: set[str] = set()
        self._read: set[str] = set()
        self._computed: dict[str, torch.Tensor] = {}  # constants that are not buffers, by the names of their layers
        self._uses: dict[int, str] = {}  # by the identity of a module: the layer of its first use
        self._problems: list[str] = []
        self._unknown: dict[str, str] = {}  # by the name of a layer that the service does not have: what to say of it
        self._views: dict[int, tuple[torch.Tensor, Any]] = {}  # by the identity of a view
        self._constants: set[int] = set()  # identities of tensors whose gradient is known to be 0
        self._custom: set[str] = set()  # names of custom autograd functions
        self._parameters = {id(p): n for module in modules for n, p in module.named_parameters()}
        self._buffers = {id(b): n for module in modules for n, b in module.named_buffers()}

    def begin(self, inputs: Mapping[str, torch.Tensor]) -> None:
        """The model's inputs."""
        for name, tensor in inputs.items():
            self._taken.add(name)
            self.inputs[name] = tensor
            self.made(tensor, name)

    # ---- problems ----

    def problem(self, text: str, place: Optional[str] = None) -> None:
        """Something can't be sent; the place is that in the user's code that runs, where none is given."""
        self._problems.append(_placed(text, place_of(next(frames())) if place is None else place))

    def custom_function(self, name: str, place: str) -> None:
        """A custom autograd function of this name is called there."""
        self._custom.add(name)
        self.problem(f"{name} is a custom autograd function: its own backward can't be sent", place)

    def unknown(self, node: str, outputs: Sequence[torch.Tensor], text: str) -> None:
        """What the service has no layer for. It is a problem where the loss depends on it."""
        name = self.add("", node, [], {}, None)
        self._unknown[name] = _placed(text, place_of(next(frames())))
        for tensor in outputs:
            self.made(tensor, name)

    def follows_unknown(self, node: str, sources: Sequence[torch.Tensor], outputs: Sequence[torch.Tensor]) -> bool:
        """Whether something unknown is among the sources; then the outputs are as unknown."""
        names = [self._names.get(id(source), "") for source in sources]
        unknown = [_maker(name, self._unknown) for name in names if _maker(name, self._unknown) in self._unknown]
        if unknown:
            name = self.unique(node)
            self.layers.append({"name": name, "type": "", "inputs": unknown})
            self._unknown[name] = ""
            for tensor in outputs:
                self.made(tensor, name)
        return bool(unknown)

    def finish(self, loss_inputs: Sequence[str]) -> None:
        """Leaves out what is unknown or follows from it, and inputs that nothing reads. Raises TraceError where that is what the loss
        reads, or where there were problems."""
        needed = self._needed(loss_inputs)
        problems = self._problems + [text for name, text in self._unknown.items() if name in needed and text]
        if problems:
            raise TraceError("the model can't be sent:\n" + "\n".join("  " + p for p in dict.fromkeys(problems)))
        self.layers = [layer for layer in self.layers if layer["name"] not in self._unknown]
        self._finish_inputs(loss_inputs)

    def _needed(self, loss_inputs: Sequence[str]) -> set[str]:
        """The names of layers that the loss depends on."""
        layers = {layer["name"]: layer for layer in self.layers}
        needed: set[str] = set()
        open_ends = [_maker(name, layers) for name in loss_inputs]
        while open_ends:
            name = open_ends.pop()
            if name not in needed:
                needed.add(name)
                open_ends += [_maker(source, layers) for source in layers.get(name, {}).get("inputs", ())]
        return needed

    def _finish_inputs(self, loss_inputs: Sequence[str]) -> None:
        """Inputs that no layer reads are left out: labels that only a loss reads. Where none is left (all that is computed of them is
        without a gradient), the largest constant becomes one."""
        read = {source for layer in self.layers for source in layer.get("inputs", ())} | set(loss_inputs)
        used = {name: tensor for name, tensor in self.inputs.items() if name in read}
        constants = [layer for layer in self.layers if layer["name"] in self._computed]
        if not used and constants:
            largest = max(constants, key=lambda layer: self._computed[layer["name"]].numel())
            self.layers.remove(largest)
            used = {largest["name"]: self._computed[largest["name"]]}
        self.inputs = used or self.inputs

    # ---- tensors ----

    def made(self, tensor: torch.Tensor, name: str) -> None:
        """This tensor is now the output of that name."""
        self._names[id(tensor)] = name
        self._versions[id(tensor)] = _version(tensor)
        self._alive.append(tensor)

    def made_later(self, tensor: torch.Tensor, expand: Callable[[], Any]) -> None:
        """Where someone reads this tensor, `expand` adds the layers that make it, and returns their output."""
        self._later[id(tensor)] = expand
        self._alive.append(tensor)

    def same(self, tensor: torch.Tensor, source: torch.Tensor, reader: str) -> None:
        """`tensor` is what made `source`."""
        self.made(tensor, self.name_of(source, reader))

    def follows(self, value: Any) -> bool:
        """Whether it depends on the model's inputs or parameters."""
        return isinstance(value, torch.Tensor) and (
            id(value) in self._names or id(value) in self._parameters or id(value) in self._later
        )

    def is_weight(self, tensor: torch.Tensor) -> bool:
        """Whether it is a parameter or a buffer of the model, not one that was computed."""
        return id(tensor) in self._parameters or id(tensor) in self._buffers

    def check_fresh(self, tensor: torch.Tensor, reader: str) -> None:
        """Whoever changes a tensor in place is seen; but not for other tensors that share its memory."""
        if id(tensor) in self._names and self._versions[id(tensor)] != _version(tensor):
            self.problem(f"{reader} reads a tensor that was changed in place by way of another one (a view of it)")
            self._versions[id(tensor)] = _version(tensor)

    def constants(self, tensors: Sequence[torch.Tensor]) -> None:
        """Their gradient is 0, though PyTorch has one."""
        for tensor in tensors:
            self._names.pop(id(tensor), None)
            self._constants.add(id(tensor))
            self._alive.append(tensor)

    def view(self, tensor: torch.Tensor, of: torch.Tensor, index: Any) -> None:
        """`tensor` is of[index], in the same memory."""
        self._views[id(tensor)] = (of, index)
        self._alive += [tensor, of]

    def view_of(self, tensor: torch.Tensor) -> Optional[tuple[torch.Tensor, Any]]:
        """What a tensor is a view of, and its index; None where that isn't known."""
        return self._views.get(id(tensor))

    def index(self, tensor: torch.Tensor, name: str) -> None:
        """Whole numbers that an Embedding reads: they are data of the request, wherever they come from."""
        if self.inputs.get(self._names.get(id(tensor), "")) is not tensor:
            unique = self.unique(name)
            self.inputs[unique] = tensor
            self.made(tensor, unique)

    def refresh(self, tensor: Any) -> None:
        """It was changed in place, and seen to be."""
        if isinstance(tensor, torch.Tensor) and id(tensor) in self._names:
            self._versions[id(tensor)] = _version(tensor)

    def convert_input(self, tensor: torch.Tensor, converted: torch.Tensor) -> bool:
        """An input of integers that the model turns into floating point first is sent as what it became."""
        name = self._names.get(id(tensor), "")
        if self.inputs.get(name) is not tensor or name in self._read:
            return False
        self.inputs[name] = converted
        self.made(converted, name)
        del self._names[id(tensor)]
        return True

    def name_of(self, tensor: torch.Tensor, reader: str) -> str:
        """The name of what made a tensor; parameters and constants become layers of their own. `reader` is who
        asks."""
        if id(tensor) in self._later:
            expand = self._later.pop(id(tensor))
            self.same(tensor, expand(), reader)
        if id(tensor) in self._names:
            name = self._names[id(tensor)]
            self._read.add(name)
            return name
        if id(tensor) in self._parameters:
            path = self._parameters[id(tensor)]
            name = self.add("Parameter", path, [], {"shape": list(tensor.shape)}, tensor)
            self.keep(tensor, f"{name}.weight")
            return name
        self._check_constant(tensor, reader)
        path = self._buffers.get(id(tensor), "constant")
        value = tensor if tensor.is_floating_point() else tensor.to(torch.get_default_dtype())
        name = self.add("Constant", path, [], {"value": to_json(value)}, tensor)
        if id(tensor) not in self._buffers:
            self._computed[name] = value.detach().clone()
        return name

    def _check_constant(self, tensor: torch.Tensor, reader: str) -> None:
        """A constant has no gradient; what has one was made by something that could not be seen."""
        if not tensor.requires_grad or id(tensor) in self._constants:
            return
        if tensor.grad_fn is None:
            self.problem(
                f"{reader} reads a parameter that the model does not know, so no optimizer gets it"
                " (modules in a plain list or dict? use nn.ModuleList, nn.ModuleDict or nn.Parameter)"
            )
            return
        maker = type(tensor.grad_fn).__name__
        if maker.replace("Backward", "") not in self._custom:
            self.problem(f"{reader} reads a tensor that was made unseen, by {maker}")

    # ---- weights ----

    def keep(self, parameter: torch.Tensor, key: str) -> None:
        """A weight of the request."""
        self.weights[key] = parameter
        self._keys.setdefault(id(parameter), key)
        self._alive.append(parameter)

    def key_of(self, parameter: torch.Tensor) -> Optional[str]:
        """The key of a weight that a layer has already; None where none has."""
        return self._keys.get(id(parameter))

    def first_use(self, module: nn.Module, name: str) -> Optional[str]:
        """The layer whose weights this use of a module shares, or None: it is the first."""
        first = self._uses.setdefault(id(module), name)
        return None if first == name else first

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
    ) -> str:
        """Adds a layer that made `output`. Returns its name."""
        sources = [self.name_of(tensor, f"{type} {name!r}") for tensor in inputs]
        name = self.unique(name)
        layer: dict[str, Any] = {"name": name, "type": type}
        if inputs:
            layer["inputs"] = sources
        layer.update(attributes)
        self.layers.append(layer)
        if output is not None:
            self.made(output, name)
        return name


def _version(tensor: torch.Tensor) -> int:
    return 0 if tensor.is_inference() else int(tensor._version)


def _placed(text: str, place: str) -> str:
    return f"{place}: {text}" if place else text


def _maker(name: str, layers: Container[str]) -> str:
    """The layer that an input names: itself, or an output of it ("lstm.h_n")."""
    return name if name in layers else name.rpartition(".")[0]
