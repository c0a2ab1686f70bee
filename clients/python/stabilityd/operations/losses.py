"""Losses. One that the service has stays one, where the model's loss is just that; in a sum with others, or where the service
lacks something of it, it becomes layers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Callable, Mapping, Optional

import torch
from torch.nn import functional

from ..plain import plain
from ..tensors import to_json
from .call import Call, Handler, composed, is_tensor


@dataclass
class LossCall:
    """A call of a loss that the service has: the request's `loss`, what it reads, and its target."""

    loss: dict[str, Any]
    inputs: list[torch.Tensor]
    target: torch.Tensor


def _reduced(values: torch.Tensor, reduction: str) -> torch.Tensor:
    return values if reduction == "none" else values.sum() if reduction == "sum" else values.mean()


# Signatures are those of torch.nn.functional, without the arguments that it no longer uses.


def _mse(input: torch.Tensor, target: torch.Tensor, reduction: str) -> torch.Tensor:
    return _reduced((input - target).square(), reduction)


def _l1(input: torch.Tensor, target: torch.Tensor, reduction: str) -> torch.Tensor:
    return _reduced((input - target).abs(), reduction)


def _smooth_l1(input: torch.Tensor, target: torch.Tensor, reduction: str, beta: float) -> torch.Tensor:
    if beta == 0:
        return _l1(input, target, reduction)
    distance = (input - target).abs()
    near = distance.clamp(max=beta)
    return _reduced(near.square() * (0.5 / beta) + (distance - near), reduction)


def _huber(input: torch.Tensor, target: torch.Tensor, reduction: str, delta: float, weight: Any = None) -> torch.Tensor:
    values = _smooth_l1(input, target, "none", delta) * delta
    return _reduced(values if weight is None else values * weight, reduction)


def _cross_entropy(
    input: torch.Tensor, target: torch.Tensor, weight: Any, ignore_index: int, reduction: str, label_smoothing: float
) -> Any:
    dim = 0 if input.dim() == 1 else 1
    logs = functional.log_softmax(input, dim)
    if target.is_floating_point():
        wanted = target * (1 - label_smoothing) + label_smoothing / input.shape[dim]
        values = -(logs * (wanted if weight is None else wanted * _by_class(weight, logs, dim))).sum(dim)
        return _reduced(values, reduction) if reduction != "mean" else values.sum() / max(values.numel(), 1)
    return _of_classes(logs, target, weight, ignore_index, reduction, label_smoothing, dim)


def _by_class(weight: torch.Tensor, logs: torch.Tensor, dim: int) -> torch.Tensor:
    return weight.reshape([-1] + [1] * (logs.dim() - dim - 1))


def _of_classes(
    logs: torch.Tensor, target: torch.Tensor, weight: Any, ignore_index: int, reduction: str, label_smoothing: float, dim: int
) -> Any:
    classes = logs.shape[dim]
    counts = target != ignore_index
    chosen = functional.one_hot(target.where(counts, torch.zeros_like(target)), classes).movedim(-1, dim)
    chosen = (chosen * counts.unsqueeze(dim)).to(logs.dtype)
    each = counts.unsqueeze(dim).to(logs.dtype)
    if weight is not None:
        chosen, each = chosen * _by_class(weight, logs, dim), each * _by_class(weight, logs, dim)
    wanted = chosen if not label_smoothing else chosen * (1 - label_smoothing) + each * (label_smoothing / classes)
    values = -(logs * wanted).sum(dim)
    return values.sum() / chosen.sum() if reduction == "mean" else _reduced(values, reduction)


def _nll(input: torch.Tensor, target: torch.Tensor, weight: Any, ignore_index: int, reduction: str) -> Any:
    return _of_classes(input, target, weight, ignore_index, reduction, 0.0, 0 if input.dim() == 1 else 1)


def _bce(input: torch.Tensor, target: torch.Tensor, weight: Any, reduction: str) -> torch.Tensor:
    logs = input.log().clamp(min=-100), (1 - input).log().clamp(min=-100)
    values = -(target * logs[0] + (1 - target) * logs[1])
    return _reduced(values if weight is None else values * weight, reduction)


def _bce_with_logits(input: torch.Tensor, target: torch.Tensor, weight: Any, reduction: str, pos_weight: Any) -> torch.Tensor:
    positive = target if pos_weight is None else target * pos_weight
    values = -(functional.logsigmoid(input) * positive + functional.logsigmoid(-input) * (1 - target))
    return _reduced(values if weight is None else values * weight, reduction)


def _kl_div(input: torch.Tensor, target: torch.Tensor, reduction: str, log_target: bool) -> torch.Tensor:
    if log_target:
        values = target.exp() * (target - input)
    elif target.requires_grad:
        values = target * (target.log() - input)
    else:
        values = torch.xlogy(target, target) - target * input
    return values.sum() / input.shape[0] if reduction == "batchmean" else _reduced(values, reduction)


def _poisson(input: torch.Tensor, target: torch.Tensor, log_input: bool, full: bool, eps: float, reduction: str) -> torch.Tensor:
    values = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        values = values + stirling.masked_fill(target <= 1, 0)
    return _reduced(values, reduction)


def _hinge_embedding(input: torch.Tensor, target: torch.Tensor, margin: float, reduction: str) -> torch.Tensor:
    near, far = (target == 1).to(input.dtype), (target == -1).to(input.dtype)
    return _reduced(input * near + functional.relu(margin - input) * far, reduction)


def _cosine_embedding(input1: torch.Tensor, input2: torch.Tensor, target: torch.Tensor, margin: float, reduction: str) -> torch.Tensor:
    cosine = functional.cosine_similarity(input1, input2, -1)
    near, far = (target == 1).to(input1.dtype), (target == -1).to(input1.dtype)
    return _reduced((1 - cosine) * near + functional.relu(cosine - margin) * far, reduction)


def _soft_margin(input: torch.Tensor, target: torch.Tensor, reduction: str) -> torch.Tensor:
    return _reduced(functional.softplus(-(input * target)), reduction)


def _margin_ranking(input1: torch.Tensor, input2: torch.Tensor, target: torch.Tensor, margin: float, reduction: str) -> Any:
    return _reduced(functional.relu(-target * (input1 - input2) + margin), reduction)


def _triplet(
    anchor: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, margin: float, p: float, eps: float, swap: bool, reduction: str
) -> Any:
    near, far = (functional.pairwise_distance(anchor, other, p, eps) for other in (positive, negative))
    if swap:
        far = torch.minimum(far, functional.pairwise_distance(positive, negative, p, eps))
    return _reduced(functional.relu(near - far + margin), reduction)


# Function of torch.nn.functional: the service's loss if it has one, and the layers.
_LOSSES: dict[str, tuple[Optional[str], Callable[..., torch.Tensor]]] = {
    "mse_loss": ("MSELoss", _mse),
    "l1_loss": ("L1Loss", _l1),
    "smooth_l1_loss": ("SmoothL1Loss", _smooth_l1),
    "huber_loss": ("HuberLoss", _huber),
    "cross_entropy": ("CrossEntropyLoss", _cross_entropy),
    "nll_loss": ("NLLLoss", _nll),
    "binary_cross_entropy": ("BCELoss", _bce),
    "binary_cross_entropy_with_logits": ("BCEWithLogitsLoss", _bce_with_logits),
    "kl_div": ("KLDivLoss", _kl_div),
    "poisson_nll_loss": ("PoissonNLLLoss", _poisson),
    "hinge_embedding_loss": ("HingeEmbeddingLoss", _hinge_embedding),
    "cosine_embedding_loss": ("CosineEmbeddingLoss", _cosine_embedding),
    "soft_margin_loss": ("SoftMarginLoss", _soft_margin),
    "margin_ranking_loss": (None, _margin_ranking),
    "triplet_margin_loss": (None, _triplet),
}
_GONE = ("size_average", "reduce")
_READ = ("input", "input1", "input2", "target", "anchor", "positive", "negative")


def _loss_call(call: Call, type: Optional[str], given: Mapping[str, Any]) -> Optional[LossCall]:
    """The call as the service's loss; None where that can't say it."""
    row = call.watch.losses_table.get(type or "")
    if row is None or given["target"].requires_grad:
        return None
    loss: dict[str, Any] = {"type": row["type"]}
    known = {attribute["name"]: attribute.get("default") for attribute in row["attributes"]}
    for name, value in given.items():
        if name in _READ or name in _GONE or value is None or (name in known and not is_tensor(value) and plain(value) == known[name]):
            continue
        if name not in known or (name == "reduction" and value not in ("mean", "sum")):
            return None
        loss[name] = to_json(value) if is_tensor(value) else plain(value)
    return LossCall(loss, [given[name] for name in ("input", "input1", "input2") if name in given], given["target"])


def _loss(name: str) -> Handler:
    type, layers = _LOSSES[name]
    function = getattr(functional, name)

    def handle(call: Call) -> None:
        given = call.bound(function)
        arguments = {key: value for key, value in given.items() if key not in _GONE}
        as_loss = _loss_call(call, type, arguments)
        if as_loss is not None:
            call.watch.loss_calls[id(call.output)] = as_loss
        call.recorder.made_later(call.output, lambda: call.watch.replay(call.node, layers, [], arguments))

    return handle


def _gaussian(
    input: torch.Tensor, target: torch.Tensor, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Any:
    var = torch.as_tensor(var)
    if var.dim() and var.dim() == input.dim() - 1:
        var = var.unsqueeze(-1)
    var = var.clamp(min=eps)
    values = 0.5 * (var.log() + (input - target).square() / var) + (0.5 * math.log(2 * math.pi) if full else 0)
    return _reduced(values, reduction)


HANDLERS: dict[str, Handler] = {**{name: _loss(name) for name in _LOSSES}, "gaussian_nll_loss": composed(_gaussian)}
