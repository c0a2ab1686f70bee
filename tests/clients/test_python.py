#!/usr/bin/env python3
"""The Python client against a running server.

    test_python.py STABILITYD

What needs PyTorch or pytest runs where a python3 has them, and says so where none has.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "clients/python"), str(ROOT / "tests/http")]

sys.path.append(str(ROOT / "tests/clients"))

from pytorch import has, with_pytorch  # noqa: E402

with_pytorch(None)

from support import Server, run_tests  # noqa: E402

from stabilityd import Connection, Report, ServiceError, StabilityError  # noqa: E402
from stabilityd.tensors import to_safetensors  # noqa: E402

try:
    import torch
    from torch import nn
    from torch.nn import functional

    import stabilityd
except ImportError:
    torch = None


# ---- without PyTorch ----


class Bytes:
    """A tensor of NumPy's kind, with what the client reads of one."""

    class Dtype(str):
        def newbyteorder(self, order):
            assert order == "<"
            return self

    def __init__(self, dtype, shape, data):
        self.dtype, self.shape, self.data = Bytes.Dtype(dtype), shape, data

    def astype(self, dtype, order):
        assert order == "C"
        return self

    def tobytes(self):
        return self.data


def test_safetensors():
    content = to_safetensors({"a": Bytes("float32", (1,), b"\0\0\x80?"), "b": Bytes("uint8", (2, 1), b"\1\2"), "c": Bytes("bool", (0,), b"")})
    length = int.from_bytes(content[:8], "little")
    assert length % 8 == 0
    assert json.loads(content[8 : 8 + length]) == {
        "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        "b": {"dtype": "U8", "shape": [2, 1], "data_offsets": [4, 6]},
        "c": {"dtype": "BOOL", "shape": [0], "data_offsets": [6, 6]},
    }
    assert content[8 + length :] == b"\0\0\x80?\1\2"
    try:
        to_safetensors({"a": Bytes("complex64", (1,), b"")})
    except TypeError as error:
        assert "complex64" in str(error)
    else:
        raise AssertionError("complex64 was accepted")


def request(sizes=(2, 2)):
    rows, columns = sizes
    layer = {"name": "fc", "type": "Linear", "in_features": columns, "out_features": rows}
    return {
        "model": {"layers": [layer], "loss": {"type": "MSELoss"}},
        "data": {"input": [[1.0] * columns], "target": [[0.0] * rows]},
    }


def test_posts_and_reads():
    with Server() as server:
        connection = Connection(f"http://127.0.0.1:{server.port}")
        assert any(row["type"] == "Linear" for row in connection.table("layers")["layers"])
        ones = to_safetensors({"fc.weight": Bytes("float32", (2, 2), b"\0\0\x80?" * 4), "fc.bias": Bytes("float32", (2,), b"\0" * 8)})
        _, content = connection.post("/v1/diagnose", request(), ones)
        assert json.loads(content)["summary"]["loss"] == 4
        _, text = connection.post("/v1/diagnose", request(), ones, format="text")
        assert b"fc" in text


def test_refusals():
    with Server() as server:
        connection = Connection(f"http://127.0.0.1:{server.port}")
        wrong = request()
        wrong["model"]["layers"][0]["in_features"] = 3
        try:
            connection.post("/v1/diagnose", wrong, to_safetensors({}))
        except ServiceError as error:
            assert error.status == 422 and "in_features" in str(error) and "/model/layers/0" in str(error), error
        else:
            raise AssertionError("a wrong shape was accepted")
    try:
        connection.send("GET", "/livez")
    except ServiceError as error:
        assert error.status == 0 and connection.url in str(error), error
    else:
        raise AssertionError("a server that is gone answered")


def test_a_refusal_is_read_while_the_body_is_sent():
    with Server("--max-body", "100000") as server:
        connection = Connection(f"http://127.0.0.1:{server.port}")
        large = to_safetensors({"fc.weight": Bytes("uint8", (50_000_000,), b"\0" * 50_000_000)})
        try:
            connection.post("/v1/diagnose", request(), large)
        except ServiceError as error:
            assert error.status == 413 and "100000" in str(error), error
        else:
            raise AssertionError("a body over the limit was accepted")


def test_severities():
    finding = {"severity": "warning", "rule": "dead-units", "layers": ["a"], "message": "all dead"}
    data = {"verdict": "warning", "findings": [finding], "summary": {"loss": 1, "findings": {"warning": 1}}}
    report = Report(data, lambda format: format)
    assert report.raise_if("error") is report and report.table() == "text"
    try:
        report.raise_if("warning")
    except StabilityError as error:
        assert "dead-units in a: all dead" in str(error) and error.report is report
    else:
        raise AssertionError("a warning was not raised")


# ---- with PyTorch ----


if torch:

    class Attention(nn.Module):
        """Code between modules: sizes, parameters, masks, tied weights."""

        def __init__(self):
            super().__init__()
            self.embedding, self.position = nn.Embedding(20, 16), nn.Parameter(torch.randn(9, 16))
            self.projection, self.out, self.norm = nn.Linear(16, 48), nn.Linear(16, 16), nn.LayerNorm(16)
            self.register_buffer("later", torch.ones(9, 9).triu(1).bool())

        def forward(self, x):
            batch, steps = x.shape
            h = self.embedding(x) + self.position[:steps]
            q, k, v = (part.view(batch, steps, 4, 4).transpose(1, 2) for part in self.projection(self.norm(h)).chunk(3, dim=-1))
            scores = (q @ k.transpose(-2, -1) / 2.0).masked_fill(self.later[:steps, :steps], float("-inf"))
            h = h + self.out((functional.softmax(scores, dim=-1) @ v).transpose(1, 2).reshape(batch, steps, 16))
            h = functional.gelu(h) * torch.sigmoid(h) + 2 - h.mean(-1, keepdim=True)
            h = h - 1 / (1 + h.square())
            return functional.linear(h, self.embedding.weight).transpose(1, 2)

    class Recurrent(nn.Module):
        def __init__(self, kind):
            super().__init__()
            self.rnn, self.fc = getattr(nn, kind)(5, 8, 2, batch_first=True, bidirectional=True), nn.Linear(16, 3)

        def forward(self, x):
            output, state = self.rnn(x)
            last = state[0] if isinstance(state, tuple) else state
            return self.fc(output[:, -1]) + last[-1].sum() * 0.1

    class Residual(nn.Module):
        """A module used twice, in-place functions, a branch, two inputs, a dictionary of outputs."""

        def __init__(self):
            super().__init__()
            self.conv, self.norm, self.relu = nn.Conv2d(4, 4, 3, padding="same"), nn.BatchNorm2d(4), nn.ReLU(inplace=True)
            self.fc = nn.Linear(4, 3)

        def forward(self, x, y):
            x = torch.cat([x, y], dim=1)
            identity = x
            x = self.relu(self.norm(self.conv(x)))
            x = self.conv(x)
            x += identity
            if x.mean() > -1e9:
                x = functional.leaky_relu(x, 0.1)
            x = functional.adaptive_avg_pool2d(functional.max_pool2d(x, 2), 1)
            return {"logits": self.fc(torch.flatten(x, 1))}

    def models():
        torch.manual_seed(0)
        labels, cross_entropy = torch.randint(0, 3, (6,)), nn.CrossEntropyLoss()
        yield nn.Linear(4, 3), torch.randn(6, 4), labels, functional.cross_entropy
        yield nn.Sequential(nn.Linear(4, 8), nn.ReLU(True), nn.Linear(8, 3)), torch.randn(6, 4), labels, cross_entropy
        yield Attention(), torch.randint(0, 20, (3, 7)), torch.randint(0, 20, (3, 7)), nn.CrossEntropyLoss(label_smoothing=0.1)
        for kind in ("RNN", "LSTM", "GRU"):
            yield Recurrent(kind), torch.randn(6, 7, 5), torch.randn(6, 3), nn.MSELoss(reduction="sum")
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, norm_first=True, activation="gelu")
        yield nn.TransformerEncoder(layer, 2, nn.LayerNorm(8)), torch.randn(5, 3, 8), torch.randn(5, 3, 8), functional.mse_loss
        yield Residual(), (torch.randn(6, 3, 6, 6), torch.randn(6, 1, 6, 6)), labels, cross_entropy

    def reference(model, x, y, loss_fn):
        """Loss, and gradients by the names of parameters."""
        model.zero_grad()
        before = {name: value.clone() for name, value in model.state_dict().items()}
        output = model(*x) if isinstance(x, tuple) else model(x)
        loss = loss_fn(output["logits"] if isinstance(output, dict) else output, y)
        loss.backward()
        model.load_state_dict(before)
        return float(loss.detach()), {name: p.grad.clone() for name, p in model.named_parameters()}

    def close(a, b, relative=1e-4):
        return abs(a - b) <= relative * max(abs(a), abs(b), 1e-6)

    def test_models_agree_with_pytorch():
        with Server() as server:
            connection = Connection(f"http://127.0.0.1:{server.port}")
            for model, x, y, loss_fn in models():
                for training in (True, False):
                    model.train(training)
                    before = {name: value.clone() for name, value in model.state_dict().items()}
                    report = stabilityd.diagnose(model, x, y, loss_fn, connection=connection)
                    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items()), model
                    loss, gradients = reference(model, x, y, loss_fn)
                    traced = stabilityd.trace(model, x, y, loss_fn, connection)
                    assert close(report.loss, loss), (model, report.loss, loss)
                    for name, gradient in gradients.items():
                        layer, _, parameter = traced.key_of(name).rpartition(".")
                        while layer not in report.layers:
                            layer, _, first = layer.rpartition(".")
                            parameter = f"{first}.{parameter}"
                        norm = report.layers[layer]["parameters"][parameter]["gradient"]["norm"]
                        assert close(norm, float(gradient.norm()), 1e-3), (type(model), name, norm, gradient.norm())

    def test_gradients_of_pytorch_are_correct():
        with Server() as server:
            connection = Connection(f"http://127.0.0.1:{server.port}")
            for model, x, y, loss_fn in models():
                model = model.double()
                x = tuple(t.double() for t in x) if isinstance(x, tuple) else x.double() if x.is_floating_point() else x
                y = y.double() if y.is_floating_point() else y
                _, gradients = reference(model, x, y, loss_fn)
                check = stabilityd.gradcheck(model, x, y, loss_fn, gradients=gradients, mode="sampled", samples=10, connection=connection)
                assert check.raise_if_wrong().level == "correct", (type(model), check.data)
            name = next(iter(gradients))
            wrong = {**gradients, name: -gradients[name]}
            check = stabilityd.gradcheck(model, x, y, loss_fn, gradients=wrong, connection=connection)
            assert check.verdict == "fail" and [p["name"] for p in check.data["parameters"] if p["level"] == "wrong"] == [name]

    def test_untraceable_models_are_named():
        class Unknown(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 4)

            def forward(self, x):
                return torch.erfinv(self.fc(x)) + torch.fft.fft(self.fc(x)).real

        with Server() as server:
            connection = Connection(f"http://127.0.0.1:{server.port}")
            model = Unknown()
            forward = type(model.fc).forward
            try:
                stabilityd.diagnose(model, torch.randn(3, 4), torch.randn(3, 4), nn.MSELoss(), connection=connection)
            except stabilityd.TraceError as error:
                assert "erfinv" in str(error) and "fft" in str(error), error
            else:
                raise AssertionError("an unknown function was sent")
            assert model.fc.forward.__func__ is forward, "the model was left changed"

    def test_pytest_plugin():
        if not has(sys.executable, "pytest"):
            print("pytest is not installed: its plug-in was not tested")
            return
        text = """
import pytest, torch, stabilityd
def go(depth):
    torch.manual_seed(0)
    model = torch.nn.Sequential(*[m for _ in range(depth) for m in (torch.nn.Linear(16, 16), torch.nn.Sigmoid())])
    stabilityd.diagnose(model, torch.randn(8, 16), torch.randn(8, 16), torch.nn.MSELoss())
@pytest.mark.stable
def test_deep(): go(20)
@pytest.mark.stable
def test_shallow(): go(1)
@pytest.mark.stable
def test_nothing(): pass
def test_unmarked(): go(20)
"""
        with Server() as server, tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, "test_it.py")
            path.write_text(text)
            command = [sys.executable, "-m", "pytest", "-q", "-p", "stabilityd.pytest_plugin", "-p", "no:cacheprovider"]
            command += ["--stabilityd-url", f"http://127.0.0.1:{server.port}", str(path)]
            environment = {**os.environ, "PYTHONPATH": str(ROOT / "clients/python")}
            done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=directory)
            failed = sorted(line.split("::")[1].split()[0] for line in done.stdout.splitlines() if line.startswith("FAILED"))
            assert failed == ["test_deep", "test_nothing"], done.stdout
            assert "vanishing-gradient" in done.stdout, done.stdout

else:
    print("PyTorch is not installed: tracing was not tested")


if __name__ == "__main__":
    run_tests(globals())
