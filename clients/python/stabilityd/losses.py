"""Losses: a module of torch.nn, or its function of torch.nn.functional."""

from __future__ import annotations

import functools
from typing import Any, Mapping, Sequence

import torch

from .modules import plain
from .recorder import TraceError
from .tensors import to_json

_FUNCTIONS = {"binary_cross_entropy": "BCELoss", "binary_cross_entropy_with_logits": "BCEWithLogitsLoss"}


def _type_of_function(name: str, types: Sequence[str]) -> str:
    plain_name = name.replace("_", "")
    for kind in types:
        if kind.lower() == plain_name or kind.lower() == plain_name + "loss":
            return kind
    return _FUNCTIONS.get(name, "")


def loss_of(loss_fn: Any, table: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The request's `loss`, but for its inputs."""
    rows = {row["type"]: row for row in table}
    arguments: Mapping[str, Any] = {}
    function = loss_fn
    if isinstance(function, functools.partial):
        function, arguments = function.func, function.keywords
    if isinstance(function, torch.nn.Module):
        kind = type(function).__name__
        arguments = {a["name"]: getattr(function, a["name"]) for a in rows.get(kind, {}).get("attributes", ()) if hasattr(function, a["name"])}
    else:
        kind = _type_of_function(getattr(function, "__name__", ""), list(rows))
    if kind not in rows:
        raise TraceError(f"the loss must be one of {', '.join(rows)} or its function of torch.nn.functional, got {loss_fn!r}")
    defaults = {a["name"]: a.get("default") for a in rows[kind]["attributes"]}
    loss: dict[str, Any] = {"type": kind}
    for name, value in arguments.items():
        if isinstance(value, torch.Tensor):
            loss[name] = to_json(value)
        elif plain(value) != defaults.get(name):
            loss[name] = plain(value)
    return loss
