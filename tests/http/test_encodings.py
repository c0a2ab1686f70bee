#!/usr/bin/env python3
"""The forms in which a request may come: compressed, in parts, with weights in a file."""
import base64
import gzip
import json
import random
import struct
import subprocess
import sys
import tempfile
import zlib

from support import Server, assert_problem, model, request, run_tests

DIAGNOSE = "/v1/diagnose"


def zstd(data, *options):
    return subprocess.run(["zstd", "--quiet", "--stdout", *options], input=data, stdout=subprocess.PIPE,
                          check=True).stdout


ENCODERS = {"gzip": gzip.compress, "zstd": zstd}


def post(server, body, target=DIAGNOSE, **headers):
    return server.request("POST", target, body, **headers)


FORMATS = {"F64": "d", "F32": "f", "I64": "q"}
DTYPES = {"F64": "float64", "F32": "float32", "I64": "int64"}


def count(shape):
    product = 1
    for size in shape:
        product *= size
    return product


class Tensor:
    """A tensor whose numbers any form can hold exactly."""

    def __init__(self, shape, numbers, dtype="F32"):
        self.shape, self.dtype = shape, dtype
        self.raw = struct.pack(f"<{len(numbers)}{FORMATS[dtype]}", *numbers)
        self.numbers = list(struct.unpack(f"<{len(numbers)}{FORMATS[dtype]}", self.raw))

    def nested(self, start=0, depth=0):
        if depth == len(self.shape):
            return self.numbers[start]
        step = count(self.shape[depth + 1:])
        return [self.nested(start + i * step, depth + 1) for i in range(self.shape[depth])]

    def flat(self):
        return {"shape": self.shape, "data": self.numbers}

    def base64(self):
        return {"dtype": DTYPES[self.dtype], "shape": self.shape, "base64": base64.b64encode(self.raw).decode()}


def safetensors(tensors, pad=0, **metadata):
    header, data = {"__metadata__": metadata}, b""
    for name, tensor in tensors.items():
        header[name] = {"dtype": tensor.dtype, "shape": tensor.shape,
                        "data_offsets": [len(data), len(data) + len(tensor.raw)]}
        data += tensor.raw
    header = json.dumps(header).encode()
    header += b" " * ((-len(header)) % 8 + pad)
    return struct.pack("<Q", len(header)) + header + data


def multipart(parts, boundary="----a-boundary"):
    """Headers and body of multipart/form-data."""
    body = b""
    for name, data in parts:
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n\r\n'.encode()
        body += data + b"\r\n"
    return {"Content_Type": f"multipart/form-data; boundary={boundary}"}, body + f"--{boundary}--\r\n".encode()


def network():
    """A request without weights, and its weights."""
    rng = random.Random(1)

    def draw(*shape, dtype="F32"):
        return Tensor(list(shape), [rng.gauss(0, 0.3) for _ in range(count(shape))], dtype)

    body = {
        "model": {"name": "forms", "layers": [
            {"name": "conv", "type": "Conv2d", "in_channels": 3, "out_channels": 5, "kernel_size": 3},
            {"name": "norm", "type": "BatchNorm2d", "num_features": 5},
            {"name": "act", "type": "ReLU"},
            {"name": "flat", "type": "Flatten"},
            {"name": "fc", "type": "Linear", "in_features": 80, "out_features": 7},
            {"name": "drawn", "type": "Linear", "in_features": 7, "out_features": 4}],
            "loss": {"type": "CrossEntropyLoss"}},
        "data": {"input": draw(6, 3, 6, 6).nested(), "target": [0, 1, 2, 3, 0, 1]}}
    weights = {"conv.weight": draw(5, 3, 3, 3), "conv.bias": draw(5), "norm.weight": draw(5, dtype="F64"),
               "norm.running_mean": draw(5), "norm.num_batches_tracked": Tensor([], [3], "I64"),
               "fc.weight": draw(7, 80), "fc.bias": draw(7)}
    return body, weights


def with_weights(body, form, **options):
    return json.dumps({**body, **({"weights": form} if form else {}), "options": options}).encode()


def test_every_form_gives_the_same_report():
    body, weights = network()
    for options in {}, {"precision": "float64"}, {"mode": "eval"}:
        nested = with_weights(body, {key: tensor.nested() for key, tensor in weights.items()}, **options)
        bare = with_weights(body, None, **options)
        mixed = dict(reversed(weights.items()))
        plain = {
            "nested": nested,
            "flat": with_weights(body, {key: tensor.flat() for key, tensor in weights.items()}, **options),
            "base64": with_weights(body, {key: tensor.base64() for key, tensor in weights.items()}, **options),
        }
        forms = {
            **{name: ({}, data) for name, data in plain.items()},
            **{f"{name}, {coding}": ({"Content_Encoding": coding}, encode(data))
               for name, data in plain.items() for coding, encode in ENCODERS.items()},
            **{f"safetensors, {pad} further blanks": multipart([("request", bare), ("weights", safetensors(weights, pad, format="pt"))])
               for pad in range(9)},
            "weights first": multipart([("weights", safetensors(mixed)), ("request", bare)], "'()+_,-./:=?"),
            "parts without a file": multipart([("request", nested)]),
        }
        headers, data = forms["weights first"]
        forms["parts, encoded"] = ({**headers, "Content_Encoding": "gzip"}, gzip.compress(data))
        with Server() as server:
            for target in DIAGNOSE, "/v1/gradcheck":
                expected = post(server, nested, target)
                assert expected.status == 200, expected
                for name, (headers, data) in forms.items():
                    response = post(server, data, target, **headers)
                    assert response.status == 200 and response.body == expected.body, (name, target, response)


def test_check_takes_weights():
    body, weights = network()
    expected = subprocess.run([sys.argv[1], "check", "--format", "json", "-"], stdout=subprocess.PIPE, check=False,
                              input=with_weights(body, {key: tensor.nested() for key, tensor in weights.items()}))
    with tempfile.NamedTemporaryFile() as file:
        file.write(safetensors(weights))
        file.flush()
        result = subprocess.run([sys.argv[1], "check", "--format", "json", "--weights", file.name, "-"], check=False,
                                input=with_weights(body, None), stdout=subprocess.PIPE)
        assert result.stdout and result.stdout == expected.stdout and result.returncode == expected.returncode, result
        file.write(b"x")
        file.flush()
        result = subprocess.run([sys.argv[1], "check", "--weights", file.name, "-"], check=False,
                                input=with_weights(body, None), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert result.returncode == 2 and b"the last tensor must end where the data does" in result.stderr, result
    result = subprocess.run([sys.argv[1], "check", "--weights", "/nowhere", "-"], check=False, input=b"{}",
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert result.returncode == 2 and b"/nowhere cannot be opened" in result.stderr, result


def test_unexpected_weights():
    body, weights = network()
    weights["head.weight"] = weights["head.bias"] = Tensor([1], [1])
    with Server() as server:
        def send(**options):
            headers, data = multipart([("request", with_weights(body, None, **options)), ("weights", safetensors(weights))])
            return post(server, data, **headers)

        for options in {}, {"strict": True}:
            assert_problem(send(**options), 422, "unknown-weight", "'head.weight'.*nor 'head.bias'", "/weights/head.weight")
        report = send(strict=False)
        assert report.status == 200 and report.json()["ignored_weights"] == ["head.weight", "head.bias"], report
        assert_problem(send(strict="no"), 422, "invalid-value", "true or false", "/options/strict")
        del weights["head.weight"], weights["head.bias"], weights["fc.bias"]
        report = send().json()
        assert "ignored_weights" not in report
        assert report["layers"][4]["parameters"]["bias"]["initialized"], report
        weights["fc.weight"] = Tensor([80, 7], [0] * 560)
        assert_problem(send(strict=False), 422, "shape-mismatch", "transposed", "/weights/fc.weight")


def test_broken_parts():
    body, weights = network()
    bare, file = with_weights(body, None), safetensors(weights)
    with Server() as server:
        def refused(parts, status, code, detail, pointer=""):
            headers, data = multipart(parts)
            return assert_problem(post(server, data, **headers), status, code, detail, pointer)

        refused([("request", bare), ("wieghts", file)], 422, "unknown-member", "did you mean 'weights'")
        refused([("request", bare), ("weights", file), ("weights", file)], 400, "duplicate-key", "'weights' comes twice")
        refused([("weights", file)], 422, "missing-member", "needs the part 'request'")
        refused([], 422, "missing-member", "needs the part 'request'")
        refused([("request", with_weights(body, {"fc.bias": [0] * 7})), ("weights", file)], 422, "invalid-value",
                "not in both", "/weights")
        refused([("request", bare), ("weights", file[:-1])], 400, "bad-safetensors", "of the data, which has", "/weights/fc.bias")
        refused([("request", bare), ("weights", b"")], 400, "bad-safetensors", "8 bytes", "/weights")
        problem = refused([("request", b'{\n "model": nonsense}'), ("weights", file)], 400, "invalid-json", "line 2, column 11")
        assert problem["line"] == 2 and problem["offset"] == 12, problem
        headers, data = multipart([("request", bare), ("weights", file)])
        assert_problem(post(server, data[:-10], **headers), 400, "bad-multipart", "'weights' begins at byte .* has no end")
        assert_problem(post(server, bare, **headers), 400, "bad-multipart", "no line that begins with the delimiter")
        assert_problem(post(server, data, Content_Type="multipart/form-data"), 400, "bad-multipart", "parameter boundary")
        assert_problem(post(server, data, Content_Type="multipart/form-data; boundary=" + "x" * 71), 400, "bad-multipart",
                       "1 to 70")
        assert_problem(post(server, data, Content_Type="multipart/mixed; boundary=x"), 415, "unsupported-media-type")
        server.assert_alive()


def test_encodings_give_the_same_report():
    plain = json.dumps(model()).encode()
    with Server() as server:
        expected = post(server, plain)
        assert expected.status == 200, expected
        for name, encode in ENCODERS.items():
            for given in name, name.upper():
                response = post(server, encode(plain), Content_Encoding=given, Content_Type="application/json")
                assert response.status == 200 and response.body == expected.body, response
                assert "decode;dur=" in response.headers["server-timing"], response
            chunked = request("POST", DIAGNOSE, Transfer_Encoding="chunked", Content_Encoding=name)
            encoded = encode(plain)
            chunked += f"{len(encoded):x}\r\n".encode() + encoded + b"\r\n0\r\n\r\n"
            assert server.exchange(chunked).body == expected.body
        for given in "identity", "x-gzip":
            body = gzip.compress(plain) if given == "x-gzip" else plain
            assert post(server, body, Content_Encoding=given).body == expected.body


def test_other_encodings():
    with Server() as server:
        for given in "br", "deflate", "compress", "gzip, gzip", "", "gzip;q=1":
            response = post(server, zlib.compress(b"{}"), Content_Encoding=given)
            assert_problem(response, 415, "unsupported-media-type", "one Content-Encoding of gzip, zstd, not")
            assert response.headers["accept-encoding"] == "gzip, zstd", response
        twice = request("POST", DIAGNOSE, "{}", Content_Encoding="gzip\r\nContent-Encoding: gzip")
        assert_problem(server.exchange(twice), 415, "unsupported-media-type", "several that begin with gzip")
        twice = request("POST", DIAGNOSE, "{}", Content_Type="application/json\r\nContent-Type: text/plain")
        assert_problem(server.exchange(twice), 400, "bad-framing", "more than one Content-Type")
        server.assert_alive()


def test_broken_encodings():
    plain = json.dumps(model()).encode()
    with Server() as server:
        for name, encode in ENCODERS.items():
            encoded = encode(plain)
            for broken, detail in [(encoded[:-1], "ends before its stream does"), (b"", "0 bytes and ends before"),
                                   (plain, "broken near byte"), (encoded + b"{}", "broken near|ends before"),
                                   (encoded[:40] + bytes([encoded[40] ^ 255]) + encoded[41:], "broken near|ends before")]:
                assert_problem(post(server, broken, Content_Encoding=name), 400, "bad-encoding", detail)
        server.assert_alive()


def test_bombs():
    with Server("--max-body", "1M") as server:
        for name, encode in ENCODERS.items():
            bomb = encode(b" " * (64 << 20))
            assert len(bomb) < 100000
            problem = assert_problem(post(server, bomb, Content_Encoding=name), 413, "body-too-large", "limit is 1048576")
            found = int(problem["detail"].split(" at least ")[1].split()[0])
            assert 1 << 20 < found < (1 << 20) + 100000, problem
            fits = json.dumps(model()).encode()
            fits += b" " * ((1 << 20) - len(fits))
            assert post(server, encode(fits), Content_Encoding=name).status == 200
            assert_problem(post(server, encode(fits + b" "), Content_Encoding=name), 413, "body-too-large", "1048577.*1048576")
        assert_problem(post(server, b"x" * ((1 << 20) + 1), Content_Encoding="gzip"), 413, "body-too-large")
        server.assert_alive()
    with Server() as server:
        for name, encode in ENCODERS.items():
            problem = post(server, encode(b" " * (64 << 20)), Content_Encoding=name)
            assert_problem(problem, 413, "body-too-large", "bytes of .* expand to at least .* 1000 times")
        server.assert_alive()


run_tests(globals())
