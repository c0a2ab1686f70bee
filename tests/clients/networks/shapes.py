"""Views, slices, indices, masks."""
import torch
from torch import nn
from torch.nn import functional as F

from networks.written import Written, labels, network


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
