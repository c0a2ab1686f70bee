#!/usr/bin/env python3
"""The report of a PyTorch model that the client traced, against hooks in PyTorch.

    test_tracing.py STABILITYD [NETWORK…]

Needs PyTorch (Debian's python3-torch), and says so where there is none.
"""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "clients/python"), str(ROOT / "tests/clients"), str(ROOT / "tests/http")]

from pytorch import with_pytorch  # noqa: E402

with_pytorch("tracing was not tested")

import torch  # noqa: E402

import stabilityd  # noqa: E402
from networks import NETWORKS  # noqa: E402
from support import Server, run_tests  # noqa: E402


class Reference:
    """One pass of a model in PyTorch: its loss, gradients by parameter, and outputs by module."""

    def __init__(self, model, x, y, loss_fn):
        self.outputs = {}
        hooks = [module.register_forward_hook(self.keep(path)) for path, module in model.named_modules() if path and not list(module.children())]
        before = {name: value.clone() for name, value in model.state_dict().items()}
        model.zero_grad()
        output = model(**x) if isinstance(x, dict) else model(*x) if isinstance(x, tuple) else model(x)
        loss = loss_fn(output, y)
        loss.backward()
        for hook in hooks:
            hook.remove()
        model.load_state_dict(before)
        self.loss = float(loss.detach())
        self.gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    def keep(self, path):
        def hook(module, inputs, output):
            if isinstance(output, torch.Tensor):
                # The first call's, by value: what follows may change it in place.
                self.outputs.setdefault(path, output.detach().clone())

        return hook


def close(a, b, relative, least):
    return abs(a - b) <= relative * max(abs(a), abs(b)) + least


def compare(name, connection):
    torch.manual_seed(len(name))
    model, x, y, loss_fn = NETWORKS[name]()
    report = stabilityd.diagnose(model, x, y, loss_fn, connection=connection)
    if name == "half":  # PyTorch can't run it on a processor
        model, x = model.float(), x.float()
    reference = Reference(model, x, y, loss_fn)
    relative = 1e-9 if name == "float64" else 1e-4
    assert close(report.loss, reference.loss, relative, 1e-6), f"loss {report.loss}, in PyTorch {reference.loss}"
    traced = stabilityd.trace(model, x, y, loss_fn, connection)
    largest = max(float(g.norm()) for g in reference.gradients.values())
    for parameter, gradient in reference.gradients.items():
        if parameter not in traced.keys:
            assert not gradient.any(), f"{parameter} has a gradient, and is not in the report"
            continue
        layer, _, own = traced.key_of(parameter).rpartition(".")
        while layer not in report.layers:
            layer, _, first = layer.rpartition(".")
            own = f"{first}.{own}"
        norm = report.layers[layer]["parameters"][own]["gradient"]["norm"]
        assert close(norm, float(gradient.norm()), 10 * relative, 1e-6 * largest), f"gradient of {parameter}: {norm}, in PyTorch {float(gradient.norm())}"
    compared = 0
    for path, output in reference.outputs.items():
        layer = report.layers.get(path)
        if layer is None or layer["type"] in ("Parameter", "Constant") or list(output.shape) != layer["output_shape"]:
            continue
        compared += 1
        for statistic, value in (("mean", output.double().mean()), ("rms", output.double().square().mean().sqrt())):
            assert close(layer["output"][statistic], float(value), 10 * relative, 1e-5), f"{statistic} of {path}: {layer['output'][statistic]}, in PyTorch {value}"
    return compared


def make_test(name):
    def test():
        with Server() as server:
            compare(name, stabilityd.Connection(server.url))

    return test


for network_name in sys.argv[2:] or NETWORKS:
    globals()[f"test_{network_name}"] = make_test(network_name)

if __name__ == "__main__":
    run_tests(globals())
