#!/usr/bin/env python3
"""Writes inputs for the fuzz targets that are made of what lies in the repository anyway: reference values, examples,
cases of other tests.

  tests/fuzz/seeds.py DIRECTORY      one directory a target in it"""
import glob
import gzip
import json
import os
import re
import struct
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LARGEST = 20000  # bytes: a longer input makes every run slow
# What the first byte of an input of fuzz_diagnosis means.
GRADCHECK, GZIP, ZSTD, MULTIPART = 1, 4, 6, 8


def read(*path):
    with open(os.path.join(ROOT, *path), "rb") as file:
        return file.read()


def files(pattern):
    return sorted(os.path.relpath(path, ROOT) for path in glob.glob(os.path.join(ROOT, pattern)))


def attribute(words):
    kind, values = words[2], words[3:]
    number = {"integer": int, "real": float.fromhex, "boolean": lambda text: text == "true", "string": str}
    if kind in number:
        return number[kind](values[0])
    if kind in ("integers", "reals"):
        return [number[kind[:-1]](value) for value in values[1:]]
    return None


def golden_cases(path):
    """(type, attributes, inputs, output's shape, target) of each case; shapes are lists."""
    kind = case = None
    for line in read(path).decode().splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] in ("layer", "loss"):
            kind = words[1]
        elif words[0] == "case":
            case = {"attributes": {}, "inputs": [], "output": None, "target": None}
        elif words[0] == "attribute" and words[2] != "tensor":
            case["attributes"][words[1]] = attribute(words)
        elif words[0] in ("input", "target", "output") and words[1] in ("-", "0", "1", "2"):
            tensor = (words[2], [int(size) for size in words[4:]])
            if words[0] == "input":
                case["inputs"].append(tensor)
            else:
                case[words[0]] = tensor
        elif words[0] == "end":
            yield kind, case


def drawn(tensor):
    kind, shape = tensor
    draw = {"random": "randint", "low": 0, "high": 2} if kind == "int64" else {"random": "normal"}
    return {**draw, "shape": shape}


def golden_requests():
    """A request for each type of layer and loss."""
    for path in files("tests/golden/layers/*.golden") + files("tests/golden/losses/*.golden"):
        seen = set()
        for kind, case in golden_cases(path):
            names = [f"x{i}" for i in range(len(case["inputs"]))] or ["input"]
            inputs = case["inputs"] or [("float64", [2])]
            data = {name: drawn(tensor) for name, tensor in zip(names, inputs)}
            model = {"inputs": names}
            if "/layers/" in path:
                model["layers"] = [{"name": "l", "type": kind, **case["attributes"]}]
                if case["inputs"]:
                    model["layers"][0]["inputs"] = names
                model["loss"] = {"type": "MSELoss"}
                target = case["output"] or ("float64", [1])
            else:
                model["layers"] = []
                model["loss"] = {"type": kind, "inputs": names, **case["attributes"]}
                target = case["target"]
            if target is not None:
                data["target"] = drawn(target)
            key = json.dumps(sorted(case["attributes"])), len(names)
            if key not in seen:
                seen.add(key)
                yield json.dumps({"model": model, "data": data}, separators=(",", ":")).encode()


def written_requests():
    for path in files("docs/rules/*.md"):
        yield re.search(r"^```json\n(.*?)^```$", read(path).decode(), re.M | re.S)[1].encode()
    for path in files("tests/http/cases/*/request.json") + files("tests/golden/models/*.json") + files("examples/*.json"):
        if not path.endswith(".expected.json"):
            yield read(path)


def with_analyses():
    names = [os.path.basename(path)[:-2] for path in files("core/analyses/*.c")]
    model = {"layers": [{"name": "a", "type": "Linear", "in_features": 2, "out_features": 3},
                        {"name": "b", "type": "Sigmoid"},
                        {"name": "c", "type": "Linear", "in_features": 3, "out_features": 2}],
             "loss": {"type": "CrossEntropyLoss"}}
    data = {"input": {"random": "normal", "shape": [4, 2]}, "target": [0, 1, 1, 0]}
    for name in names:
        yield json.dumps({"model": model, "data": data, "options": {"analyses": [name]}}).encode()


def parts(**named):
    pieces = []
    for name, content in named.items():
        pieces.append(f'--boundary\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + content + b"\r\n")
    return b"".join(pieces) + b"--boundary--\r\n"


def safetensors(tensors):
    header, data = {}, b""
    for name, (kind, shape, values) in tensors.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def diagnosis():
    requests = list(golden_requests()) + list(written_requests()) + list(with_analyses())
    for number, request in enumerate(requests):
        yield bytes([number % 7 << 4]) + request
    for request in requests[::9]:
        yield bytes([GRADCHECK]) + request
    small = min(requests, key=len)
    yield bytes([GZIP]) + gzip.compress(small, mtime=0)
    yield bytes([ZSTD]) + subprocess.run(["zstd", "-q", "-c"], input=small, capture_output=True, check=True).stdout
    layer = {"name": "fc", "type": "Linear", "in_features": 2, "out_features": 1}
    request = {"model": {"layers": [layer], "loss": {"type": "MSELoss"}}, "data": {"input": [[1, 2]], "target": [[1]]}}
    weights = safetensors({"fc.weight": ("F32", [1, 2], bytes(8)), "fc.bias": ("F16", [1], bytes(2))})
    yield bytes([MULTIPART]) + parts(request=json.dumps(request).encode(), weights=weights)
    for path in files("tests/onnx/cases/*.onnx"):
        case = json.loads(read(path[:-5] + ".json"))["request"]
        for name, tensor in case["data"].items():
            if isinstance(tensor, dict) and tensor.get("dtype", "").startswith("float"):
                case["data"][name] = {"random": "normal", "shape": tensor["shape"]}
        yield bytes([MULTIPART]) + parts(request=json.dumps(case).encode(), model=read(path))


def http():
    """What comes over a connection; the first byte says where it is cut."""
    body = b'{"model":{"layers":[],"loss":{"type":"MSELoss"}},"data":{"input":[1],"target":[1]}}'
    length = b"Content-Length: %d\r\n" % len(body)
    end = b"Host: t\r\n\r\n"
    chunked = b"Transfer-Encoding: chunked\r\n" + end + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    yield b"\0GET /livez HTTP/1.1\r\n" + end + b"GET /readyz HTTP/1.1\r\n" + end
    for headers in (b"", b"Prefer: wait=1, respond-async\r\nIdempotency-Key: k\r\n", b"Content-Encoding: gzip\r\n",
                    b"Accept: text/html;q=0.5, application/sarif+json\r\n", b"Authorization: Bearer secret\r\n",
                    b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nX-Request-Id: a\r\n",
                    b"Content-Type: multipart/form-data; boundary=b\r\n", b"Expect: 100-continue\r\n",
                    b"Connection: close\r\n"):
        yield b"\0POST /v1/diagnose?format=text&fail_on=error HTTP/1.1\r\n" + headers + length + end + body
        yield b"\7POST /v1/gradcheck?save=a%20b+c HTTP/1.1\r\n" + headers + chunked
    for path in (b"/v1/layers", b"/v1/reports?limit=2&model=m&name=n", b"/v1/reports/" + b"0" * 32 + b"?baseline=" + b"0" * 32,
                 b"/v1/jobs/" + b"1" * 32 + b"/events", b"/openapi.json", b"/metrics", b"/", b"/web/x", b"http://h/v1/limits"):
        yield b"\1GET " + path + b" HTTP/1.1\r\n" + end
        yield b"\2HEAD " + path + b" HTTP/1.0\r\n\r\n"
    yield b"\3DELETE /v1/jobs/" + b"1" * 32 + b" HTTP/1.1\r\n" + end


def targets():
    yield from (b"/v1/diagnose?format=text&fail_on=error&save=a%20b+%C3%A9", b"/v1/reports?limit=2&model=m&name=n&after=" + b"0" * 32,
                b"http://host:80/v1/jobs/" + b"1" * 32 + b"/result?format=html&baseline=" + b"0" * 32, b"/web/main.js",
                b"*", b"/a//b/?&&=&x=%00", b"text/html;q=0.5, application/sarif+json, */*;q=0.1",
                b"application/json; charset=\"utf-8\", text/plain ;q=1.000")


def encodings():
    texts = b"{}", bytes(100000), bytes(range(256)) * 3
    for text in texts:
        for level in 0, 1, 9:
            yield b"\0" + gzip.compress(text, level, mtime=0)
        for level in "-1", "-19":
            yield b"\1" + subprocess.run(["zstd", "-q", "-c", level], input=text, capture_output=True, check=True).stdout
    yield b"\0" + gzip.compress(b"a", mtime=0) + gzip.compress(b"b", mtime=0)


def tokens():
    yield b"# a comment\n\nname " + b"0f" * 32 + b"\nother\t" + b"A0" * 32 + b" 600\r\n"
    yield b"name " + b"0f" * 32 + b" 1000000001\n"
    yield b"a" * 64 + b" " + b"00" * 32 + b"\n" + b"x" * 600


def findings():
    yield b'{"verdict":"fail","parameters":[]}'
    yield b'{"verdict":"unstable","findings":[{"severity":"error","fingerprint":"0123456789abcdef"},{"severity":"info","fingerprint":""}]}'


def base64():
    yield from (b"", b"QQ==", b"QUI=", b"QUJD" * 9, b"QUJD" * 5 + b"QUI=", b"+/+/+/+/+/+/+/+/*A==")


def json_texts():
    yield from golden_requests()
    yield from written_requests()
    for path in files("tests/data/json/*.cases"):
        for line in read(path).splitlines():
            if not line.startswith(b"#") and b" " in line:
                yield line.split(b" ")[-1]


# The data that fuzz_onnx has for a file: rows of its table.
ONNX_ROWS = {"activations": 0, "channels_last": 1, "convolutions": 2, "encoder": 3, "perceptron": 5}


def onnx():
    for path in files("tests/onnx/cases/*.onnx"):
        name = os.path.basename(path)[:-5]
        yield bytes([next((row for start, row in ONNX_ROWS.items() if name.startswith(start)), 4)]) + read(path)


SEEDS = {"fuzz_diagnosis": diagnosis, "fuzz_http": http, "fuzz_target": targets, "fuzz_encoding": encodings,
         "fuzz_tokens": tokens, "fuzz_findings": findings, "fuzz_base64": base64, "fuzz_request": json_texts,
         "fuzz_onnx": onnx}


def main(directory):
    for target, seeds in SEEDS.items():
        os.makedirs(os.path.join(directory, target), exist_ok=True)
        for number, seed in enumerate(seeds()):
            if len(seed) <= LARGEST:
                with open(os.path.join(directory, target, f"seed-{number}"), "wb") as file:
                    file.write(seed)


if __name__ == "__main__":
    main(sys.argv[1])
