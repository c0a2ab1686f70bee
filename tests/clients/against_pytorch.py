"""A report of a model that the client traced, against PyTorch's own numbers."""
import torch

import stabilityd


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


def compare_with_pytorch(model, x, y, loss_fn, url, relative=1e-4, in_pytorch=None):
    """The loss, the norm of each parameter's gradient, mean and rms of each module's output. `in_pytorch` is the model and x that
    PyTorch runs, where it can't run these. Returns the report."""
    connection = stabilityd.Connection(url)
    report = stabilityd.diagnose(model, x, y, loss_fn, connection=connection)
    traced = stabilityd.trace(model, x, y, loss_fn, connection)
    model, x = in_pytorch or (model, x)
    reference = Reference(model, x, y, loss_fn)
    assert close(report.loss, reference.loss, relative, 1e-6), f"loss {report.loss}, in PyTorch {reference.loss}"
    assert close(traced.loss, reference.loss, relative, 1e-6), f"the trace's loss {traced.loss}, in PyTorch {reference.loss}"
    compare_gradients(report, traced, reference.gradients, relative)
    compare_outputs(report, reference.outputs, relative)
    return report


def compare_gradients(report, traced, gradients, relative):
    norms = {parameter: float(gradient.double().norm()) for parameter, gradient in gradients.items()}
    for parameter, norm in norms.items():
        if parameter not in traced.keys:
            assert norm == 0, f"{parameter} has a gradient, and is not in the report"
            continue
        layer, _, own = traced.key_of(parameter).rpartition(".")
        while layer not in report.layers:
            layer, _, first = layer.rpartition(".")
            own = f"{first}.{own}"
        given = report.layers[layer]["parameters"][own]["gradient"]["norm"]
        assert close(given, norm, 10 * relative, 1e-2 * relative * max(norms.values())), f"gradient of {parameter}: {given}, in PyTorch {norm}"


def compare_outputs(report, outputs, relative):
    for path, output in outputs.items():
        layer = report.layers.get(path)
        if layer is None or layer["type"] in ("Parameter", "Constant") or list(output.shape) != layer["output_shape"]:
            continue
        rms = float(output.double().square().mean().sqrt())
        for statistic, value in (("mean", float(output.double().mean())), ("rms", rms)):
            given = layer["output"][statistic]
            assert close(given, value, 10 * relative, relative * rms), f"{statistic} of {path}: {given}, in PyTorch {value}"
