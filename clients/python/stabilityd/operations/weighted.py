"""Functions whose arguments are parameters: they are layers, the weights come along."""

from __future__ import annotations

from typing import Any, Mapping, Optional

import torch
from torch.nn import functional

from ..plain import plain
from .call import Call, Handler

_WEIGHTS = ("weight", "bias", "running_mean", "running_var")


def _with_weights(call: Call, type: str, given: Mapping[str, Any], **attributes: Any) -> None:
    """A layer whose parameters are arguments of the call."""
    recorder = call.recorder
    weights = {name: given[name] for name in _WEIGHTS if given.get(name) is not None}
    owner = _owner(call, type, weights)
    name = call.add(type, [given["input"]], call.first_output(), **attributes)
    if owner is not None:
        recorder.layers[-1]["weights_from"] = owner
        return
    for parameter, tensor in weights.items():
        recorder.keep(tensor, f"{name}.{parameter}")


def _owner(call: Call, type: str, weights: Mapping[str, torch.Tensor]) -> Optional[str]:
    """The layer that has these weights already."""
    keys = {name: call.recorder.key_of(tensor) for name, tensor in weights.items()}
    owners = {key.rpartition(".")[0] for key in keys.values() if key}
    if not owners:
        return None
    if len(owners) > 1 or not all(keys.values()) or any(key and not key.endswith(f".{name}") for name, key in keys.items()):
        call.refuse(f"shares only some of its parameters with another layer: a {type} of the service shares all or none")
    return owners.pop()


def _are_weights(call: Call, given: Mapping[str, Any]) -> bool:
    return all(call.recorder.is_weight(given[name]) for name in _WEIGHTS if given.get(name) is not None)


def _shares_its_weight_alone(call: Call, given: Mapping[str, Any]) -> bool:
    """A weight that another layer has too, and a bias of its own: an output layer tied to an embedding."""
    weight, bias = given["weight"], given.get("bias")
    return call.recorder.key_of(weight) is not None and bias is not None and call.recorder.key_of(bias) is None


def _needs(call: Call, given: Mapping[str, Any], type: str) -> bool:
    if _are_weights(call, given):
        return True
    name = next(n for n in _WEIGHTS if given.get(n) is not None and not call.recorder.is_weight(given[n]))
    call.refuse(f"has a {name} that is computed: the service's {type} has a parameter")
    return False


def _linear(call: Call) -> None:
    given = call.named("input", "weight", "bias", bias=None)
    if not _are_weights(call, given):
        call.replay(_product)
        return
    if _shares_its_weight_alone(call, given):
        call.replay(_linear_and_bias)
        return
    out_features, in_features = given["weight"].shape
    bias = None if given["bias"] is not None else False
    _with_weights(call, "Linear", given, in_features=in_features, out_features=out_features, bias=bias)


def _product(input: torch.Tensor, weight: torch.Tensor, bias: Optional[torch.Tensor] = None) -> torch.Tensor:
    y = torch.matmul(input, weight.transpose(-2, -1) if weight.dim() > 1 else weight)
    return y if bias is None else y + bias


def _linear_and_bias(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    return functional.linear(input, weight) + bias


def _conv(call: Call) -> None:
    given = call.named("input", "weight", "bias", "stride", "padding", "dilation", "groups",
                       stride=1, padding=0, dilation=1, groups=1, bias=None)  # fmt: skip
    weight, groups = given["weight"], given["groups"]
    type = f"Conv{weight.dim() - 2}d"
    if _needs(call, given, type):
        _with_weights(
            call, type, given, in_channels=weight.shape[1] * groups, out_channels=weight.shape[0], kernel_size=list(weight.shape[2:]),
            bias=None if given["bias"] is not None else False,
            **{name: plain(given[name]) for name in ("stride", "padding", "dilation", "groups")},
        )  # fmt: skip


def _conv_transpose(call: Call) -> None:
    given = call.named("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation",
                       stride=1, padding=0, output_padding=0, dilation=1, groups=1, bias=None)  # fmt: skip
    weight, groups = given["weight"], given["groups"]
    type = f"ConvTranspose{weight.dim() - 2}d"
    if type not in call.recorder.table:
        call.refuse(f"is a {type}, which the service does not have")
    elif _needs(call, given, type):
        _with_weights(
            call, type, given, in_channels=weight.shape[0], out_channels=weight.shape[1] * groups, kernel_size=list(weight.shape[2:]),
            bias=None if given["bias"] is not None else False,
            **{name: plain(given[name]) for name in ("stride", "padding", "output_padding", "dilation", "groups")},
        )  # fmt: skip


def _layer_norm(call: Call) -> None:
    given = call.bound(functional.layer_norm)
    affine = given["weight"] is not None
    if _needs(call, given, "LayerNorm"):
        _with_weights(
            call, "LayerNorm", given, normalized_shape=list(given["normalized_shape"]), eps=given["eps"],
            elementwise_affine=None if affine else False, bias=False if affine and given["bias"] is None else None,
        )  # fmt: skip


def _group_norm(call: Call) -> None:
    given = call.bound(functional.group_norm)
    if _needs(call, given, "GroupNorm"):
        _with_weights(
            call, "GroupNorm", given, num_groups=given["num_groups"], num_channels=given["input"].shape[1], eps=given["eps"],
            affine=None if given["weight"] is not None else False,
        )  # fmt: skip


def _batch_norm(call: Call) -> None:
    given = call.bound(functional.batch_norm)
    x = given["input"]
    type = "BatchNorm1d" if x.dim() <= 3 else f"BatchNorm{x.dim() - 2}d"
    if type not in call.recorder.table:  # BatchNorm3d: all but batch and channels is one dimension
        call.replay(lambda input, *args, **kwargs: functional.batch_norm(input.flatten(2), *args, **kwargs).reshape(input.shape))
        return
    tracked = given["running_mean"] is not None
    if given["training"]:  # by the batch
        tracked = tracked and call.watch.training
    elif call.watch.training:
        call.replay(_normalized_as_learnt)
        return
    if _needs(call, given, type):
        if not tracked:
            given = {**given, "running_mean": None, "running_var": None}
        _with_weights(
            call, type, given, num_features=x.shape[1], eps=given["eps"], momentum=given["momentum"],
            affine=None if given["weight"] is not None else False, track_running_stats=None if tracked else False,
        )  # fmt: skip


def _normalized_as_learnt(
    input: torch.Tensor, running_mean: torch.Tensor, running_var: torch.Tensor, weight: Any = None, bias: Any = None,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    """Batch normalisation in eval mode within a model in train mode: a frozen one."""
    shape = [1, -1] + [1] * (input.dim() - 2)
    factor = (running_var.detach() + eps).rsqrt()
    y = (input - running_mean.detach().reshape(shape)) * factor.reshape(shape)
    y = y if weight is None else y * weight.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


def _embedding(call: Call) -> None:
    given = call.bound(functional.embedding)
    if given["max_norm"] is not None:
        call.refuse("renormalises its rows")
    elif _needs(call, given, "Embedding"):
        call.recorder.index(given["input"], f"{call.node}.indices")
        count, size = given["weight"].shape
        _with_weights(call, "Embedding", given, num_embeddings=count, embedding_dim=size, padding_idx=given["padding_idx"])


def _prelu(call: Call) -> None:
    given = call.named("input", "weight")
    if _needs(call, given, "PReLU"):
        _with_weights(call, "PReLU", given, num_parameters=given["weight"].numel())


def _bilinear(call: Call) -> None:
    given = call.named("input1", "input2", "weight", "bias", bias=None)
    if _needs(call, given, "Bilinear"):
        out, in1, in2 = given["weight"].shape
        name = call.add("Bilinear", [given["input1"], given["input2"]], in1_features=in1, in2_features=in2, out_features=out,
                        bias=None if given["bias"] is not None else False)  # fmt: skip
        for parameter in ("weight", "bias"):
            if given[parameter] is not None:
                call.recorder.keep(given[parameter], f"{name}.{parameter}")


HANDLERS: dict[str, Handler] = {
    "linear": _linear, "conv1d": _conv, "conv2d": _conv, "conv3d": _conv, "conv_transpose1d": _conv_transpose,
    "conv_transpose2d": _conv_transpose, "conv_transpose3d": _conv_transpose, "layer_norm": _layer_norm, "group_norm": _group_norm,
    "batch_norm": _batch_norm, "embedding": _embedding, "prelu": _prelu, "bilinear": _bilinear,
}  # fmt: skip
