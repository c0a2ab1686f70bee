"""Calls of modules: attributes are read off a module by the names that the service's table gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Mapping, Optional

import torch
from torch import nn

if TYPE_CHECKING:
    from .recorder import Recorder

# Constructor arguments that a module keeps under another name, or not as such.
_READERS: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("MultiheadAttention", "bias"): lambda m: m.in_proj_bias is not None,
    ("MultiheadAttention", "add_bias_kv"): lambda m: m.bias_k is not None,
    ("TransformerEncoderLayer", "d_model"): lambda m: m.self_attn.embed_dim,
    ("TransformerEncoderLayer", "nhead"): lambda m: m.self_attn.num_heads,
    ("TransformerEncoderLayer", "batch_first"): lambda m: m.self_attn.batch_first,
    ("TransformerEncoderLayer", "dim_feedforward"): lambda m: m.linear1.out_features,
    ("TransformerEncoderLayer", "dropout"): lambda m: m.dropout.p,
    ("TransformerEncoderLayer", "layer_norm_eps"): lambda m: m.norm1.eps,
    ("TransformerEncoderLayer", "activation"): lambda m: _activation_name(m.activation),
}


def _activation_name(activation: Any) -> str:
    return (getattr(activation, "__name__", None) or type(activation).__name__).lower()


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, torch.Tensor):
        return value.item() if value.numel() == 1 else value.tolist()
    if isinstance(value, (tuple, list, torch.Size)):
        return [plain(item) for item in value]
    return value


def attributes_of(module: nn.Module, row: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a module that differ from the table's defaults."""
    attributes = {}
    for attribute in row["attributes"]:
        name = attribute["name"]
        reader = _READERS.get((row["type"], name))
        if reader:
            value = reader(module)
        elif attribute["kind"] == "boolean" and isinstance(getattr(module, name, None), torch.Tensor):
            value = True  # bias: the parameter stands for the argument
        elif attribute["kind"] == "boolean" and getattr(module, name, False) is None:
            value = False
        elif hasattr(module, name):
            value = plain(getattr(module, name))
        else:
            continue
        if attribute.get("required") or value != attribute.get("default"):
            attributes[name] = value
    return attributes


def is_causal(mask: Optional[torch.Tensor]) -> Optional[bool]:
    """Whether an attention mask hides exactly what comes later; None where it is another one."""
    if mask is None:
        return False
    if mask.dim() != 2 or mask.shape[0] != mask.shape[1]:
        return None
    hidden = mask if mask.dtype == torch.bool else mask == float("-inf")
    later = torch.ones_like(hidden, dtype=torch.bool).triu(1)
    others = mask.dtype == torch.bool or bool((mask[~later] == 0).all())
    return True if bool((hidden == later).all()) and others else None


def _add_module(
    recorder: "Recorder", module: nn.Module, path: str, inputs: list[torch.Tensor], output: Any, **members: Any
) -> str:
    kind = type(module).__name__
    attributes = {**attributes_of(module, recorder.table[kind]), **members}
    name = recorder.add(kind, path or kind.lower(), inputs, attributes, output)
    shared = recorder.first_use(module, name)
    if shared is not None and module.state_dict():
        recorder.layers[-1]["weights_from"] = shared
        return name
    owner = None
    for key, tensor in module.state_dict(keep_vars=True).items():
        if not tensor.is_floating_point():
            continue  # num_batches_tracked
        before = recorder.keys.get(id(tensor))
        if before is not None:  # tied to another layer's
            owner = before.rpartition(".")[0]
            continue
        recorder.keep(tensor, f"{name}.{key}")
    if owner is not None:
        recorder.layers[-1]["weights_from"] = owner
    return name


def _record_plain(recorder: "Recorder", module: nn.Module, path: str, args: list[Any], kwargs: dict[str, Any], output: Any) -> None:
    inputs = [value for value in [*args, *kwargs.values()] if isinstance(value, torch.Tensor)]
    _add_module(recorder, module, path, inputs, output)


def _record_recurrent(
    recorder: "Recorder", module: nn.Module, path: str, args: list[Any], kwargs: dict[str, Any], output: Any
) -> None:
    state = args[1] if len(args) > 1 else kwargs.get("hx")
    states = [] if state is None else [state] if isinstance(state, torch.Tensor) else list(state)
    if any(recorder.follows(s) or bool(s.any()) for s in states):
        recorder.problem(f"{type(module).__name__} {path!r} starts from a given state: the service starts from zeros")
    sequence = args[0] if args else kwargs["input"]
    if not isinstance(sequence, torch.Tensor):
        recorder.problem(f"{type(module).__name__} {path!r} reads a packed sequence: the service reads tensors")
        return
    name = _add_module(recorder, module, path, [sequence], output[0])
    last = output[1] if isinstance(output[1], tuple) else (output[1],)
    for tensor, suffix in zip(last, ("h_n", "c_n")):
        recorder.made(tensor, f"{name}.{suffix}")


def _causal(recorder: "Recorder", what: str, mask: Optional[torch.Tensor], padding: Optional[torch.Tensor]) -> bool:
    causal = is_causal(mask)
    if causal is None or padding is not None:
        recorder.problem(f"{what} has a mask that is not the causal one: the service has no other")
    return bool(causal)


def _record_attention(
    recorder: "Recorder", module: nn.Module, path: str, args: list[Any], kwargs: dict[str, Any], output: Any
) -> None:
    names = ("query", "key", "value", "key_padding_mask", "need_weights", "attn_mask")
    given = {**dict(zip(names, args)), **kwargs}
    inputs = [given["query"], given["key"], given["value"]]
    if all(tensor is inputs[0] for tensor in inputs):
        inputs = inputs[:1]
    causal = _causal(recorder, f"MultiheadAttention {path!r}", given.get("attn_mask"), given.get("key_padding_mask"))
    _add_module(recorder, module, path, inputs, output[0], **({"is_causal": True} if causal else {}))


def _record_encoder_layer(
    recorder: "Recorder", module: nn.Module, path: str, args: list[Any], kwargs: dict[str, Any], output: Any
) -> None:
    given = {**dict(zip(("src", "src_mask", "src_key_padding_mask"), args)), **kwargs}
    causal = _causal(recorder, f"TransformerEncoderLayer {path!r}", given.get("src_mask"), given.get("src_key_padding_mask"))
    _add_module(recorder, module, path, [given["src"]], output, **({"is_causal": True} if causal else {}))


def _record_encoder(
    recorder: "Recorder", module: Any, path: str, args: list[Any], kwargs: dict[str, Any], output: Any
) -> None:
    given = {**dict(zip(("src", "mask", "src_key_padding_mask"), args)), **kwargs}
    causal = _causal(recorder, f"TransformerEncoder {path!r}", given.get("mask"), given.get("src_key_padding_mask"))
    prefix = path + "." if path else ""
    between = given["src"]
    for index, layer in enumerate(module.layers):
        last = index + 1 == len(module.layers) and module.norm is None
        made = output if last else torch.empty(0)
        _add_module(
            recorder, layer, f"{prefix}layers.{index}", [between], made, **({"is_causal": True} if causal else {})
        )
        between = made
    if module.norm is not None:
        _add_module(recorder, module.norm, prefix + "norm", [between], output)


def _record_dropout(
    recorder: "Recorder", module: Any, path: str, args: list[Any], kwargs: dict[str, Any], output: Any
) -> None:
    if module.training and module.p > 0:
        recorder.problem(f"{type(module).__name__} {path!r} drops whole channels: the service drops elements only; use eval mode")
    recorder.made(output, recorder.name_of(args[0], path))


# Modules whose calls say more than their attributes.
SPECIAL: dict[str, Callable[..., None]] = {
    "RNN": _record_recurrent,
    "LSTM": _record_recurrent,
    "GRU": _record_recurrent,
    "MultiheadAttention": _record_attention,
    "TransformerEncoderLayer": _record_encoder_layer,
    "TransformerEncoder": _record_encoder,
    "Dropout1d": _record_dropout,
    "Dropout2d": _record_dropout,
    "Dropout3d": _record_dropout,
    "AlphaDropout": _record_dropout,
    "FeatureAlphaDropout": _record_dropout,
}


def record(recorder: "Recorder", module: nn.Module, path: str, args: list[Any], kwargs: dict[str, Any], output: Any) -> None:
    SPECIAL.get(type(module).__name__, _record_plain)(recorder, module, path, args, kwargs, output)
