"""Layer types, operations and losses by their names on the wire, as PyTorch 1.13 computes them."""
import torch
import torch.nn.functional as F
from torch import nn

OPERATIONS = {
    'Add': torch.add, 'Sub': torch.sub, 'Mul': torch.mul, 'Div': torch.div, 'MatMul': torch.matmul,
    'Maximum': torch.maximum, 'Minimum': torch.minimum,
    'Concat': lambda *x, dim=0: torch.cat(x, dim), 'Stack': lambda *x, dim=0: torch.stack(x, dim),
    'Scale': lambda x, factor=1.0, shift=0.0: x * factor + shift,
    'Neg': torch.neg, 'Abs': torch.abs, 'Exp': torch.exp, 'Log': torch.log, 'Log1p': torch.log1p, 'Sqrt': torch.sqrt,
    'Rsqrt': torch.rsqrt, 'Reciprocal': torch.reciprocal, 'Square': torch.square, 'Pow': torch.pow,
    'Sin': torch.sin, 'Cos': torch.cos, 'Erf': torch.erf, 'Clamp': torch.clamp,
    'Sum': torch.sum, 'Mean': torch.mean, 'Max': torch.amax, 'LogSumExp': torch.logsumexp, 'CumSum': torch.cumsum,
    'Var': lambda x, dim=None, unbiased=True, keepdim=False: torch.var(x, dim, unbiased=unbiased, keepdim=keepdim),
    'Reshape': torch.reshape, 'Permute': torch.permute, 'Transpose': torch.transpose, 'Squeeze': torch.squeeze,
    'Unsqueeze': torch.unsqueeze, 'Select': torch.select,
    'Pad': lambda x, pad, value=0.0: F.pad(x, pad, value=value), 'Expand': lambda x, shape: x.expand(shape),
}


def slice_along(x, dim=0, start=None, end=None, step=1):
    """x[start:end:step] along `dim` with Python's meaning, a negative step included."""
    return x.index_select(dim, torch.tensor(range(x.shape[dim])[start:end:step], dtype=torch.int64))


OPERATIONS['Slice'] = slice_along


class RMSNorm(nn.Module):
    """torch.nn.RMSNorm of PyTorch 2."""

    def __init__(self, normalized_shape, eps=None, elementwise_affine=True):
        super().__init__()
        self.shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(self.shape)) if elementwise_affine else None

    def forward(self, x):
        eps = torch.finfo(x.dtype).eps if self.eps is None else self.eps
        y = x * torch.rsqrt(x.square().mean(tuple(range(-len(self.shape), 0)), keepdim=True) + eps)
        return y if self.weight is None else y * self.weight


class Parameter(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(shape))

    def forward(self):
        return self.weight * 1


def causal_mask(queries, keys):
    """True where a query may not look: at keys after its own position."""
    return torch.triu(torch.ones(queries, keys, dtype=torch.bool), 1)


def attention(module, batch_first, is_causal):
    def run(*inputs):
        query, key, value = inputs * 3 if len(inputs) == 1 else inputs
        time = 1 if batch_first and query.dim() == 3 else 0
        mask = causal_mask(query.shape[time], key.shape[time]) if is_causal else None
        return {'-': module(query, key, value, need_weights=False, attn_mask=mask)[0]}
    return run


def encoder_layer(module, batch_first, is_causal):
    def run(x):
        length = x.shape[1 if batch_first and x.dim() == 3 else 0]
        return {'-': module(x, src_mask=causal_mask(length, length) if is_causal else None)}
    return run


def recurrent(kind, module):
    def run(x):
        output, state = module(x)
        if kind == 'LSTM':
            return {'-': output, 'h_n': state[0], 'c_n': state[1]}
        return {'-': output, 'h_n': state}
    return run


def build_layer(kind, attributes, dtype):
    """→ (a callable of the inputs that returns {output name: tensor}, its module or None)"""
    attributes = {n: tuple(v) if isinstance(v, list) else v for n, v in attributes.items()}
    if kind in OPERATIONS:
        return lambda *x: {'-': OPERATIONS[kind](*x, **attributes)}, None
    if kind == 'Constant':
        return lambda: {'-': torch.as_tensor(attributes['value'], dtype=dtype)}, None
    is_causal = attributes.pop('is_causal', False)
    module = ({'RMSNorm': RMSNorm, 'Parameter': Parameter}.get(kind) or getattr(nn, kind))(**attributes).to(dtype)
    if kind == 'MultiheadAttention':
        return attention(module, module.batch_first, is_causal), module
    if kind == 'TransformerEncoderLayer':
        return encoder_layer(module, module.self_attn.batch_first, is_causal), module
    if kind in ('RNN', 'LSTM', 'GRU'):
        return recurrent(kind, module), module
    return lambda *x: {'-': module(*x)}, module


def build_loss(kind, attributes, dtype):
    return getattr(nn, kind)(**{n: v.to(dtype) if isinstance(v, torch.Tensor) else v for n, v in attributes.items()})
