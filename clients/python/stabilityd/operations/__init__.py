"""Calls of functions and of methods of tensors, by their names in PyTorch. A family of functions is a file with a table;
what a new function needs is a line there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping, Optional

from torch.nn import functional

from ..plain import plain
from . import arithmetic, composed, indexing, losses, recurrent, reductions, shapes, weighted
from .call import Call, Handler, is_tensor, tensors_in

if TYPE_CHECKING:
    from ..watch import Watch

HANDLERS: dict[str, Handler] = {
    **arithmetic.HANDLERS,
    **reductions.HANDLERS,
    **shapes.HANDLERS,
    **indexing.HANDLERS,
    **weighted.HANDLERS,
    **composed.HANDLERS,
    **recurrent.HANDLERS,
    **losses.HANDLERS,
}

# Names of operators that the others don't have.
_OPERATORS = {"radd": "add", "rmul": "mul", "rmatmul": "matmul", "rdiv": "rtruediv", "idiv": "truediv"}

# Those whose derivative is 0 wherever there is one: constants of this batch.
_FLAT = {"round", "floor", "ceil", "trunc", "fix", "sign", "sgn", "heaviside", "floor_divide", "floordiv", "bernoulli", "zeros_like", "ones_like",
         "zero", "fill"}


def name_of(function: Any) -> str:
    """PyTorch's name of a function: "add" of torch.add, Tensor.add, Tensor.__add__, Tensor.add_, Tensor.__iadd__. Of a
    property, x.T, it is "get T"."""
    name = getattr(function, "__name__", str(function))
    if name == "__get__":
        return f"get {getattr(getattr(function, '__self__', None), '__name__', '')}"
    plain_name = name.strip("_")
    if name.startswith("__") and plain_name not in HANDLERS and plain_name[1:] in HANDLERS and plain_name[0] == "i":
        return plain_name[1:]
    return _OPERATORS.get(plain_name, plain_name)


def is_in_place(function: Any) -> bool:
    """Whether a function changes its first argument: add_, __iadd__, __setitem__."""
    name = getattr(function, "__name__", "")
    if name.startswith("__"):
        return name == "__setitem__" or (name.startswith("__i") and name not in ("__invert__", "__index__", "__int__", "__iter__"))
    return name.endswith("_") and not name.startswith("_")


def record(
    watch: "Watch", function: Any, node: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any, checkpointed: bool
) -> None:
    """Notes a call whose result depends on the input and, where that has one, has a gradient; others are constants, which are
    noted where they are read. What is `checkpointed` gets its gradient later."""
    name, recorder = name_of(function), watch.recorder
    sources, outputs = tensors_in([*args, *kwargs.values()]), tensors_in(output)
    if not outputs or not any(recorder.follows(source) for source in sources):
        return
    if not any(t.is_floating_point() or t.is_complex() for t in outputs) and name not in shapes.SAME:
        return  # a comparison, an index
    if any(t.requires_grad for t in sources) and not checkpointed and not any(t.requires_grad for t in outputs):
        return  # detach, x.data, torch.no_grad()
    if name == "getitem" and not is_tensor(args[0]):
        return  # an element of a tuple is the tensor itself
    if name in _FLAT:
        recorder.constants(outputs)
        return
    if recorder.follows_unknown(node, sources, outputs):
        return
    call = Call(watch, name, node, args, kwargs, output)
    try:
        _handle(call, function)
    except NotImplementedError as reason:
        call.refuse(str(reason))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        call.refuse(f"was called in a way that the client does not understand ({type(error).__name__}: {error})")


def _handle(call: Call, function: Any) -> None:
    if call.function in HANDLERS:
        HANDLERS[call.function](call)
    elif _is_module_function(call):
        return
    elif hasattr(function, "__code__"):  # PyTorch's own Python: what it calls in turn
        call.replay_body(function)
    else:
        call.refuse("has no counterpart among the service's layers")


def _is_module_function(call: Call) -> bool:
    """functional.leaky_relu is LeakyReLU, by the server's table; arguments have the names of attributes."""
    wanted = call.function.replace("_", "")
    row = next((row for kind, row in call.recorder.table.items() if kind.lower() == wanted and not row["parameters"]), None)
    if row is None:
        return False
    given = _named_as_attributes(call, row)
    attributes = {}
    for attribute in row["attributes"]:
        value = plain(given.get(attribute["name"]))
        if value is not None and value != attribute.get("default"):
            attributes[attribute["name"]] = value
    call.add(row["type"], [call.x], call.first_output(), **attributes)
    return True


def _named_as_attributes(call: Call, row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Arguments by name: the function's signature has them, but for a builtin, or a method with others, or max_pool2d, which
    dispatches; these take the attributes in their order."""
    given: Optional[Mapping[str, Any]] = None
    function = getattr(functional, call.function, None)
    if function is not None:
        try:
            given = call.bound(function)
        except (TypeError, ValueError):
            given = None
    if given is None or "input" not in given:
        given = {**dict(zip(["input", *(a["name"] for a in row["attributes"])], call.args)), **call.kwargs}
    return given
