"""Calls of modules: attributes are read off a module by the names that the service's table gives them."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional

import torch
from torch import nn

from .plain import plain
from .recorder import Recorder

Arguments = Mapping[str, Any]

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


# ---- which modules are one layer ----


def _starts_from_zeros(recorder: Recorder, module: nn.Module, given: Arguments) -> bool:
    state = given.get("hx")
    states = [] if state is None else [state] if isinstance(state, torch.Tensor) else list(state)
    zeros = not any(recorder.follows(s) or s.requires_grad or bool(s.any()) for s in states)
    return zeros and isinstance(given["input"], torch.Tensor)


def _attends_causally_or_to_all(recorder: Recorder, module: nn.Module, given: Arguments) -> bool:
    mask = given.get("attn_mask", given.get("src_mask"))
    padding = given.get("key_padding_mask", given.get("src_key_padding_mask"))
    return padding is None and is_causal(mask) is not None


def _is_whole_layer(recorder: Recorder, module: Any, given: Arguments) -> bool:
    biases = all(part.bias is not None for part in (module.linear1, module.linear2, module.norm1, module.norm2))
    known = _activation_name(module.activation) in ("relu", "gelu") and getattr(module.activation, "approximate", "none") == "none"
    return biases and known and _attends_causally_or_to_all(recorder, module, given)


# Modules whose arguments decide: their arguments by position, and whether this call is one layer.
_CONDITIONS: dict[str, tuple[tuple[str, ...], Callable[[Recorder, nn.Module, Arguments], bool]]] = {
    **dict.fromkeys(("RNN", "LSTM", "GRU"), (("input", "hx"), _starts_from_zeros)),
    "MultiheadAttention": (
        ("query", "key", "value", "key_padding_mask", "need_weights", "attn_mask"),
        _attends_causally_or_to_all,
    ),
    "TransformerEncoderLayer": (("src", "src_mask", "src_key_padding_mask"), _is_whole_layer),
}


def _given(kind: str, args: tuple[Any, ...], kwargs: Arguments) -> dict[str, Any]:
    return {**dict(zip(_CONDITIONS[kind][0], args)), **kwargs}


def _has_its_parameters(recorder: Recorder, module: nn.Module, row: Mapping[str, Any]) -> bool:
    """Not so where they are computed: weight_norm, spectral_norm, pruning, parametrizations."""
    own = [getattr(module, p["name"], None) for p in row["parameters"] if "." not in p["name"]]
    return all(tensor is None or recorder.is_weight(tensor) for tensor in own)


def _depends_on_mode(module: nn.Module) -> bool:
    return any(bool(getattr(module, name, False)) for name in ("track_running_stats", "p", "dropout"))


def is_layer(recorder: Recorder, module: nn.Module, training: bool, args: tuple[Any, ...], kwargs: Arguments) -> bool:
    """Whether this call of a module is one layer of the service; else what it calls in turn is. `training` is the mode of
    the whole model."""
    kind = type(module).__name__
    row = recorder.table.get(kind)
    if row is None or not type(module).__module__.startswith("torch.nn.modules"):
        return False
    if module.training != training and _depends_on_mode(module):
        return False
    if not _has_its_parameters(recorder, module, row) or _is_tied_in_part(recorder, module):
        return False
    return kind not in _CONDITIONS or _CONDITIONS[kind][1](recorder, module, _given(kind, args, kwargs))


# ---- what they are recorded as ----


def _floating(module: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers by name; not num_batches_tracked."""
    return {key: tensor for key, tensor in module.state_dict(keep_vars=True).items() if tensor.is_floating_point()}


def _is_tied_in_part(recorder: Recorder, module: nn.Module) -> bool:
    """Some of its parameters are another layer's, others its own, or they have other names there."""
    keys = {name: recorder.key_of(tensor) for name, tensor in _floating(module).items()}
    owners = {key[: -len(name) - 1] if key and key.endswith(f".{name}") else None for name, key in keys.items()}
    return any(keys.values()) and (None in owners or len(owners) > 1)


def _add_module(recorder: Recorder, module: nn.Module, path: str, inputs: list[torch.Tensor], output: Any, **members: Any) -> str:
    kind = type(module).__name__
    name = recorder.add(kind, path or kind.lower(), inputs, {**attributes_of(module, recorder.table[kind]), **members}, output)
    tensors = _floating(module)
    key, tensor = next(iter(tensors.items()), ("", None))
    owner = recorder.key_of(tensor) if tensor is not None else None
    if owner is not None:
        recorder.layers[-1]["weights_from"] = owner[: -len(key) - 1]
        return name
    for key, tensor in tensors.items():
        recorder.keep(tensor, f"{name}.{key}")
    return name


def _record_recurrent(recorder: Recorder, module: nn.Module, path: str, given: Arguments, output: Any) -> None:
    name = _add_module(recorder, module, path, [given["input"]], output[0])
    last = output[1] if isinstance(output[1], tuple) else (output[1],)
    for tensor, suffix in zip(last, ("h_n", "c_n")):
        recorder.made(tensor, f"{name}.{suffix}")


def _record_attention(recorder: Recorder, module: nn.Module, path: str, given: Arguments, output: Any) -> None:
    inputs = [given["query"], given["key"], given["value"]]
    if all(tensor is inputs[0] for tensor in inputs):
        inputs = inputs[:1]
    causal = {"is_causal": True} if is_causal(given.get("attn_mask")) else {}
    _add_module(recorder, module, path, inputs, output[0], **causal)


def _record_encoder_layer(recorder: Recorder, module: nn.Module, path: str, given: Arguments, output: Any) -> None:
    causal = {"is_causal": True} if is_causal(given.get("src_mask")) else {}
    _add_module(recorder, module, path, [given["src"]], output, **causal)


_RECORD: dict[str, Callable[[Recorder, nn.Module, str, Arguments, Any], None]] = {
    "RNN": _record_recurrent,
    "LSTM": _record_recurrent,
    "GRU": _record_recurrent,
    "MultiheadAttention": _record_attention,
    "TransformerEncoderLayer": _record_encoder_layer,
}


def record(recorder: Recorder, module: nn.Module, path: str, args: tuple[Any, ...], kwargs: Arguments, output: Any) -> None:
    """Notes a call of a module that is_layer."""
    kind = type(module).__name__
    if kind in _RECORD:
        _RECORD[kind](recorder, module, path, _given(kind, args, kwargs), output)
    else:
        inputs = [value for value in [*args, *kwargs.values()] if isinstance(value, torch.Tensor)]
        if kind == "Embedding":
            recorder.index(inputs[0], f"{path or kind.lower()}.indices")
        _add_module(recorder, module, path, inputs, output)
