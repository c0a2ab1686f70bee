"""The same networks three ways: written by hand here, traced by the client, exported to ONNX.

    /usr/bin/python3 tests/clients/same_numbers.py     writes tests/clients/same_numbers/ (needs Debian's python3-torch)

What it writes is committed, so that test_same_numbers.py needs no PyTorch: NAME.json has the layers by hand, those that the client
traced, the data, the mode, and PyTorch's loss; NAME.safetensors the weights; NAME.onnx the exported network.
"""
import copy
import io
import json
import pathlib
import sys

DIRECTORY = pathlib.Path(__file__).resolve().parent / "same_numbers"
LOSS = {"type": "CrossEntropyLoss"}

# By hand: layers as the documents of the service say, names of weights as in the state_dict.
LAYERS = {
    "mlp": [
        {"name": "fc1", "type": "Linear", "in_features": 6, "out_features": 16},
        {"name": "act1", "type": "ReLU"},
        {"name": "fc2", "type": "Linear", "in_features": 16, "out_features": 16},
        {"name": "act2", "type": "Tanh"},
        {"name": "fc3", "type": "Linear", "in_features": 16, "out_features": 3},
    ],
    "cnn": [
        {"name": "conv", "type": "Conv2d", "in_channels": 2, "out_channels": 4, "kernel_size": 3, "padding": 1},
        {"name": "norm", "type": "BatchNorm2d", "num_features": 4},
        {"name": "act", "type": "ReLU"},
        {"name": "pool", "type": "MaxPool2d", "kernel_size": 2},
        {"name": "flat", "type": "Flatten"},
        {"name": "fc", "type": "Linear", "in_features": 36, "out_features": 3},
    ],
    "lstm": [
        {"name": "lstm", "type": "LSTM", "input_size": 4, "hidden_size": 5, "batch_first": True},
        {"name": "last", "type": "Select", "dim": 1, "index": -1},
        {"name": "fc", "type": "Linear", "in_features": 5, "out_features": 3},
    ],
    "transformer": [
        {"name": "block", "type": "TransformerEncoderLayer", "d_model": 8, "nhead": 2, "dim_feedforward": 16, "dropout": 0, "batch_first": True},
        {"name": "mean", "type": "Mean", "dim": 1},
        {"name": "fc", "type": "Linear", "in_features": 8, "out_features": 3},
    ],
}


def networks():
    """(model, input) by name, as someone would write them in PyTorch."""
    import torch
    from torch import nn

    class Mlp(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.fc2, self.fc3 = nn.Linear(6, 16), nn.Linear(16, 16), nn.Linear(16, 3)

        def forward(self, x):
            return self.fc3(torch.tanh(self.fc2(torch.relu(self.fc1(x)))))

    class Cnn(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm, self.act = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()
            self.pool, self.flat, self.fc = nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)

        def forward(self, x):
            return self.fc(self.flat(self.pool(self.act(self.norm(self.conv(x))))))

    class Lstm(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.fc = nn.LSTM(4, 5, batch_first=True), nn.Linear(5, 3)

        def forward(self, x):
            return self.fc(self.lstm(x)[0][:, -1])

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.block, self.fc = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True), nn.Linear(8, 3)

        def forward(self, x):
            return self.fc(self.block(x).mean(dim=1))

    return {"mlp": (Mlp(), torch.randn(8, 6)), "cnn": (Cnn(), torch.randn(8, 2, 6, 6)), "lstm": (Lstm(), torch.randn(8, 7, 4)),
            "transformer": (Transformer(), torch.randn(8, 5, 8))}  # fmt: skip


def traced(model, x, y, table):
    """What the client sends of a model."""
    import torch

    import stabilityd

    return stabilityd.trace(model, x, y, torch.nn.CrossEntropyLoss(), table)


def exported(model, x):
    import torch

    file = io.BytesIO()
    torch.onnx.export(copy.deepcopy(model), x, file, input_names=["x"], output_names=["y"], opset_version=13, do_constant_folding=False,
                      training=torch.onnx.TrainingMode.TRAINING)  # fmt: skip
    return file.getvalue()


class Table:
    """A connection that knows the service's tables, and nothing else."""

    def __init__(self, program):
        import sys

        sys.argv[1:] = [program]
        from support import Server

        with Server() as server:
            self.tables = {name: server.request("GET", f"/v1/{name}").json() for name in ("layers", "losses")}

    def table(self, name):
        return self.tables[name]


def write(program):
    import torch

    from stabilityd.tensors import to_json, to_safetensors

    torch.manual_seed(1)
    DIRECTORY.mkdir(exist_ok=True)
    table = Table(program)
    for name, (model, x) in networks().items():
        y = torch.randint(3, (8,))
        file = exported(model, x)
        sent = traced(model, x, y, table)
        case = {"layers": LAYERS[name], "traced": sent.model, "mode": "train", "input": to_json(x), "target": to_json(y), "loss": sent.loss}
        lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in case.items())
        (DIRECTORY / f"{name}.json").write_text(f"{{\n{lines}\n}}\n")
        (DIRECTORY / f"{name}.safetensors").write_bytes(to_safetensors(model.state_dict()))
        (DIRECTORY / f"{name}.onnx").write_bytes(file)


if __name__ == "__main__":
    ROOT = pathlib.Path(__file__).resolve().parents[2]
    sys.path[:0] = [str(ROOT / "clients/python"), str(ROOT / "tests/http")]
    write(str(ROOT / "build/release/stabilityd"))
