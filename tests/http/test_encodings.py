#!/usr/bin/env python3
"""The forms in which a request may come: compressed, in parts, with weights in a file."""
import gzip
import json
import subprocess
import zlib

from support import Server, assert_problem, model, request, run_tests

DIAGNOSE = "/v1/diagnose"


def zstd(data, *options):
    return subprocess.run(["zstd", "--quiet", "--stdout", *options], input=data, stdout=subprocess.PIPE,
                          check=True).stdout


ENCODERS = {"gzip": gzip.compress, "zstd": zstd}


def post(server, body, **headers):
    return server.request("POST", DIAGNOSE, body, **headers)


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
