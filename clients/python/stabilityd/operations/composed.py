"""Functions that are several layers of the service: each is written in simpler calls of PyTorch, which are recorded when it
is replayed."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional

from .call import Call, Handler, composed, is_tensor
from .reductions import norm
from .shapes import broadcast_tensors


# ---- products ----


def _addmm(input: Any, mat1: torch.Tensor, mat2: torch.Tensor, *, beta: float = 1, alpha: float = 1) -> Any:
    product = torch.matmul(mat1, mat2)
    product = product if alpha == 1 else product * alpha
    return product if beta == 0 else product + (input if beta == 1 else input * beta)


def _addcmul(input: Any, tensor1: torch.Tensor, tensor2: torch.Tensor, *, value: float = 1) -> Any:
    return input + tensor1 * tensor2 * value


def _addcdiv(input: Any, tensor1: torch.Tensor, tensor2: torch.Tensor, *, value: float = 1) -> Any:
    return input + tensor1 / tensor2 * value


def _lerp(input: torch.Tensor, end: torch.Tensor, weight: Any) -> Any:
    return input + (end - input) * weight


def _outer(input: torch.Tensor, vec2: torch.Tensor) -> torch.Tensor:
    return input.unsqueeze(1) * vec2.unsqueeze(0)


def _einsum(equation: str, *operands: Any) -> torch.Tensor:
    tensors = list(operands[0] if len(operands) == 1 and not is_tensor(operands[0]) else operands)
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = _without_dots(left.split(","), tensors)
    if not arrow:
        letters = "".join(sorted(c for c in set("".join(terms)) if "".join(terms).count(c) == 1 and not c.isupper()))
        right = "..." + letters if "..." in left else letters
    right = right.replace("...", _dots(left.split(","), tensors))
    if any(len(set(term)) < len(term) for term in terms):
        raise NotImplementedError("takes a diagonal")
    while len(tensors) > 1:
        later = set("".join(terms[2:])) | set(right)
        term = "".join(dict.fromkeys(c for c in terms[0] + terms[1] if c in later))
        tensors[:2] = [_contract(terms[0], tensors[0], terms[1], tensors[1], term)]
        terms[:2] = [term]
    return _arranged(tensors[0], terms[0], right)


_DOTS = "ABCDEFGH"


def _dots(terms: list[str], tensors: list[torch.Tensor]) -> str:
    """Letters for the dimensions that ... stands for."""
    return max((_DOTS[: t.dim() - len(term) + 3] for term, t in zip(terms, tensors) if "..." in term), key=len, default="")


def _without_dots(terms: list[str], tensors: list[torch.Tensor]) -> list[str]:
    dots = _dots(terms, tensors)
    if dots and any(c.isupper() for c in "".join(terms)):
        raise NotImplementedError("has both ... and capital letters")
    return [term.replace("...", dots[len(dots) - (t.dim() - len(term) + 3) :]) for term, t in zip(terms, tensors)]


def _arranged(x: torch.Tensor, term: str, wanted: str) -> torch.Tensor:
    """Sums over what is not wanted, then permutes."""
    extra = [i for i, c in enumerate(term) if c not in wanted]
    if extra:
        x = x.sum(extra)
        term = "".join(c for c in term if c in wanted)
    return x if term == wanted else x.permute([term.index(c) for c in wanted])


def _contract(a_term: str, a: torch.Tensor, b_term: str, b: torch.Tensor, wanted: str) -> torch.Tensor:
    """One product of matrices: dimensions of both that stay, of one alone, and those that are summed over."""
    a_only = [c for c in a_term if c not in b_term and c in wanted]
    b_only = [c for c in b_term if c not in a_term and c in wanted]
    both = [c for c in a_term if c in b_term and c in wanted]
    summed = [c for c in a_term if c in b_term and c not in wanted]
    size = {**dict(zip(b_term, b.shape)), **dict(zip(a_term, a.shape))}
    a = _arranged(a, a_term, "".join(both + a_only + summed))
    b = _arranged(b, b_term, "".join(both + summed + b_only))
    batch = [size[c] for c in both]
    counts = [math.prod(size[c] for c in part) for part in (a_only, summed, b_only)]
    product = torch.matmul(a.reshape(*batch, *counts[:2]), b.reshape(*batch, *counts[1:]))
    product = product.reshape([size[c] for c in both + a_only + b_only])
    return _arranged(product, "".join(both + a_only + b_only), wanted)


def _tensordot(a: torch.Tensor, b: torch.Tensor, dims: Any = 2, out: Any = None) -> torch.Tensor:
    first, second = (list(range(a.dim() - dims, a.dim())), list(range(dims))) if isinstance(dims, int) else dims
    a_term, letters = "abcdefgh"[: a.dim()], iter("ijklmnop")
    b_term = "".join(a_term[first[second.index(i)]] if i in second else next(letters) for i in range(b.dim()))
    out_term = "".join(c for c in a_term + b_term if (a_term + b_term).count(c) == 1)
    return _contract(a_term, a, b_term, b, out_term)


def _cosine_similarity(x1: torch.Tensor, x2: torch.Tensor, dim: int = 1, eps: float = 1e-8) -> torch.Tensor:
    norms = [x.square().sum(dim).clamp(min=eps * eps).sqrt() for x in (x1, x2)]
    return (x1 * x2).sum(dim) / (norms[0] * norms[1])


def _distances(x1: torch.Tensor, x2: torch.Tensor, p: float = 2.0, **_: Any) -> torch.Tensor:
    return norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)


def _pairwise_distance(x1: torch.Tensor, x2: torch.Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> torch.Tensor:
    return norm(x1 - x2 + eps, p, -1, keepdim)


# ---- by element ----


def _logaddexp(input: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return torch.stack(broadcast_tensors(input, other)).logsumexp(0)


def _logit(input: torch.Tensor, eps: Any = None) -> Any:
    p = input if eps is None else input.clamp(eps, 1 - eps)
    return (p / (1 - p)).log()


def _xlogy(input: Any, other: Any) -> Any:
    return input * torch.as_tensor(other).log()


def _rrelu(call: Call) -> None:
    given = call.bound(functional.rrelu)
    if given["training"]:
        call.refuse("draws its slopes in train mode: use eval mode")
    else:
        call.add("LeakyReLU", [given["input"]], negative_slope=(given["lower"] + given["upper"]) / 2)


# ---- layers ----


def _attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attn_mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
    scale: Any = None, enable_gqa: bool = False,
) -> torch.Tensor:  # fmt: skip
    if enable_gqa:
        key, value = (t.repeat_interleave(query.shape[-3] // t.shape[-3], -3) for t in (key, value))
    if is_causal:
        attn_mask = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device).tril()
    scores = torch.matmul(query, key.transpose(-2, -1)) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = torch.zeros(attn_mask.shape, dtype=query.dtype, device=query.device).masked_fill(~attn_mask, float("-inf"))
    scores = scores if attn_mask is None else scores + attn_mask
    weights = functional.softmax(scores, -1)
    return torch.matmul(functional.dropout(weights, dropout_p) if dropout_p else weights, value)


def _rms_norm(input: torch.Tensor, normalized_shape: Any, weight: Any = None, eps: Any = None) -> Any:
    dims = list(range(-len(normalized_shape), 0))
    y = input * (input.square().mean(dims, True) + (torch.finfo(input.dtype).eps if eps is None else eps)).rsqrt()
    return y if weight is None else y * weight


def _weight_norm(v: torch.Tensor, g: torch.Tensor, dim: int = 0) -> torch.Tensor:
    others = [d for d in range(v.dim()) if dim == -1 or d != dim % v.dim()]
    return v * (g / v.square().sum(others, True).sqrt())


def _instance_norm(
    input: torch.Tensor, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None,
    use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    if not use_input_stats:
        raise NotImplementedError("normalises by running statistics")
    y = functional.group_norm(input, input.shape[1], None, None, eps)
    shape = [1, -1] + [1] * (input.dim() - 2)
    y = y if weight is None else y * weight.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


def _interpolate(call: Call) -> None:
    given = call.bound(functional.interpolate)
    call.add("Upsample", [given["input"]], size=list(call.output.shape[2:]), mode=given["mode"], align_corners=given["align_corners"])


def _adaptive_pool(type: str) -> Handler:
    def handle(call: Call) -> None:
        sizes = list(call.first_output().shape[2 - int(call.x.dim() < int(type[-2]) + 2) :])
        call.add(type, [call.x], call.first_output(), output_size=sizes)

    return handle


def _avg_pool3d(call: Call) -> None:
    call.refuse("is a pooling in three dimensions, which the service does not have")


def _dropout(call: Call) -> None:
    given = call.named("input", "p", "training", p=0.5, training=True)
    if given["training"] and given["p"] > 0:
        if call.watch.training:
            call.add("Dropout", [given["input"]], p=given["p"])
        else:
            call.refuse("drops while the model is in eval mode: the service drops in train mode alone")
    else:
        call.same(given["input"])


def _dropout_of_channels(call: Call) -> None:
    """One draw for each channel: dropout of ones, which multiply."""
    given = call.named("input", "p", "training", p=0.5, training=True)
    if not given["training"] or given["p"] == 0:
        call.same(given["input"])
        return
    x = given["input"]
    ones = torch.ones([*x.shape[:2], *[1] * (x.dim() - 2)], dtype=x.dtype)
    call.replay(lambda *_, **__: x * functional.dropout(ones, given["p"]))


def _alpha_dropout(call: Call) -> None:
    given = call.named("input", "p", "training", p=0.5, training=False)
    if given["training"] and given["p"] > 0:
        call.refuse("drops to another value than 0 in train mode: use eval mode")
    else:
        call.same(given["input"])


HANDLERS: dict[str, Handler] = {
    "addmm": composed(_addmm), "baddbmm": composed(_addmm), "addbmm": composed(_addmm), "addmv": composed(_addmm), "addcmul": composed(_addcmul), "addcdiv": composed(_addcdiv),
    "lerp": composed(_lerp), "outer": composed(_outer), "ger": composed(_outer), "einsum": composed(_einsum), "tensordot": composed(_tensordot),
    "inner": composed(lambda input, other: torch.matmul(input, other.transpose(-1, 0) if other.dim() == 2 else other)),
    "chain_matmul": composed(lambda *matrices: _chain(matrices)), "cosine_similarity": composed(_cosine_similarity),
    "cdist": composed(_distances), "pairwise_distance": composed(_pairwise_distance), "normalize": composed(
        lambda input, p=2.0, dim=1, eps=1e-12, out=None: input / norm(input, p, dim, True).clamp(min=eps)),
    "logaddexp": composed(_logaddexp), "logit": composed(_logit), "xlogy": composed(_xlogy), "rrelu": _rrelu,
    "log2": composed(lambda input: input.log() * (1 / math.log(2))), "log10": composed(lambda input: input.log() * (1 / math.log(10))),
    "exp2": composed(lambda input: (input * math.log(2)).exp()), "expm1": composed(lambda input: input.exp() - 1),
    "tan": composed(lambda input: input.sin() / input.cos()), "cosh": composed(lambda input: (input.exp() + input.neg().exp()) * 0.5),
    "sinh": composed(lambda input: (input.exp() - input.neg().exp()) * 0.5), "erfc": composed(lambda input: 1 - input.erf()),
    "frobenius_norm": composed(norm), "prod": composed(lambda input, dim=None, keepdim=False: _product(input, dim, keepdim)),
    "scaled_dot_product_attention": composed(_attention), "rms_norm": composed(_rms_norm), "instance_norm": composed(_instance_norm), "weight_norm": composed(_weight_norm),
    "interpolate": _interpolate, "upsample": _interpolate,
    "adaptive_avg_pool1d": _adaptive_pool("AdaptiveAvgPool1d"), "adaptive_avg_pool2d": _adaptive_pool("AdaptiveAvgPool2d"),
    "adaptive_max_pool2d": _adaptive_pool("AdaptiveMaxPool2d"), "avg_pool3d": _avg_pool3d, "max_pool3d": _avg_pool3d,
    "dropout": _dropout, "dropout1d": _dropout_of_channels, "dropout2d": _dropout_of_channels, "dropout3d": _dropout_of_channels,
    "feature_dropout": _dropout_of_channels, "alpha_dropout": _alpha_dropout, "feature_alpha_dropout": _alpha_dropout,
}  # fmt: skip


def _chain(matrices: Any) -> Any:
    product = matrices[0]
    for matrix in matrices[1:]:
        product = torch.matmul(product, matrix)
    return product


def _product(input: torch.Tensor, dim: Any, keepdim: bool) -> torch.Tensor:
    parts = (input.reshape(-1) if dim is None else input).unbind(0 if dim is None else dim)
    product = parts[0]
    for part in parts[1:]:
        product = product * part
    return product.unsqueeze(dim) if keepdim and dim is not None else product
