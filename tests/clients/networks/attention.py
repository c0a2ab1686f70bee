"""Attention and transformers."""
import torch
from torch import nn
from torch.nn import functional as F

from networks.written import Written, labels, network


class Block(nn.Module):
    """A transformer block as in many tutorials."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.register_buffer("mask", torch.tril(torch.ones(16, 16)).view(1, 1, 16, 16))

    def forward(self, x):
        batch, steps, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).split(width, dim=2)
        q, k, v = (t.view(batch, steps, self.heads, width // self.heads).transpose(1, 2) for t in (q, k, v))
        scores = (q @ k.transpose(-2, -1)) * (1.0 / (k.size(-1) ** 0.5))
        scores = scores.masked_fill(self.mask[:, :, :steps, :steps] == 0, float("-inf"))
        y = (F.softmax(scores, dim=-1) @ v).transpose(1, 2).contiguous().view(batch, steps, width)
        x = x + self.out(y)
        return x + self.mlp(self.norm2(x))


@network
def language_model():
    def forward(self, ids):
        positions = torch.arange(0, ids.shape[1], dtype=torch.long, device=ids.device)
        x = self.tokens(ids) + self.positions(positions) + self.extra[:, : ids.shape[1]]
        return self.head(self.norm(self.blocks(x)))

    parts = {"tokens": nn.Embedding(11, 8), "positions": nn.Embedding(16, 8), "extra": nn.Parameter(torch.randn(1, 16, 8)), "blocks": nn.Sequential(Block(8, 2), Block(8, 2)),
             "norm": nn.LayerNorm(8), "head": nn.Linear(8, 11, bias=False)}
    return Written(forward, **parts), labels(11, 3, 7), labels(11, 3, 7), lambda logits, y: F.cross_entropy(logits.view(-1, logits.size(-1)), y.view(-1), ignore_index=-1)


@network
def einsum_attention():
    def forward(self, x):
        q, k, v = (part(x).view(3, 5, 2, 4) for part in (self.q, self.k, self.v))
        weights = torch.einsum("bqhd,bkhd->bhqk", q, k).div(2).softmax(-1)
        y = torch.einsum("bhqk,bkhd->bqhd", weights, v).reshape(3, 5, 8)
        return torch.einsum("bsd,cd->bc", y, self.head) + torch.einsum("...d,d", y, self.vector).sum(1, keepdim=True)

    parts = {"q": nn.Linear(8, 8), "k": nn.Linear(8, 8), "v": nn.Linear(8, 8), "head": nn.Parameter(torch.randn(3, 8)), "vector": nn.Parameter(torch.randn(8))}
    return Written(forward, **parts), torch.randn(3, 5, 8), labels(3, 3), nn.CrossEntropyLoss()


@network
def class_token():
    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.positions
        return self.head(self.encoder(x)[:, 0])

    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, activation="gelu", norm_first=True)
    parts = {"patches": nn.Conv2d(3, 8, 4, 4), "token": nn.Parameter(torch.zeros(1, 1, 8)), "positions": nn.Parameter(torch.randn(1, 5, 8)), "encoder": nn.TransformerEncoder(layer, 2),
             "head": nn.Linear(8, 3)}
    return Written(forward, **parts), torch.randn(6, 3, 8, 8), labels(3), nn.CrossEntropyLoss()


@network
def padded_encoder():
    def forward(self, ids):
        padding = ids == 0
        h = self.encoder(self.embedding(ids), src_key_padding_mask=padding)
        keep = (~padding).unsqueeze(-1).float()
        return self.head((h * keep).sum(1) / keep.sum(1))

    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    parts = {"embedding": nn.Embedding(9, 8, padding_idx=0), "encoder": nn.TransformerEncoder(layer, 2), "head": nn.Linear(8, 3)}
    ids = torch.randint(1, 9, (4, 5)) * (torch.arange(5)[None] < torch.tensor([5, 3, 4, 2])[:, None])
    return Written(forward, **parts), ids, labels(3, 4), nn.CrossEntropyLoss()


@network
def encoder_and_decoder():
    def forward(self, source, target):
        causal = torch.full((target.shape[1],) * 2, float("-inf")).triu(1)
        return self.transformer(source, target, tgt_mask=causal)

    model = Written(forward, transformer=nn.Transformer(8, 2, 1, 1, 16, dropout=0.0, batch_first=True))
    return model, (torch.randn(3, 5, 8), torch.randn(3, 4, 8)), torch.randn(3, 4, 8), nn.MSELoss()


@network
def cross_attention():
    def forward(self, x, memory):
        a, _ = self.attention(x, memory, memory, need_weights=False)
        b, _ = self.masked(x, x, x, attn_mask=self.mask)
        return self.head((x + a + b).mean(1))

    parts = {"attention": nn.MultiheadAttention(8, 2, batch_first=True, kdim=6, vdim=6), "masked": nn.MultiheadAttention(8, 2, batch_first=True),
             "mask": (torch.arange(4)[:, None] - torch.arange(4)).abs() > 1, "head": nn.Linear(8, 3)}
    return Written(forward, **parts), (torch.randn(6, 4, 8), torch.randn(6, 5, 6)), labels(3), nn.CrossEntropyLoss()
