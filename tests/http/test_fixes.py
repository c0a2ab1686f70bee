#!/usr/bin/env python3
"""The patch of a fix, applied to the request as it was sent and posted again, gives the numbers that the fix promised.

  tests/http/test_fixes.py STABILITYD
"""
import base64
import copy
import json
import random
import struct
import sys
from pathlib import Path

from support import Server, assert_problem, request, run_tests

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench" / "faults"))
import faults  # noqa: E402
import patch  # noqa: E402

SERVER = None


def post(body, status=200):
    response = SERVER.request("POST", "/v1/diagnose", body)
    assert response.status == status, response
    return response.json()


def asking(body, **settings):
    """The request, which asks for fixes."""
    body = copy.deepcopy(body)
    options = body.setdefault("options", {})
    options["analyses"] = {**options.get("analyses", {}), "fixes": settings}
    return body


def check_fix(body, finding, fix):
    changed = patch.apply(body, fix["patch"])
    changed["options"]["analyses"].pop("fixes")
    report = post(changed)
    after = fix["after"]
    assert report["verdict"] == after["verdict"], (fix, report["verdict"])
    for key, number in after["summary"].items():
        assert report["summary"][key] == number, (fix, report["summary"])
    same = [f for f in report["findings"] if f["rule"] == finding["rule"] and set(f["layers"]) & set(finding["layers"])]
    assert not fix["cures"] or all(f["severity"] == "info" for f in same), (fix, same)
    if same and same[0]["evidence"].keys() == finding["evidence"].keys() and len(same) == 1:
        for key in fix["before"]:
            assert same[0]["evidence"][key] == after[key], (fix, same)
    assert all(finding["evidence"][key] == number for key, number in fix["before"].items()), fix


def check_all(body, kinds=(), cured=True, trials=60):
    """Checks every fix of every finding; `kinds` must be among them, and with `cured` the first makes the verdict stable."""
    body = asking(body, per_finding=20, trials=trials)
    report = post(body)
    told, patches = set(), set()
    for finding in report["findings"]:
        assert finding["severity"] != "info" or not finding["fixes"]
        for fix in finding["fixes"]:
            told.add(fix["kind"])
            if json.dumps(fix["patch"]) not in patches:
                check_fix(body, finding, fix)
            patches.add(json.dumps(fix["patch"]))
    assert report["verdict"] != "stable" and patches
    assert set(kinds) <= told, told
    first = report["findings"][0]["fixes"]
    assert not cured or (first and first[0]["after"]["verdict"] == "stable"), first
    return report


def flat(rows, count=None):
    numbers = [x for row in rows for x in row]
    return {"shape": [len(rows), count or len(rows[0])], "data": numbers}


def packed(rows):
    numbers = [x for row in rows for x in row]
    return {"dtype": "float32", "shape": [len(rows), len(rows[0])],
            "base64": base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()}


def gaussian(draw, rows, columns, std):
    return [[draw.gauss(0, std) for _ in range(columns)] for _ in range(rows)]


def deep(activation="Sigmoid", depth=10, std=None, name="fc{}"):
    """A chain of layers without explicit inputs; weights of that standard deviation are given."""
    draw, layers, weights = random.Random(1), [], {}
    for i in range(depth):
        layers.append({"name": name.format(i), "type": "Linear", "in_features": 8, "out_features": 8})
        layers.append({"name": f"act{i}", "type": activation})
        if std:
            weights[f"{name.format(i)}.weight"] = gaussian(draw, 8, 8, std)
    layers.append({"name": "out", "type": "Linear", "in_features": 8, "out_features": 3})
    return {"model": {"layers": layers, "loss": {"type": "CrossEntropyLoss"}}, "weights": weights,
            "data": {"input": {"random": "normal", "shape": [16, 8], "seed": 3},
                     "target": {"random": "randint", "low": 0, "high": 3, "shape": [16]}}}


def test_drawn_weights_and_inputs_by_order():
    check_all(deep(), ["initialization", "activation", "normalization", "residual"])


def test_a_request_without_weights():
    body = deep()
    del body["weights"]
    check_all(body)


def test_given_weights_in_every_form():
    body = deep("Tanh", 8, 0.02)
    for i, form in enumerate([flat, packed, lambda rows: rows, lambda rows: {"init": "normal_", "std": 0.02, "seed": 4}] * 2):
        key = f"fc{i}.weight"
        body["weights"][key] = form(body["weights"][key])
    report = check_all(body, ["initialization", "rescale"])
    assert any(op["op"] == "remove" and op["path"] == "/weights/fc0.weight"
               for f in report["findings"] for fix in f["fixes"] for op in fix["patch"])


def test_names_that_a_pointer_escapes():
    check_all(deep("Tanh", 8, 0.02, name="a/b~c{}"), ["initialization", "rescale"])


def test_inputs_by_name():
    body = deep("Tanh", 8, 0.02)
    names = ["input"] + [layer["name"] for layer in body["model"]["layers"]]
    for layer, read in zip(body["model"]["layers"], names):
        layer["inputs"] = [read]
    body["model"]["inputs"] = ["input"]
    body["model"]["loss"]["inputs"] = ["out"]
    check_all(body, ["initialization", "rescale", "normalization", "residual"])


def test_layers_that_are_declared_out_of_order():
    """Two branches, interleaved, of which every layer that follows the other branch has explicit inputs."""
    layers = []
    for i in range(8):
        for branch in "ab":
            layers.append({"name": f"{branch}{i}", "type": "Linear", "in_features": 8, "out_features": 8,
                           "inputs": [f"t{branch}{i - 1}" if i else "input"],
                           "init": {"weight": {"init": "normal_", "std": 0.01}, "bias": {"init": "zeros_"}}})
            layers.append({"name": f"t{branch}{i}", "type": "Tanh"})
    layers.append({"name": "sum", "type": "Add", "inputs": ["ta7", "tb7"]})
    layers.append({"name": "out", "type": "Linear", "in_features": 8, "out_features": 3})
    layers.append({"name": "unread", "type": "ReLU", "inputs": ["ta3"]})
    body = deep()
    body["model"] = {"layers": layers, "loss": {"type": "CrossEntropyLoss", "inputs": ["out"]}}
    check_all(body, ["initialization", "normalization"])


def test_several_inputs_and_an_output_by_name():
    body = {"model": {"inputs": ["a", "b"], "layers": [
        {"name": "rnn", "type": "RNN", "input_size": 4, "hidden_size": 16, "batch_first": True, "nonlinearity": "tanh",
         "init": {"weight_hh_l0": {"init": "normal_", "std": 0.05}}},
        {"name": "last", "type": "Select", "dim": 0, "index": 0, "inputs": ["rnn.h_n"]},
        {"name": "fb", "type": "Linear", "in_features": 4, "out_features": 16, "inputs": ["b"]},
        {"name": "sum", "type": "Add", "inputs": ["last", "fb"]},
        {"name": "out", "type": "Linear", "in_features": 16, "out_features": 2}], "loss": {"type": "MSELoss"}},
            "data": {"a": {"random": "normal", "shape": [8, 60, 4]}, "b": {"random": "normal", "shape": [8, 4], "std": 1000},
                     "target": {"random": "normal", "shape": [8, 2]}}, "weights": {}}
    check_all(body, ["gates", "initialization", "input"], cured=False)


def test_a_layer_is_removed_and_its_readers_rewired():
    body = deep(depth=2, activation="ReLU")
    body["model"]["layers"] += [{"name": "side", "type": "Linear", "in_features": 3, "out_features": 3},
                                {"name": "p", "type": "Softmax", "dim": 1, "inputs": ["out"]}]
    report = check_all(body, ["loss"])
    operations = report["findings"][0]["fixes"][0]["patch"]
    assert operations == [{"op": "remove", "path": "/model/layers/6"},
                          {"op": "add", "path": "/model/loss/inputs", "value": ["out"]}], operations


def test_shared_weights():
    body = deep("Tanh", 8, 0.02)
    for i in range(1, 8):
        body["model"]["layers"][2 * i]["weights_from"] = "fc0"
        del body["weights"][f"fc{i}.weight"]
    check_all(body, cured=False)


def test_draws_of_other_layers_stay():
    """Dropout and weights are drawn by name: a layer that is inserted changes none of them."""
    body = deep("Sigmoid", 8)
    for i in range(3):
        body["model"]["layers"].insert(4 * i + 2, {"name": f"drop{i}", "type": "Dropout", "p": 0.3})
    body["options"] = {"seed": 11}
    check_all(body, ["normalization", "residual"])


def test_every_kind_of_planted_fault():
    for number, plant in enumerate(faults.FAULTS):
        if plant is faults.batch_of_one:
            continue
        seed = 77000 + number
        check_all(plant(random.Random(seed), seed).request(), cured=False, trials=12)


def test_steps_that_diverge_and_steps_that_do_nothing():
    for rate, settings in ((300, {}), (300, {"learning_rate": 500, "optimizer": "SGD", "momentum": 0.5}), (1e-9, {})):
        body = deep("ReLU", 2)
        body["options"] = {"learning_rate": rate, "analyses": {"training": {"steps": 12, **settings}}}
        check_all(body, ["learning-rate"])


def test_healthy_models_and_those_that_ask_for_none_have_none():
    report = post(deep())
    assert all(finding["fixes"] == [] for finding in report["findings"])
    assert "fixes" not in report["analyses"]
    report = post(asking(deep("Tanh", 2)))
    assert report["verdict"] == "stable" and report["analyses"]["fixes"] == {"trials": 0, "helped": 0}


def test_settings():
    report = post(asking(deep(), trials=1))
    assert report["analyses"]["fixes"]["trials"] == 1
    report = post(asking(deep(), per_finding=1))
    assert max(len(finding["fixes"]) for finding in report["findings"]) == 1
    body = asking(deep(), per_finding=0)
    assert_problem(SERVER.request("POST", "/v1/diagnose", body), 422, "invalid-attribute",
                   pointer="/options/analyses/fixes/per_finding")


def test_the_same_bytes_twice():
    body = asking(deep())
    first, second = (SERVER.exchange(request("POST", "/v1/diagnose", body)).body for _ in range(2))
    assert first == second


def test_fixes_in_every_format():
    for name, expected in {"text": b"fix 1: ", "markdown": b"**Fix:**", "html": b"<strong>Fix:</strong>",
                           "sarif": b" Fix: "}.items():
        response = SERVER.request("POST", f"/v1/diagnose?format={name}", asking(deep()))
        assert response.status == 200 and expected in response.body, (name, response)


def test_the_rules_page_describes_the_kinds():
    page = SERVER.request("GET", "/v1/rules").json()
    rules = {rule["name"] for rule in page["rules"]}
    assert len(page["fixes"]) >= 12
    for kind in page["fixes"]:
        assert kind["documentation"] and kind["source"] and set(kind["rules"]) <= rules, kind


if __name__ == "__main__":
    with Server("--timeout", "600") as SERVER:  # sanitizers take their time
        run_tests(dict(globals()))
