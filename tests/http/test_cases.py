#!/usr/bin/env python3
"""Requests that are wrong, each a directory under cases/: request.json is sent as it is, expected.json says what must
come back (`status`, `code`; `pointer`, `line`, `column`, `offset` where it names them; `detail` is a regular
expression), the same from the server and from `stabilityd check`. The server serves on after each."""
import json
import pathlib
import re
import subprocess
import sys

from support import Server, assert_problem, model, run_tests

CASES = sorted(expected.parent for expected in (pathlib.Path(__file__).parent / "cases").glob("*/expected.json"))


def check(case, response):
    expected = json.loads((case / "expected.json").read_text())
    problem = assert_problem(response, expected["status"], expected["code"], expected.get("detail"),
                             expected.get("pointer"))
    for member in "line", "column", "offset":
        assert member not in expected or problem.get(member) == expected[member], problem
    return problem


def test_cases():
    wrong = []
    with Server() as server:
        healthy = server.request("POST", "/v1/diagnose", model()).body
        for case in CASES:
            try:
                check(case, server.request("POST", "/v1/diagnose", (case / "request.json").read_bytes()))
                assert server.request("POST", "/v1/diagnose", model()).body == healthy, "another report than before"
            except AssertionError as error:
                wrong.append(f"{case.name}: {error}")
    assert not wrong, "\n".join(wrong)


def test_check_says_the_same():
    with Server() as server:
        for case in CASES[::8]:
            problem = server.request("POST", "/v1/diagnose", (case / "request.json").read_bytes()).json()
            result = subprocess.run([sys.argv[1], "check", case / "request.json"], capture_output=True, check=False)
            assert result.returncode == 2 and not result.stdout, (case.name, result)
            assert problem["detail"] in result.stderr.decode(), (case.name, problem, result)
            assert problem.get("pointer", "") in result.stderr.decode(), (case.name, problem, result)


def test_a_batch_of_none():
    """A target without elements holds no number that is not an index of a class."""
    body = model()
    body["data"] = {"input": {"shape": [0, 2], "data": []}, "target": {"shape": [0], "data": []}}
    body["model"]["loss"] = {"type": "CrossEntropyLoss"}
    with Server() as server:
        report = server.request("POST", "/v1/diagnose", body)
        assert report.status == 200 and report.json()["summary"]["batch_size"] == 0, report


def test_limits():
    """One layer, one parameter, one element more than GET /v1/limits allows."""
    with Server() as server:
        limits = server.request("GET", "/v1/limits").json()["limits"]
        layers = [{"name": str(i), "type": "Identity"} for i in range(limits["layers"] + 1)]
        body = model()
        body["model"]["layers"] = layers
        response = server.request("POST", "/v1/diagnose", {**body, "weights": {}})
        assert_problem(response, 413, "model-too-large", f"{limits['layers']}.*{len(layers)}|"
                                                         f"{len(layers)}.*{limits['layers']}")
        body = model()
        body["data"]["input"] = {"random": "normal", "shape": [limits["elements"] + 1]}
        assert_problem(server.request("POST", "/v1/diagnose", body), 413, "model-too-large", str(limits["elements"]))
        width = limits["parameters"] // 2 + 1
        body = model()
        body["model"]["layers"] = [{"name": "fc", "type": "Linear", "in_features": 2, "out_features": width}]
        body["data"]["target"] = {"random": "normal", "shape": [3, width]}
        assert_problem(server.request("POST", "/v1/diagnose", {**body, "weights": {}}), 413, "model-too-large", "limit")
    with Server("--memory", "2M") as server:
        body = model()
        body["data"] = {name: {"random": "normal", "shape": [100000, size]} for name, size in
                        (("input", 2), ("target", 3))}
        assert_problem(server.request("POST", "/v1/diagnose", body), 413, "model-too-large", "needs .* the limit is 2097152")
        server.assert_alive()


def test_there_are_enough():
    assert len(CASES) >= 30
    for case in CASES:
        assert re.fullmatch(r"[a-z0-9-]+", case.name) and len(list(case.iterdir())) == 2, case


run_tests(globals())
