"""Networks as people write them, for the tests of the tracer: NETWORKS has for each name a function that returns (model, x, y, loss).

Sizes are small, so that all of them run in seconds.
"""
import functools

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import rnn

NETWORKS = {}


def network(make):
    NETWORKS[make.__name__] = make
    return make


def labels(count, *shape):
    return torch.randint(0, count, shape or (6,))


class Written(nn.Module):
    """A module whose forward is a function of itself and its inputs."""

    def __init__(self, forward, **parts):
        super().__init__()
        self.function = forward
        for name, part in parts.items():
            if isinstance(part, torch.Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)

    def forward(self, *inputs, **named):
        return self.function(self, *inputs, **named)


# ---- wiring ----


@network
def sequential():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)), torch.randn(6, 4), labels(3), nn.CrossEntropyLoss()


@network
def in_place_activations():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Linear(8, 8), nn.ELU(inplace=True), nn.Linear(8, 3)), torch.randn(6, 4), labels(3), F.cross_entropy


@network
def residual_add():
    def forward(self, x):
        h = self.norm1(self.conv1(x)).relu_()
        h = self.norm2(self.conv2(h))
        h += self.skip(x)
        return self.head(F.relu(h).mean((2, 3)))

    parts = {"conv1": nn.Conv2d(3, 8, 3, 2, 1, bias=False), "norm1": nn.BatchNorm2d(8), "conv2": nn.Conv2d(8, 8, 3, 1, 1, bias=False), "norm2": nn.BatchNorm2d(8),
             "skip": nn.Sequential(nn.Conv2d(3, 8, 1, 2, bias=False), nn.BatchNorm2d(8)), "head": nn.Linear(8, 3)}
    return Written(forward, **parts), torch.randn(6, 3, 8, 8), labels(3), nn.CrossEntropyLoss()


@network
def module_containers():
    def forward(self, x):
        for layer, activation in zip(self.layers, self.activations.values()):
            x = activation(layer(x))
        return self.heads["main"](x)

    parts = {"layers": nn.ModuleList([nn.Linear(5, 5) for _ in range(3)]), "activations": nn.ModuleDict({"a": nn.Tanh(), "b": nn.SiLU(), "c": nn.GELU()}),
             "heads": nn.ModuleDict({"main": nn.Linear(5, 2)})}
    return Written(forward, **parts), torch.randn(6, 5), torch.randn(6, 2), nn.MSELoss()


@network
def weight_tying():
    def forward(self, ids):
        return self.out(torch.tanh(self.hidden(self.embedding(ids))))

    model = Written(forward, embedding=nn.Embedding(11, 6), hidden=nn.Linear(6, 6), out=nn.Linear(6, 11, bias=False))
    model.out.weight = model.embedding.weight
    return model, labels(11, 4, 5), labels(11, 4, 5), lambda out, y: F.cross_entropy(out.view(-1, 11), y.view(-1))


@network
def weight_tying_with_a_bias():
    def forward(self, ids):
        return self.out(self.hidden(self.embedding(ids)))

    model = Written(forward, embedding=nn.Embedding(11, 6), hidden=nn.Linear(6, 6), out=nn.Linear(6, 11))
    model.out.weight = model.embedding.weight
    return model, labels(11, 4, 5), labels(11, 4, 5), lambda out, y: F.cross_entropy(out.flatten(0, 1), y.flatten())


@network
def shared_module():
    def forward(self, x):
        for _ in range(3):
            x = torch.tanh(self.cell(x)) + x
        return self.head(x)

    return Written(forward, cell=nn.Linear(4, 4), head=nn.Linear(4, 3)), torch.randn(6, 4), labels(3), nn.CrossEntropyLoss()


@network
def two_towers():
    def forward(self, a, b):
        return F.cosine_similarity(self.left(a), self.right(b), dim=-1)

    return Written(forward, left=nn.Linear(4, 5), right=nn.Linear(3, 5)), (torch.randn(6, 4), torch.randn(6, 3)), torch.rand(6), nn.MSELoss()


@network
def named_inputs():
    def forward(self, ids, features=None):
        return self.head(torch.cat([self.embedding(ids).mean(1), features], dim=-1))

    return Written(forward, embedding=nn.Embedding(9, 4), head=nn.Linear(7, 3)), {"ids": labels(9, 6, 5), "features": torch.randn(6, 3)}, labels(3), nn.CrossEntropyLoss()


@network
def dictionary_of_outputs():
    def forward(self, x):
        h = self.body(x)
        return {"logits": self.head(h), "hidden": h}

    return Written(forward, body=nn.Linear(4, 5), head=nn.Linear(5, 3)), torch.randn(6, 4), labels(3), lambda out, y: F.cross_entropy(out["logits"], y)


@network
def functional_calls():
    def forward(self, x):
        x = F.conv2d(x, self.kernel, self.bias, stride=2, padding=1)
        x = F.batch_norm(x, None, None, self.gain, self.shift, training=True)
        x = F.leaky_relu(x, 0.2)
        x = F.max_pool2d(x, 2)
        x = F.layer_norm(torch.flatten(x, 1), (16,))
        return F.log_softmax(F.linear(x, self.weight), dim=-1)

    parts = {"kernel": nn.Parameter(torch.randn(4, 3, 3, 3) / 5), "bias": nn.Parameter(torch.zeros(4)), "gain": nn.Parameter(torch.ones(4)),
             "shift": nn.Parameter(torch.zeros(4)), "weight": nn.Parameter(torch.randn(3, 16) / 4)}
    return Written(forward, **parts), torch.randn(6, 3, 8, 8), labels(3), F.nll_loss


@network
def computed_weights():
    return nn.Sequential(nn.utils.weight_norm(nn.Linear(4, 6)), nn.Tanh(), nn.utils.spectral_norm(nn.Linear(6, 3)).eval()), torch.randn(6, 4), labels(3), nn.CrossEntropyLoss()


@network
def parametrized():
    class Symmetric(nn.Module):
        def forward(self, x):
            return x.triu() + x.triu(1).transpose(-1, -2)

    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3))
    nn.utils.parametrize.register_parametrization(model[0], "weight", Symmetric())
    return model, torch.randn(6, 4), labels(3), nn.CrossEntropyLoss()


@network
def subclassed_layers():
    class Scaled(nn.Linear):
        def forward(self, x):
            return super().forward(x) * 0.5

    class Padded(nn.Conv1d):
        def forward(self, x):
            return super().forward(F.pad(x, (2, 0)))

    return nn.Sequential(Padded(2, 4, 3), nn.ReLU(), nn.Flatten(), Scaled(28, 3)), torch.randn(6, 2, 7), labels(3), nn.CrossEntropyLoss()


# ---- shapes and indices ----


@network
def reshaping():
    def forward(self, x):
        batch, channels, height, width = x.shape
        x = self.conv(x).view(batch, -1, height * width).permute(0, 2, 1)
        x = x.reshape(batch, height, width, -1).transpose(1, 3).contiguous()
        x = x.unsqueeze(1).squeeze(1).flatten(2).swapaxes(1, 2)[..., None]
        return self.head(x.squeeze(-1).mean(dim=1, keepdim=True).squeeze())

    return Written(forward, conv=nn.Conv2d(2, 4, 3, padding=1), head=nn.Linear(4, 3)), torch.randn(6, 2, 4, 4), labels(3), nn.CrossEntropyLoss()


@network
def splitting_and_joining():
    def forward(self, x):
        a, b, c = self.first(x).chunk(3, dim=-1)
        d, e = torch.split(c, [1, 3], dim=-1)
        f = torch.stack([a, b], dim=0).sum(0)
        g, h = torch.stack((a, b), 1).unbind(1)
        return self.head(torch.cat([f, d, e, g * h], dim=-1))

    return Written(forward, first=nn.Linear(4, 12), head=nn.Linear(12, 3)), torch.randn(6, 4), labels(3), nn.CrossEntropyLoss()


@network
def slicing():
    def forward(self, x):
        h = self.first(x)
        return self.head(torch.cat([h[:, -1], h[:, 0], h[:, 1:3].mean(1), h[:, ::2].amax(1), h[:, :, 1:][:, 2].repeat(1, 2)[:, :4]], -1))

    return Written(forward, first=nn.Linear(4, 5), head=nn.Linear(24, 3)), torch.randn(6, 5, 4), labels(3), nn.CrossEntropyLoss()


@network
def indexing_by_tensors():
    def forward(self, x, lengths):
        h = self.first(x)
        last = h[torch.arange(len(h)), lengths - 1]
        chosen = h[:, self.order].mean(1)
        gathered = h.gather(1, (lengths - 1).view(-1, 1, 1).expand(-1, 1, 5)).squeeze(1)
        return self.head(last + chosen + gathered + self.table[lengths] + h.index_select(1, self.order)[:, 0])

    parts = {"first": nn.Linear(4, 5), "order": torch.tensor([2, 0, 1]), "table": nn.Parameter(torch.randn(6, 5)), "head": nn.Linear(5, 3)}
    return Written(forward, **parts), (torch.randn(6, 5, 4), torch.randint(1, 6, (6,))), labels(3), nn.CrossEntropyLoss()


@network
def written_in_place():
    def forward(self, x):
        out = torch.zeros(x.shape[0], x.shape[1], 3)
        h = torch.zeros(x.shape[0], 3)
        for t in range(x.shape[1]):
            h = torch.tanh(self.of_x(x[:, t]) + self.of_h(h))
            out[:, t] = h
        out[:, 0, 1] = 0.5
        return out

    return Written(forward, of_x=nn.Linear(4, 3), of_h=nn.Linear(3, 3)), torch.randn(6, 5, 4), torch.randn(6, 5, 3), nn.MSELoss()


@network
def views_written_in_place():
    def forward(self, x):
        bias = self.bias.clone()
        bias[2:4].zero_()
        h = F.linear(x, self.weight, bias)
        h[:, 0].mul_(2).add_(x[:, 1])
        h[:2][:, 1:3] += 1
        return h

    return Written(forward, weight=nn.Parameter(torch.randn(6, 4)), bias=nn.Parameter(torch.randn(6))), torch.randn(6, 4), labels(6), nn.CrossEntropyLoss()


@network
def masks():
    def forward(self, x, keep):
        h = self.first(x)
        h = h.masked_fill(~keep.unsqueeze(-1), 0.0)
        h = torch.where(h > 0, h, 0.1 * h) * keep[..., None].float()
        h[~keep] = 0
        return self.head(h.sum(1) / keep.sum(1, keepdim=True).clamp(min=1))

    keep = torch.arange(5)[None] < torch.tensor([5, 3, 4, 1, 2, 5])[:, None]
    return Written(forward, first=nn.Linear(4, 5), head=nn.Linear(5, 3)), (torch.randn(6, 5, 4), keep), labels(3), nn.CrossEntropyLoss()


@network
def rolled_windows():
    def forward(self, x):
        x = torch.roll(self.embed(x), shifts=(-1, -1), dims=(2, 3))
        x = F.pad(x, (1, 1, 0, 2), mode="reflect")
        return self.head(F.pixel_unshuffle(x.flip(-1), 2).mean((-2, -1)))

    return Written(forward, embed=nn.Conv2d(1, 2, 1), head=nn.Linear(8, 3)), torch.randn(6, 1, 4, 4), labels(3), nn.CrossEntropyLoss()


# ---- attention ----


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


# ---- recurrence ----


def _last_step(kind):
    def make():
        def forward(self, x):
            output, state = self.rnn(x)
            hidden = state[0] if isinstance(state, tuple) else state
            return self.head(torch.cat([output[:, -1, :], hidden[-1], hidden.mean(0)], 1))

        rnn_layer = getattr(nn, kind)(4, 5, num_layers=2, batch_first=True)
        return Written(forward, rnn=rnn_layer, head=nn.Linear(15, 3)), torch.randn(6, 7, 4), labels(3), nn.CrossEntropyLoss()

    return make


for _kind in ("RNN", "GRU", "LSTM"):
    NETWORKS[f"last_step_of_{_kind}"] = _last_step(_kind)


@network
def given_state():
    def forward(self, source, target):
        _, state = self.encoder(source)
        output, (h, c) = self.decoder(target, state)
        return self.head(output) + c[-1].unsqueeze(1).mean(-1, keepdim=True)

    parts = {"encoder": nn.LSTM(4, 5, 2, batch_first=True, bidirectional=False), "decoder": nn.LSTM(3, 5, 2, batch_first=True), "head": nn.Linear(5, 2)}
    return Written(forward, **parts), (torch.randn(6, 4, 4), torch.randn(6, 3, 3)), torch.randn(6, 3, 2), nn.SmoothL1Loss()


@network
def zero_state():
    def forward(self, x):
        h0, c0 = (torch.zeros(1, x.size(0), 5).to(x.device) for _ in range(2))
        output, _ = self.lstm(x, (h0, c0))
        return self.head(output[:, -1])

    return Written(forward, lstm=nn.LSTM(4, 5, batch_first=True), head=nn.Linear(5, 3)), torch.randn(6, 7, 4), labels(3), nn.CrossEntropyLoss()


@network
def learnt_state():
    def forward(self, x):
        output, h = self.gru(x, self.start.expand(-1, x.size(1), -1).contiguous())
        return self.head(h[0] + output[-1])

    return Written(forward, gru=nn.GRU(4, 5, bidirectional=False), start=nn.Parameter(torch.randn(1, 1, 5)), head=nn.Linear(5, 3)), torch.randn(3, 6, 4), labels(3), nn.CrossEntropyLoss()


@network
def cells():
    def forward(self, x):
        h, c = torch.zeros(6, 5), torch.zeros(6, 5)
        g = torch.zeros(6, 5)
        for step in x.unbind(1):
            h, c = self.lstm(step, (h, c))
            g = self.gru(h, g)
        return self.head(self.rnn(g))

    return Written(forward, lstm=nn.LSTMCell(4, 5), gru=nn.GRUCell(5, 5), rnn=nn.RNNCell(5, 5), head=nn.Linear(5, 3)), torch.randn(6, 3, 4), labels(3), nn.CrossEntropyLoss()


@network
def packed_sequences():
    def forward(self, x, lengths):
        packed = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        output, (h, _) = self.lstm(packed)
        output, _ = rnn.pad_packed_sequence(output, batch_first=True)
        return self.head(torch.cat([h[-2], h[-1], output.sum(1)], -1))

    parts = {"lstm": nn.LSTM(4, 3, 2, batch_first=True, bidirectional=True), "head": nn.Linear(12, 3)}
    return Written(forward, **parts), (torch.randn(4, 5, 4), torch.tensor([2, 5, 3, 4])), labels(3, 4), nn.CrossEntropyLoss()


@network
def three_dimensions():
    model = nn.Sequential(nn.Conv3d(1, 2, 2), nn.BatchNorm3d(2), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3))
    model(torch.zeros(2, 1, 3, 3, 3))
    return model, torch.randn(6, 1, 3, 3, 3), labels(3), nn.CrossEntropyLoss()


@network
def evaluated_encoder():
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
    padding = torch.arange(5)[None] >= torch.tensor([5, 3, 4])[:, None]
    model = Written(lambda self, x: self.head(self.encoder(x, src_key_padding_mask=padding)[:, 0]), encoder=nn.TransformerEncoder(layer, 2), head=nn.Linear(8, 3))
    return model.eval(), torch.randn(3, 5, 8), labels(3, 3), nn.CrossEntropyLoss()


@network
def frozen_layers():
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 3))
    for parameter in model[0].parameters():
        parameter.requires_grad_(False)
    return model, torch.randn(6, 4), labels(3), nn.CrossEntropyLoss()


@network
def hooked():
    model = nn.Sequential(nn.Sequential(nn.Linear(4, 5), nn.Tanh()), nn.Linear(5, 3))
    model[0].register_forward_hook(lambda module, inputs, output: output * 0.5)
    return model, torch.randn(6, 4), labels(3), nn.CrossEntropyLoss()


@network
def wrapped():
    return nn.DataParallel(nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))), torch.randn(6, 4), labels(3), nn.CrossEntropyLoss()


@network
def unbatched_sequence():
    def forward(self, x):
        return self.head(self.gru(x)[0][-1:])

    return Written(forward, gru=nn.GRU(4, 5), head=nn.Linear(5, 3)), torch.randn(7, 4), labels(3, 1), nn.CrossEntropyLoss()


@network
def bilinear_and_prelu():
    def forward(self, a, b):
        return self.head(self.activation(self.pair(a, b)))

    parts = {"pair": nn.Bilinear(4, 3, 5), "activation": nn.PReLU(5), "head": nn.Linear(5, 3)}
    return Written(forward, **parts), (torch.randn(6, 4), torch.randn(6, 3)), labels(3), nn.CrossEntropyLoss()


@network
def squeeze_and_excitation():
    def forward(self, x):
        x = self.norm(self.conv(x))
        x = x * torch.sigmoid(self.up(F.silu(self.down(x.mean((2, 3)))))).view(x.size(0), -1, 1, 1)
        x = F.interpolate(F.avg_pool2d(F.hardswish(x), 2), scale_factor=2, mode="bilinear", align_corners=False)
        return self.head(F.adaptive_max_pool2d(x, (2, 1)).flatten(1))

    parts = {"conv": nn.Conv2d(2, 4, 3, padding=1, groups=2, padding_mode="circular"), "norm": nn.GroupNorm(2, 4), "down": nn.Linear(4, 2), "up": nn.Linear(2, 4),
             "head": nn.Linear(8, 3)}
    return Written(forward, **parts), torch.randn(6, 2, 4, 4), labels(3), nn.CrossEntropyLoss()


@network
def mixture_of_experts():
    def forward(self, x):
        weights = self.gate(x).softmax(-1)
        top, _ = weights.max(-1, keepdim=True)
        experts = torch.stack([expert(x) for expert in self.experts], 1)
        return (experts * weights.unsqueeze(-1)).sum(1) * top + torch.einsum("be,beo->bo", weights, experts)

    return Written(forward, gate=nn.Linear(4, 3), experts=nn.ModuleList([nn.Linear(4, 3) for _ in range(3)])), torch.randn(6, 4), labels(3), nn.CrossEntropyLoss()


# ---- modes ----


@network
def eval_mode():
    model = nn.Sequential(nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.ReLU(), nn.Dropout2d(0.5), nn.Flatten(), nn.Linear(20, 3))
    model[1].running_mean.normal_(), model[1].running_var.uniform_(0.5, 2)
    return model.eval(), torch.randn(6, 2, 7), labels(3), nn.CrossEntropyLoss()


@network
def frozen_normalisation():
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(36, 3))
    model[1].running_mean.normal_(), model[1].running_var.uniform_(0.5, 2)
    model.train()
    model[1].eval(), model[3].eval()
    return model, torch.randn(6, 2, 5, 5), labels(3), nn.CrossEntropyLoss()


@network
def frozen_backbone():
    def forward(self, x):
        with torch.no_grad():
            features = self.backbone(x)
        return self.head(features)

    return Written(forward, backbone=nn.Sequential(nn.Linear(4, 8), nn.ReLU()), head=nn.Linear(8, 3)), torch.randn(6, 4), labels(3), nn.CrossEntropyLoss()


@network
def straight_through():
    def forward(self, x):
        h = torch.sigmoid(self.first(x))
        return self.head(h + (h.round() - h).detach())

    return Written(forward, first=nn.Linear(4, 5), head=nn.Linear(5, 3)), torch.randn(6, 4), labels(3), nn.CrossEntropyLoss()


@network
def checkpointed():
    from torch.utils.checkpoint import checkpoint

    def forward(self, x):
        return self.head(checkpoint(self.body, self.first(x)))

    return Written(forward, first=nn.Linear(4, 5), body=nn.Sequential(nn.Linear(5, 5), nn.Tanh()), head=nn.Linear(5, 3)), torch.randn(6, 4), labels(3), nn.CrossEntropyLoss()


@network
def float64():
    return nn.Sequential(nn.Linear(4, 8), nn.Softplus(), nn.Linear(8, 3)).double(), torch.randn(6, 4).double(), labels(3), nn.CrossEntropyLoss()


@network
def half():
    return nn.Sequential(nn.Linear(4, 8), nn.Sigmoid(), nn.LayerNorm(8), nn.Linear(8, 3)).half(), torch.randn(6, 4).half(), labels(3), nn.CrossEntropyLoss()


@network
def bytes_of_images():
    def forward(self, images):
        return self.net(images.float() / 255 - self.mean)

    return Written(forward, net=nn.Sequential(nn.Flatten(), nn.Linear(48, 3)), mean=torch.rand(3, 1, 1)), torch.randint(0, 256, (6, 3, 4, 4), dtype=torch.uint8), labels(3), nn.CrossEntropyLoss()


@network
def computed_features():
    def forward(self, x):
        spectrum = torch.fft.rfft(x).abs()
        return self.net(torch.log1p(spectrum))

    return Written(forward, net=nn.Linear(5, 3)), torch.randn(6, 8), labels(3), nn.CrossEntropyLoss()


@network
def gated_functions():
    def forward(self, x):
        h = self.first(x)
        a = F.normalize(h, dim=-1) + h.std(1, keepdim=True) + h.var(dim=1, unbiased=False, keepdim=True) - h.norm(dim=1, keepdim=True)
        b = torch.addmm(self.bias, h, self.weight) + torch.lerp(h, a, 0.3) + torch.logaddexp(h, a) + 2 ** (0.1 * h) + h.abs().clamp(1e-3, 2.0).rsqrt()
        c = b.min(1, keepdim=True)[0] + torch.logsumexp(b, 1, keepdim=True) + (1 - b) / 3 + h.sigmoid().prod(1, keepdim=True) + torch.expm1(0.1 * h)
        return self.head(c * torch.erf(h).cos() + F.glu(torch.cat([a, c], 1)) + torch.outer(h[:, 0], self.bias))

    return Written(forward, first=nn.Linear(4, 5), bias=nn.Parameter(torch.randn(5)), weight=nn.Parameter(torch.randn(5, 5)), head=nn.Linear(5, 3)), torch.randn(6, 4), labels(3), nn.CrossEntropyLoss()


@network
def norms_of_zero():
    def forward(self, x):
        h = self.first(x) * self.keep
        return self.head(F.normalize(h, dim=-1) + h.norm(dim=-1, keepdim=True) + h.std(-1, keepdim=True))

    return Written(forward, first=nn.Linear(4, 5), keep=torch.tensor([0.0, 1, 1, 0, 1, 1])[:, None], head=nn.Linear(5, 3)), torch.randn(6, 4), labels(3), nn.CrossEntropyLoss()


@network
def upsampling():
    model = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(4, 2, 2, 2),
                          nn.PixelUnshuffle(2), nn.PixelShuffle(2), nn.ReflectionPad2d(1), nn.Conv2d(2, 1, 3))
    return model, torch.randn(3, 1, 8, 8), torch.rand(3, 1, 16, 16), nn.BCEWithLogitsLoss()


@network
def autoencoder():
    def forward(self, x):
        h = F.relu(self.encoder(x))
        mean, log_variance = self.mean(h), self.log_variance(h)
        z = mean + torch.exp(0.5 * log_variance) * self.noise
        return self.decoder(z), mean, log_variance

    def loss(outputs, x):
        decoded, mean, log_variance = outputs
        divergence = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
        return F.binary_cross_entropy(torch.sigmoid(decoded), x, reduction="sum") + divergence

    x = torch.rand(6, 8)
    parts = {"encoder": nn.Linear(8, 6), "mean": nn.Linear(6, 2), "log_variance": nn.Linear(6, 2), "decoder": nn.Linear(2, 8), "noise": torch.randn(6, 2)}
    return Written(forward, **parts), x, x, loss


@network
def loss_within_the_model():
    def forward(self, x, labels):
        logits = self.net(x)
        return {"loss": nn.CrossEntropyLoss()(logits, labels), "logits": logits}

    return Written(forward, net=nn.Linear(4, 3)), {"x": torch.randn(6, 4), "labels": labels(3)}, None, lambda output, _: output["loss"]


# ---- losses ----


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
