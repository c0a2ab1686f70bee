#!/usr/bin/env python3
"""A network that the client traced, the same one exported to ONNX, and the same one written by hand give the same numbers.

    test_same_numbers.py STABILITYD

The networks are those of same_numbers.py, which are committed. Where a python3 has PyTorch, they are traced again too, and must be what is
committed.
"""
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "clients/python"), str(ROOT / "tests/clients"), str(ROOT / "tests/http")]

from pytorch import with_pytorch  # noqa: E402

HAS_PYTORCH = with_pytorch(None)

import same_numbers  # noqa: E402
from support import Server, run_tests  # noqa: E402

from stabilityd import Connection  # noqa: E402
from stabilityd.connection import multipart  # noqa: E402

# A layer by hand: the layer of the ONNX graph with the same output. Where the graph has the same layers, the bits are the same.
SAME = {
    "mlp": {"fc1": "/fc1/Gemm", "act1": "/Relu", "fc2": "/fc2/Gemm", "act2": "/Tanh", "fc3": "/fc3/Gemm"},
    "cnn": {"conv": "/conv/Conv", "norm": "/norm/BatchNormalization", "act": "/act/Relu", "pool": "/pool/MaxPool", "flat": "/flat/Flatten", "fc": "/fc/Gemm"},
    "lstm": {"last": "/Gather", "fc": "/fc/Gemm"},
    "transformer": {},
}

# Layers of the ONNX graph that compute the same from other operations, in another order: equal up to rounding. The LSTM's output has its
# dimensions in another order, and the encoder layer is forty operations of ONNX.
ALIKE = {
    "mlp": {},
    "cnn": {},
    "lstm": {"lstm": "/lstm/Transpose_1"},
    "transformer": {"block": "/block/norm2/Add_1", "mean": "/ReduceMean", "fc": "/fc/Gemm"},
}
ROUNDING = {"lstm": 1e-12, "transformer": 1e-5}

# Parameters whose layer has another name in the graph.
PARAMETERS = {
    "lstm": {f"lstm.{name}": f"/lstm/LSTM.{name}" for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")},
    "transformer": {
        "block.self_attn.in_proj_bias": "/block/self_attn/MatMul.bias",
        "block.self_attn.in_proj_weight": "/block/self_attn/MatMul.weight",
        "block.self_attn.out_proj.weight": "/block/self_attn/Gemm.weight",
        "block.self_attn.out_proj.bias": "/block/self_attn/Gemm.bias",
        "block.linear1.weight": "/block/linear1/MatMul.weight",
        "block.linear2.bias": "/block/linear2/MatMul.bias",
        "block.norm1.weight": "block.norm1.weight.weight",
        "block.norm2.bias": "block.norm2.bias.weight",
        "fc.weight": "/fc/Gemm.weight",
    },
}

# What is the same of a layer, whatever its name and that of its inputs.
MEMBERS = ("type", "output_shape", "output", "output_gradient", "parameters", "flags")


class Case:
    """One network, and its three reports."""

    def __init__(self, name, server):
        self.name = name
        file = same_numbers.DIRECTORY / name
        self.case = json.loads(file.with_suffix(".json").read_text())
        self.weights = file.with_suffix(".safetensors").read_bytes()
        self.connection = Connection(server.url)
        self.by_hand = self.report({"layers": self.case["layers"], "loss": same_numbers.LOSS}, "input", weights=self.weights)
        self.traced = self.report(self.case["traced"], "input", weights=self.weights)
        self.onnx = self.report({"loss": same_numbers.LOSS}, "x", model=file.with_suffix(".onnx").read_bytes())

    def report(self, network, name, **files):
        data = {name: self.case["input"], "target": self.case["target"]}
        request = {"model": network, "data": data, "options": {"mode": self.case["mode"]}}
        parts = {"request": ("application/json", json.dumps(request).encode())}
        parts.update({part: ("application/octet-stream", content) for part, content in files.items()})
        media_type, body = multipart(parts)
        answer = json.loads(self.connection.send("POST", "/v1/diagnose", body, {"Content-Type": media_type})[2])
        return {**answer, "layers": {layer["name"]: layer for layer in answer["layers"]}}


def parameter(report, key):
    """A parameter's row by its key; the layer's name may have dots, and the parameter's too."""
    for layer in report["layers"].values():
        if key.startswith(layer["name"] + ".") and key[len(layer["name"]) + 1 :] in layer["parameters"]:
            return layer["parameters"][key[len(layer["name"]) + 1 :]]
    raise AssertionError(f"there is no parameter {key}")


def as_onnx(member):
    """Without the names that parameters have in the file, and without running statistics: PyTorch's export runs the network, which moves
    them; in train mode nothing reads them."""
    if not isinstance(member, dict) or not all(isinstance(row, dict) and "initialized" in row for row in member.values()):
        return member
    return {name: {**row, "initializer": None} for name, row in member.items() if not row.get("buffer")}


def assert_alike(given, expected, relative, what):
    for statistic in ("mean", "std", "min", "max", "norm", "rms"):
        difference = abs(given[statistic] - expected[statistic])
        assert difference <= relative * (abs(expected["rms"]) + abs(expected[statistic])), f"{what}: {statistic} {given[statistic]}, by hand {expected[statistic]}"


def check(name):
    with Server() as server:
        case = Case(name, server)
    hand, rounding = case.by_hand, ROUNDING.get(name, 0)
    assert abs(hand["summary"]["loss"] - case.case["loss"]) < 1e-6, f"the loss is {hand['summary']['loss']}, in PyTorch {case.case['loss']}"

    # The client's request has the same layers: not a bit differs.
    traced = list(case.traced["layers"].values())
    assert case.traced["summary"] == {**hand["summary"], "model": case.traced["summary"]["model"]}
    for given, expected in zip(traced, hand["layers"].values()):
        for member in MEMBERS:
            assert given[member] == expected[member], f"{member} of {given['name']} by the client: {given[member]}, by hand {expected[member]}"

    for summary in ("loss", "gradient_norm"):
        assert abs(case.onnx["summary"][summary] - hand["summary"][summary]) <= rounding, f"{summary} by ONNX: {case.onnx['summary'][summary]}"
    for ours, theirs in SAME[name].items():
        given, expected = case.onnx["layers"][theirs], hand["layers"][ours]
        for member in MEMBERS:
            assert as_onnx(given[member]) == as_onnx(expected[member]), f"{member} of {theirs} by ONNX: {given[member]}, by hand {expected[member]}"
    for ours, theirs in ALIKE[name].items():
        for member in ("output", "output_gradient"):
            assert_alike(case.onnx["layers"][theirs][member], hand["layers"][ours][member], rounding, f"{member} of {theirs}")
    for ours, theirs in PARAMETERS.get(name, {}).items():
        for member in ("value", "gradient"):
            assert_alike(parameter(case.onnx, theirs)[member], parameter(hand, ours)[member], rounding, f"{member} of {theirs}")


def test_mlp():
    check("mlp")


def test_cnn_with_batch_normalisation():
    check("cnn")


def test_lstm():
    check("lstm")


def test_transformer_block():
    check("transformer")


if HAS_PYTORCH:
    import torch

    def test_the_client_still_traces_them_so():
        with Server() as server:
            connection = Connection(server.url)
            for name, (model, x) in same_numbers.networks().items():
                case = json.loads((same_numbers.DIRECTORY / f"{name}.json").read_text())
                traced = same_numbers.traced(model, x, torch.zeros(8, dtype=torch.long), connection)
                assert traced.model == case["traced"], (name, traced.model)

else:
    print("skip  there is no torch: whether the client still traces these networks as it did was not tested")


if __name__ == "__main__":
    run_tests(globals())
