"""Losses, PyTorch's and people's own."""
import functools

import torch
from torch import nn
from torch.nn import functional as F

from networks.written import NETWORKS, labels


def _with_loss(name, loss, outputs=3, target=None, activation=nn.Identity):
    def make():
        y = target() if target else labels(3)
        return nn.Sequential(nn.Linear(4, outputs), activation()), torch.randn(6, 4), y, loss

    NETWORKS[f"loss_{name}"] = make


def _penalised(output, y):
    return F.cross_entropy(output, y, label_smoothing=0.1, weight=torch.tensor([1.0, 2.0, 3.0])) + 0.01 * output.pow(2).mean()


def _focal(output, y):
    log = F.log_softmax(output, -1).gather(1, y[:, None]).squeeze(1)
    return (-((1 - log.exp()) ** 2) * log).mean()


def _dice(output, y):
    p = output.sigmoid()
    return 1 - (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)


_numbers, _ones = functools.partial(torch.randn, 6, 3), functools.partial(torch.rand, 6, 3)
_with_loss("weights", nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5])))
_with_loss("label_smoothing", nn.CrossEntropyLoss(label_smoothing=0.1, reduction="sum"))
_with_loss("ignored_label", nn.CrossEntropyLoss(ignore_index=2))
_with_loss("class_probabilities", nn.CrossEntropyLoss(), target=lambda: torch.rand(6, 3).softmax(1))
_with_loss("sum", nn.MSELoss(reduction="sum"), target=_numbers)
_with_loss("none_then_mean", lambda out, y: F.mse_loss(out, y, reduction="none").mean(dim=1).sum(), target=_numbers)
_with_loss("partial", functools.partial(F.smooth_l1_loss, beta=0.5), target=_numbers)
_with_loss("huber", nn.HuberLoss(delta=0.3), target=_numbers)
_with_loss("pos_weight", nn.BCEWithLogitsLoss(pos_weight=torch.tensor([1.0, 2.0, 3.0])), target=_ones)
_with_loss("weighted_bce", lambda out, y: F.binary_cross_entropy_with_logits(out, y, reduction="none", pos_weight=torch.tensor(2.0)).sum() / 7, target=_ones)
_with_loss("bce", nn.BCELoss(), target=_ones, activation=nn.Sigmoid)
_with_loss("batchmean", nn.KLDivLoss(reduction="batchmean"), target=lambda: torch.rand(6, 3).softmax(1), activation=functools.partial(nn.LogSoftmax, 1))
_with_loss("poisson", nn.PoissonNLLLoss(), target=lambda: torch.randint(0, 5, (6, 3)).float())
_with_loss("lambda_of_squeezed", lambda out, y: F.mse_loss(out.squeeze(-1), y), outputs=1, target=lambda: torch.randn(6))
_with_loss("float_of_labels", lambda out, y: F.binary_cross_entropy_with_logits(out[:, 0], (y > 1).float()))
_with_loss("penalised", _penalised)
_with_loss("focal", _focal)
_with_loss("dice", _dice, target=_ones)
_with_loss("negated_mean", lambda out, _: -out.mean())
_with_loss("gaussian", lambda out, y: F.gaussian_nll_loss(out[:, 0], y, F.softplus(out[:, 1])), target=lambda: torch.randn(6))
_with_loss("triplet", lambda out, y: F.triplet_margin_loss(out[:2], out[2:4], out[4:], margin=2.0))
_with_loss("ranking", lambda out, y: F.margin_ranking_loss(out[:, 0], out[:, 1], torch.ones(6), margin=1.0))
_with_loss("contrastive", lambda out, _: F.cross_entropy(F.normalize(out) @ F.normalize(out).T / 0.1, torch.arange(6)))
