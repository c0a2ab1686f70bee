"""How layers are put together."""
import torch
from torch import nn
from torch.nn import functional as F

from networks.written import Written, labels, network


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
