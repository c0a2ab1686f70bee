#!/usr/bin/env python3
"""ONNX files: what PyTorch gives for them (tests/onnx/generate.py), and what is refused."""
import glob
import json
import os
import struct
import subprocess
import sys

from support import PATIENCE, Server, assert_problem, run_tests

CASES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "onnx", "cases")


def multipart(parts, boundary="----a-boundary"):
    body = b""
    for name, data in parts:
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n\r\n'.encode()
        body += data + b"\r\n"
    return {"Content_Type": f"multipart/form-data; boundary={boundary}"}, body + f"--{boundary}--\r\n".encode()


def post(server, file, request, target="/v1/diagnose", more=()):
    data = request if isinstance(request, bytes) else json.dumps(request).encode()
    headers, body = multipart([("request", data), ("model", file), *more])
    return server.request("POST", target, body, **headers)


# ---- ONNX files by hand

def varint(value):
    value &= (1 << 64) - 1
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    """An integer, a text, or a message (bytes)."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(name, shape, numbers=None, data_type=1, extra=b""):
    data = b"" if numbers is None else field(9, struct.pack(f"<{len(numbers)}{'q' if data_type == 7 else 'f'}", *numbers))
    return b"".join(field(1, size) for size in shape) + field(2, data_type) + field(8, name) + data + extra


def attribute(name, value):
    if isinstance(value, int):
        return field(1, name) + field(3, value) + field(20, 2)
    if isinstance(value, list):
        return field(1, name) + b"".join(field(8, item) for item in value) + field(20, 7)
    return field(1, name) + field(5, value) + field(20, 4)


def node(kind, inputs, outputs, name="", domain="", attributes=()):
    return (b"".join(field(1, i) for i in inputs) + b"".join(field(2, o) for o in outputs) + field(3, name)
            + field(4, kind) + field(7, domain) + b"".join(field(5, a) for a in attributes))


def port(name):
    return field(1, name)


def model(nodes, initializers=(), inputs=("x",), outputs=("y",), opset=13, extra=b""):
    graph = (b"".join(field(1, n) for n in nodes) + field(2, "by-hand")
             + b"".join(field(5, i) for i in initializers) + b"".join(field(11, port(i)) for i in inputs)
             + b"".join(field(12, port(o)) for o in outputs) + extra)
    return field(1, 8) + field(8, field(1, "") + field(2, opset)) + field(7, graph)


def request(**more):
    return {"model": {"loss": {"type": "MSELoss"}}, "data": {"x": [[1.0, 2.0]], "target": [[0.0, 0.0]]}, **more}


RELU = node("Relu", ["x"], ["y"], "relu")


# ---- what is accepted

def test_cases_of_pytorch():
    with Server() as server:
        files = sorted(glob.glob(os.path.join(CASES, "*.onnx")))
        assert len(files) >= 10, files
        for path in files:
            with open(path, "rb") as file, open(path.replace(".onnx", ".json"), encoding="ascii") as text:
                case = json.load(text)
                response = post(server, file.read(), case["request"])
            assert response.status == 200, (path, response)
            report = response.json()
            for name in "loss", "gradient_norm":
                expected, found = case["expected"][name], report["summary"][name]
                assert abs(found - expected) <= 1e-3 * abs(expected), (path, name, found, expected)
            assert report["engine"]["mode"] == case["expected"]["mode"], path


def test_names():
    weights = [tensor("dense.weight", [2, 2], [1, 2, 3, 4]), tensor("dense.bias", [2], [0.5, -0.5])]
    file = model([node("MatMul", ["x", "dense.weight"], ["product"], "dense/MatMul"),
                  node("Add", ["product", "dense.bias"], ["sum"]), node("Relu", ["sum"], ["y"])], weights)
    with Server() as server:
        report = post(server, file, request()).json()
    assert report["summary"]["model"] == "by-hand" and report["summary"]["parameter_count"] == 6, report["summary"]
    dense, relu = report["layers"]
    assert (dense["name"], dense["type"], relu["name"], relu["type"]) == ("dense/MatMul", "Linear", "y", "ReLU")
    found = {name: (p["initializer"], p["shape"]) for name, p in dense["parameters"].items()}
    assert found == {"weight": ("dense.weight", [2, 2]), "bias": ("dense.bias", [2])}, found
    # x W + b = (1 + 6 + 0.5, 2 + 8 - 0.5)
    assert abs(report["summary"]["loss"] - (7.5 ** 2 + 9.5 ** 2) / 2) < 1e-5, report["summary"]


def test_same_initializer_twice():
    weight = tensor("w", [2, 2], [1, 0, 0, 1])
    file = model([node("MatMul", ["x", "w"], ["a"], "first"), node("MatMul", ["a", "w"], ["y"], "second")], [weight])
    with Server() as server:
        report = post(server, file, request()).json()
    assert report["summary"]["parameter_count"] == 4, report["summary"]
    assert report["layers"][1]["parameters"]["weight"]["shared_with"] == "first"


def test_mode_of_the_file_and_of_the_request():
    ones = [tensor(name, [2], [1, 1]) for name in ("weight", "bias", "mean", "var")]
    norm = node("BatchNormalization", ["x", "weight", "bias", "mean", "var"], ["y"], "bn")
    data = {"x": [[1.0, 2.0], [3.0, 4.0]], "target": [[0.0, 0.0], [0.0, 0.0]]}
    with Server() as server:
        for options, mode in ({}, "eval"), ({"mode": "train"}, "train"), ({"mode": "eval"}, "eval"):
            report = post(server, model([norm], ones), request(data=data, options=options)).json()
            assert report["engine"]["mode"] == mode and report["layers"][0]["type"] == "BatchNorm1d", report["engine"]
        trained = model([norm[:] + field(5, attribute("training_mode", 1))], ones, opset=14)
        assert post(server, trained, request(data=data)).json()["engine"]["mode"] == "train"


def test_shapes_follow_the_batch():
    one = attribute("value", tensor("", [1], [-1], 7))
    file = model([node("Shape", ["x"], ["shape"]), node("Constant", [], ["rest"], attributes=[one]),
                  node("Constant", [], ["zero"], attributes=[attribute("value", tensor("", [], [0], 7))]),
                  node("Constant", [], ["axis"], attributes=[attribute("value", tensor("", [1], [0], 7))]),
                  node("Gather", ["shape", "zero"], ["n"]), node("Unsqueeze", ["n", "axis"], ["batch"]),
                  node("Concat", ["batch", "rest"], ["sizes"], attributes=[attribute("axis", 0)]),
                  node("Reshape", ["x", "sizes"], ["y"], "reshape")])
    with Server() as server:
        for n in 1, 3:
            data = {"x": [[[1.0, 2.0], [3.0, 4.0]]] * n, "target": [[0.0] * 4] * n}
            report = post(server, file, request(data=data)).json()
            assert [layer["name"] for layer in report["layers"]] == ["reshape"]
            assert report["layers"][0]["output_shape"] == [n, 4], report["layers"]


def test_gradcheck():
    with open(os.path.join(CASES, "perceptron.onnx"), "rb") as file, \
            open(os.path.join(CASES, "perceptron.json"), encoding="ascii") as text, Server() as server:
        response = post(server, file.read(), json.load(text)["request"], "/v1/gradcheck")
        assert response.status == 200 and response.json()["verdict"] == "pass", response


def test_command_line():
    path = os.path.join(CASES, "perceptron")
    with open(path + ".json", "rb") as file:
        body = json.dumps(json.load(file)["request"]).encode()
    done = subprocess.run([sys.argv[1], "check", "--model", path + ".onnx", "-"], input=body, capture_output=True,
                          timeout=PATIENCE, check=False)
    assert done.returncode == 0 and b"Linear" in done.stdout, done


# ---- what is refused

REFUSED = [
    ("an empty file", b"", 400, "bad-onnx", "needs a graph"),
    ("text", b"not an ONNX file at all", 400, "bad-onnx", "broken at byte"),
    ("a length over the end", b"\x3a\xff\xff\xff\xff\x0f", 400, "bad-onnx", "broken at byte 0"),
    ("a varint without an end", b"\x08" + b"\xff" * 12, 400, "bad-onnx", "broken"),
    ("a group", b"\x0b\x0c", 400, "bad-onnx", "broken"),
    ("two graphs", model([RELU]) + field(7, b""), 400, "bad-onnx", "second graph"),
    ("a graph that is a number", field(7, 1), 400, "bad-onnx", "'graph'"),
    ("a name that is not UTF-8", model([node("Relu", ["x"], ["y"]) + field(3, b"\xff")]), 400, "bad-onnx", "UTF-8"),
    ("a name with a NUL", model([node("Relu", ["x"], ["y"]) + field(3, b"a\0b")]), 400, "bad-onnx", "NUL"),
    ("no output", model([RELU], outputs=()), 400, "bad-onnx", "no output"),
    ("a tensor cut short", model([RELU], [tensor("w", [2, 2], [1, 2, 3])]), 400, "bad-onnx", r"\(2, 2\).*12 bytes"),
    ("a tensor without data", model([RELU], [tensor("w", [2])]), 400, "bad-onnx", "0 numbers"),
    ("a size below 0", model([RELU], [tensor("w", [-1], [])]), 400, "bad-onnx", "shape"),
    ("sizes whose product overflows", model([RELU], [tensor("w", [1 << 40] * 4, [])]), 400, "bad-onnx", "shape"),
    ("nine dimensions", model([RELU], [tensor("w", [1] * 9, [1])]), 422, "unsupported-onnx", "9 dimensions"),
    ("a tensor of texts", model([RELU], [tensor("w", [1], None, 8)]), 422, "unsupported-onnx", "data type 8"),
    ("external data", model([RELU], [tensor("w", [1], None, 1, field(13, field(1, "location") + field(
        2, "/etc/passwd")) + field(14, 1))]), 422, "unsupported-onnx", "'w' are in another file"),
    ("opset 22", model([RELU], opset=22), 422, "unsupported-onnx", "opset 22"),
    ("no opset", field(1, 8) + field(7, b""), 422, "unsupported-onnx", "opset 0"),
    ("functions", model([RELU]) + field(25, b""), 422, "unsupported-onnx", "functions"),
    ("a cycle", model([node("Add", ["x", "b"], ["a"], "one"), node("Relu", ["a"], ["b"], "two"),
                       node("Relu", ["b"], ["y"])]), 422, "cycle", "'one'|'two'"),
    ("a node that reads itself", model([node("Relu", ["y"], ["y"], "self")]), 422, "cycle", "'self'"),
    ("a value twice", model([RELU, node("Tanh", ["x"], ["y"])]), 422, "duplicate-name", "'y' is defined twice"),
    ("an unknown value", model([node("Relu", ["z"], ["y"], "relu")]), 422, "unknown-input", "'relu'.*'z'"),
    ("an unknown output", model([RELU], outputs=("z",)), 422, "unknown-input", "'z'"),
    ("operators that are not known, all of them", model([
        node("Det", ["x"], ["a"], "first"), node("Relu", ["a"], ["b"]), node("Det", ["b"], ["c"], "second"),
        node("Fancy", ["c"], ["y"], "third", "com.example")]),
     422, "unsupported-onnx", r"Det \('first', 'second'\); Fancy \('third'\)"),
    ("If", model([node("If", ["x"], ["y"], "branch", attributes=[field(1, "then_branch") + field(6, b"") + field(
        20, 5)])]), 422, "unsupported-onnx", r"If \('branch'\)"),
    ("an unknown attribute", model([node("Relu", ["x"], ["y"], "relu", attributes=[attribute("slope", 1)])]),
     422, "unsupported-onnx", "relu.*'slope'"),
    ("an attribute of the wrong type", model([node("Flatten", ["x"], ["y"], "flat", attributes=[
        attribute("axis", [1])])]), 400, "bad-onnx", "'flat'.*'axis' must be an integer"),
    ("an attribute without its tensor", model([node("Constant", [], ["c"], attributes=[field(1, "value") + field(20, 4)]),
                                               node("Add", ["x", "c"], ["y"])]), 400, "bad-onnx", "'value' has no tensor"),
    ("shapes that do not fit", model([node("MatMul", ["x", "w"], ["y"], "dense")], [tensor("w", [3, 1], [1, 2, 3])]),
     422, "shape-mismatch", "node 'dense' .MatMul."),
    ("a tensor too large to compute", model([
        node("ConstantOfShape", ["sizes"], ["big"], "fill"), node("Add", ["x", "big"], ["y"])],
        [tensor("sizes", [2], [1 << 15, 1 << 15], 7)]), 413, "model-too-large", "."),
    ("an integer divided by 0", model([
        node("Div", ["a", "b"], ["c"], "div"), node("Expand", ["x", "c"], ["y"])],
        [tensor("a", [1], [1], 7), tensor("b", [1], [0], 7)]), 422, "invalid-value", "'div'.*divided by 0"),
    ("too many nodes", model([node("Relu", ["x"], [f"y{i}"]) for i in range(90000)], outputs=("y0",)), 413,
     "model-too-large", "90000 nodes"),
]


def test_refused():
    with Server() as server:
        for what, file, status, code, detail in REFUSED:
            response = post(server, file, request())
            try:
                problem = assert_problem(response, status, code, detail)
            except AssertionError as failure:
                raise AssertionError(what) from failure
            assert problem["pointer"].startswith("/model"), (what, problem)
        server.assert_alive()


def test_every_prefix_and_every_byte():
    """No file makes the server fail, whichever byte of it is wrong or missing."""
    with open(os.path.join(CASES, "perceptron.onnx"), "rb") as file, \
            open(os.path.join(CASES, "perceptron.json"), encoding="ascii") as text:
        whole, body = file.read(), json.dumps(json.load(text)["request"]).encode()
    with Server() as server:
        for length in range(0, len(whole), 3):
            assert 400 <= post(server, whole[:length], body).status < 500, length
        for position in range(0, len(whole), 2):
            changed = bytearray(whole)
            changed[position] ^= 0xff
            response = post(server, bytes(changed), body)
            assert response.status < 500, (position, response)
        server.assert_alive()


def test_what_stands_beside_the_file():
    with Server() as server:
        bad = [(request(weights={}), "unknown-member", "weights"),
               (request(model={"loss": {"type": "MSELoss"}, "layers": []}), "unknown-member", "layers"),
               (request(model={}), "missing-member", "loss"),
               (request(data={"target": [[0.0, 0.0]]}), "missing-member", "'x'"),
               (request(data={"x": [[1.0, 2.0]], "z": [1.0], "target": [[0.0, 0.0]]}), "unknown-member", "'z'")]
        for body, code, detail in bad:
            assert_problem(post(server, model([RELU]), body), 422, code, detail)
        response = post(server, model([RELU]), request(), more=[("weights", b"")])
        assert_problem(response, 422, "invalid-value", "initializers")


if __name__ == "__main__":
    run_tests(globals())
