"""Modes, precisions, and what else a network may come with."""
import torch
from torch import nn
from torch.nn import functional as F

from networks.written import Written, labels, network


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
