#!/usr/bin/python3
"""Exports networks with torch.onnx.export and compares loss and gradient norm with PyTorch's.

    tests/onnx/networks.py STABILITYD [NAME…]

Needs Debian's python3-torch, python3-torchvision and python3-onnx; prints a table and fails where a figure
differs by more than 1e-3. Evaluated networks are exported with convolutions and normalisations fused, as
PyTorch does; their reference is the fused network."""
import copy
import io
import sys
import warnings

import torch
import torchvision
from torch.fx.experimental.optimization import fuse
from torch.onnx import TrainingMode

import service

warnings.filterwarnings("ignore")
OPSETS = (7, 9, 11, 13, 16)


class Sequence(torch.nn.Module):
    def __init__(self, layer, **settings):
        super().__init__()
        self.layer = layer(6, 5, **settings)
        directions = 2 if settings.get("bidirectional") else 1
        self.head = torch.nn.Linear(5 * directions, 4)

    def forward(self, x):
        return self.head(self.layer(x)[0].mean(0 if not self.layer.batch_first else 1))


class Encoder(torch.nn.Module):
    def __init__(self, norm_first=False, activation="relu", causal=False):
        super().__init__()
        layer = torch.nn.TransformerEncoderLayer(16, 2, 24, dropout=0.0, batch_first=True,
                                                 norm_first=norm_first, activation=activation)
        self.embedding = torch.nn.Embedding(20, 16)
        self.position = torch.nn.Parameter(torch.randn(1, 7, 16))
        self.encoder = torch.nn.TransformerEncoder(layer, 2)
        self.head = torch.nn.Linear(16, 10)
        self.causal = causal

    def forward(self, x):
        mask = torch.triu(torch.full((7, 7), float("-inf")), 1) if self.causal else None
        return self.head(self.encoder(self.embedding(x) + self.position, mask)[:, -1])


class Activations(torch.nn.Module):
    def __init__(self):
        super().__init__()
        nn = torch.nn
        self.layers = nn.Sequential(
            nn.Linear(8, 12), nn.ELU(), nn.Linear(12, 12), nn.SELU(), nn.Linear(12, 12), nn.GELU(),
            nn.Linear(12, 12), nn.SiLU(), nn.LayerNorm(12), nn.Softplus(), nn.PReLU(), nn.Linear(12, 12),
            nn.LeakyReLU(), nn.Hardswish(), nn.Hardsigmoid(), nn.Tanh(), nn.Linear(12, 5), nn.LogSoftmax(1))

    def forward(self, x):
        return self.layers(x)


class Convolutions(torch.nn.Module):
    def __init__(self):
        super().__init__()
        nn = torch.nn
        self.down = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.GroupNorm(2, 8), nn.ReLU(),
                                  nn.ReflectionPad2d(1), nn.Conv2d(8, 8, 3), nn.InstanceNorm2d(8, affine=True))
        self.up = nn.Sequential(nn.ConvTranspose2d(8, 6, 4, stride=2, padding=1), nn.ReLU6(),
                                nn.Upsample(scale_factor=2, mode="nearest"), nn.AvgPool2d(2),
                                nn.Conv2d(6, 4, 1))
        self.line = nn.Sequential(nn.Conv1d(4, 4, 3, padding=1), nn.BatchNorm1d(4), nn.MaxPool1d(2))
        self.head = nn.Linear(4, 5)

    def forward(self, x):
        x = self.up(self.down(x))
        return self.head(self.line(x.mean(3)).mean(2))


def vit():
    model = torchvision.models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=10)
    torch.nn.init.normal_(model.heads.head.weight)  # which is zero: nothing before it would have a gradient
    return model


def vgg(name):
    """Without the pooling to 7 x 7, which cannot be exported for images of less than 224 x 224."""
    model = getattr(torchvision.models, name)(num_classes=10)
    model.avgpool = torch.nn.Identity()
    model.classifier[0] = torch.nn.Linear(2048, 256)
    model.classifier[3] = torch.nn.Linear(256, 128)
    model.classifier[6] = torch.nn.Linear(128, 10)
    return model


IMAGE = (4, 3, 64, 64)
NETWORKS = {
    name: (lambda name=name: getattr(torchvision.models, name)(num_classes=10), IMAGE)
    for name in ("resnet18", "mobilenet_v2", "mobilenet_v3_small", "squeezenet1_1", "shufflenet_v2_x0_5",
                 "densenet121")
}
NETWORKS.update({
    "vgg11": (lambda: vgg("vgg11"), IMAGE),
    "vgg11_bn": (lambda: vgg("vgg11_bn"), IMAGE),
    "vit": (vit, (4, 3, 32, 32)),
    "lstm": (lambda: Sequence(torch.nn.LSTM, num_layers=2, bidirectional=True), (7, 4, 6)),
    "lstm_batch_first": (lambda: Sequence(torch.nn.LSTM, batch_first=True), (4, 7, 6)),
    "lstm_no_bias": (lambda: Sequence(torch.nn.LSTM, bias=False), (7, 4, 6)),
    "gru": (lambda: Sequence(torch.nn.GRU, num_layers=2, bidirectional=True), (7, 4, 6)),
    "rnn": (lambda: Sequence(torch.nn.RNN, num_layers=2), (7, 4, 6)),
    "rnn_relu": (lambda: Sequence(torch.nn.RNN, nonlinearity="relu"), (7, 4, 6)),
    "encoder": (Encoder, (4, 7)),
    "encoder_norm_first": (lambda: Encoder(True, "gelu"), (4, 7)),
    "encoder_causal": (lambda: Encoder(causal=True), (4, 7)),
    "activations": (Activations, (6, 8)),
    "convolutions": (Convolutions, (4, 3, 16, 16)),
})


def without_dropout(model):
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(module, torch.nn.MultiheadAttention):
            module.dropout = 0.0
    return model


def fused(model):
    """As torch.onnx.export evaluates it: convolutions with the normalisation behind them in one."""
    try:
        return fuse(model)
    except Exception:  # not traceable: nothing in it is fused
        return model


def reference(model, x, target):
    model = copy.deepcopy(model)
    model.zero_grad()
    loss = torch.nn.functional.cross_entropy(model(x), target)
    loss.backward()
    norm = sum(float((p.grad.double() ** 2).sum()) for p in model.parameters() if p.grad is not None)
    return float(loss), norm ** 0.5


def export(model, x, mode, fold, opset):
    file = io.BytesIO()
    torch.onnx.export(model, x, file, training=mode, do_constant_folding=fold, opset_version=opset,
                      input_names=["x"])
    return file.getvalue()


def target_shape(name, x):
    """Classes, and samples of the batch."""
    if name.startswith(("lstm", "gru", "rnn")):
        return 4, x.shape[0 if "batch_first" in name else 1]
    return 5 if name in ("activations", "convolutions") else 10, x.shape[0]


def compare(program, name, training, fold, opset):
    build, shape = NETWORKS[name]
    torch.manual_seed(1)
    model = without_dropout(build())
    for buffer in model.buffers():
        if buffer.dtype == torch.float32 and buffer.dim() == 1:
            buffer.data += 0.1 * torch.rand_like(buffer)
    x = torch.randint(0, 20, shape) if len(shape) == 2 and name.startswith("encoder") else torch.randn(shape)
    classes, samples = target_shape(name, x)
    target = torch.randint(0, classes, (samples,))
    model.train(training)
    try:
        file = export(copy.deepcopy(model), x, TrainingMode.TRAINING if training else TrainingMode.EVAL, fold,
                      opset)
    except Exception as problem:
        return "not exported", str(problem).strip().splitlines()[0][:60]
    loss, norm = reference(model if training else fused(copy.deepcopy(model)), x, target)
    report, message = service.check(program, file, {
        "model": {"loss": {"type": "CrossEntropyLoss"}},
        "data": {"x": service.tensor(x.numpy()), "target": service.tensor(target.numpy())}})
    if report is None:
        return "REFUSED", message
    found = [service.number(report["summary"][key]) for key in ("loss", "gradient_norm")]
    errors = [abs(a - b) / max(abs(b), 1e-12) for a, b in zip(found, (loss, norm))]
    verdict = "ok" if max(errors) < 1e-3 else "DIFFERS"
    return verdict, f"loss {found[0]:.6g} ({loss:.6g})  gradient norm {found[1]:.6g} ({norm:.6g})"


def main():
    program, names = sys.argv[1], sys.argv[2:] or list(NETWORKS)
    failed = 0
    counts = {}
    for name in names:
        for training in (False, True):
            for fold in (True, False):
                for opset in OPSETS:
                    verdict, text = compare(program, name, training, fold, opset)
                    counts[verdict] = counts.get(verdict, 0) + 1
                    failed += verdict in ("REFUSED", "DIFFERS")
                    if verdict != "ok" or opset == OPSETS[-1]:
                        print(f"{name:20} {'train' if training else 'eval':5} {'folded' if fold else 'plain':6} "
                              f"opset {opset:2}  {verdict:12} {text}", flush=True)
    print(counts)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
