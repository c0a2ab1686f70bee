"""Recurrent layers, cells, and networks that are wrapped or frozen."""
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import rnn

from networks.written import NETWORKS, Written, labels, network


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
