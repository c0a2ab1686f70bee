#!/usr/bin/env python3
"""GET /openapi.json: it is valid, complete, and true."""
import glob
import json
import os
import re
import subprocess
import sys

import contract
from contract import jsonschema
from support import Server, model, run_tests

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def references(value):
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def operations():
    for path, item in contract.document()["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def test_structure():
    """The rules of OpenAPI 3.1 that no schema of this test checks."""
    document = contract.document()
    assert document["openapi"] == "3.1.0" and document["info"]["title"] == "stabilityd" and document["info"]["version"]
    schemas = document["components"]["schemas"]
    for reference in references(document):
        assert reference.startswith("#/components/schemas/") and reference.rpartition("/")[2] in schemas, reference
    for name, schema in schemas.items():
        assert re.fullmatch(r"[A-Za-z0-9._-]+", name), name
        jsonschema.Draft202012Validator.check_schema(schema)
    identifiers = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(identifiers)) == len(identifiers) > 10
    for path, method, operation in operations():
        assert method in ("get", "post", "delete"), method
        assert operation["summary"] and operation["responses"], path
        assert any(200 <= int(status) < 300 for status in operation["responses"]), (path, method)
        for response in operation["responses"].values():
            assert response["description"], path
        seen = set()
        for parameter in operation["parameters"]:
            assert (parameter["name"], parameter["in"]) not in seen, parameter
            seen.add((parameter["name"], parameter["in"]))
            assert parameter["in"] in ("query", "header", "path") and "schema" in parameter, parameter
        placeholders = set(re.findall(r"\{(\w+)\}", path))
        assert placeholders == {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}


def test_complete():
    """Every route and query parameter of the source is there, and every name of every table."""
    with open(f"{ROOT}/server/routes/routes.def", encoding="utf-8") as file:
        routes = re.findall(r'^ROUTE\("(\w+)", "([^"]+)"', file.read(), re.M)
    assert len(routes) > 10
    assert {(method.lower(), path) for method, path in routes} == {(method, path) for path, method, _ in operations()}
    with open(f"{ROOT}/server/routes/routes.c", encoding="utf-8") as file:
        known = set(re.findall(r'\{"(\w+)", ROUTE_\w+, read_\w+\}', file.read()))
    assert {"format", "fail_on", "save", "baseline"} <= known
    assert known == {parameter["name"] for _, _, operation in operations() for parameter in operation["parameters"]
                     if parameter["in"] == "query"}
    schemas = contract.document()["components"]["schemas"]
    with Server() as server:
        for kind, target in ("Layer", "/v1/layers"), ("Loss", "/v1/losses"):
            listed = server.request("GET", target).json()
            for item in listed["layers" if kind == "Layer" else "losses"]:
                properties = schemas[f"{kind}_{item['type']}"]["properties"]
                for attribute in item["attributes"]:
                    assert properties[attribute["name"]]["description"] == attribute["documentation"], item["type"]
        rules = server.request("GET", "/v1/rules").json()
        assert schemas["RuleName"]["enum"] == [rule["name"] for rule in rules["rules"]]
        assert schemas["AnalysisName"]["enum"] == [analysis["name"] for analysis in rules["analyses"]]
        assert set(schemas["Thresholds"]["properties"]) == set(schemas["RuleName"]["enum"])
    with open(f"{ROOT}/include/stability/errors.def", encoding="utf-8") as file:
        errors = re.findall(r'^STABILITY_ERROR\(\w+, "([^"]+)", (\d+)', file.read(), re.M)
    assert schemas["ErrorCode"]["enum"] == [code for code, _ in errors]
    posted = contract.document()["paths"]["/v1/diagnose"]["post"]["responses"]
    others = {"404", "405", "411", "409"}  # of other operations, or of none
    assert {status for _, status in errors} - others <= set(posted), posted.keys()


def test_members_of_options():
    """Every option that the server takes is in the schema, and no other."""
    described = contract.document()["components"]["schemas"]["Options"]["properties"]
    with open(f"{ROOT}/server/input/options.c", encoding="utf-8") as file:
        text = file.read()
    table = text[text.index("#define COMMON_OPTIONS"):]
    assert set(re.findall(r'"(\w+)",\s+read_', table)) == set(described)


def test_requests():
    """What the server takes satisfies the schema; what the schema refuses, the server refuses too."""
    paths = contract.document()["paths"]
    validator = contract.validator(json.dumps(
        paths["/v1/diagnose"]["post"]["requestBody"]["content"]["application/json"]["schema"]))
    for path in glob.glob(f"{ROOT}/examples/*.json"):
        with open(path, encoding="utf-8") as file:
            request = json.load(file)
        if len(json.dumps(request)) < contract.LONGEST_BODY:
            validator.validate(request)
    good = {**model(), "options": {"precision": "float64", "mode": "eval", "timeout_s": 3, "seed": 4, "strict": False,
                                   "thresholds": {"vanishing-gradient": 1e-9}, "learning_rate": 0.1,
                                   "init": {"weight": {"init": "kaiming_normal_", "nonlinearity": "relu"}}}}
    validator.validate(good)
    bad = [{**good, "modell": {}}, {**good, "options": {"precison": "float32"}}, {"model": good["model"]},
           {**good, "options": {"thresholds": {"no-rule": 1}}}]
    layer = {"name": "fc", "type": "Linear", "in_features": 2, "out_features": 3}
    for change in {"in_features": "2"}, {"bias": 1}, {"featurs": 2}, {"type": "Linaer"}, {"in_features": 0}, {"name": ""}:
        bad.append({**good, "model": {**good["model"], "layers": [{**layer, **change}]}})
    with Server() as server:
        assert server.request("POST", "/v1/diagnose", good).status == 200
        for request in bad:
            assert not validator.is_valid(request), request
            assert server.request("POST", "/v1/diagnose", request).status == 422, request


def test_responses():
    """support.py checks every response to Server.request; here is one of each kind."""
    with Server() as server:
        for path, method, _ in operations():
            if "{" not in path:
                server.request(method.upper(), path, model() if method == "post" else None)
        for form in "json", "text", "markdown", "html", "sarif", "junit", "gitlab":
            for path in "/v1/diagnose", "/v1/gradcheck":
                response = server.request("POST", f"{path}?format={form}", model())
                assert response.status == 200, response
        assert server.request("GET", "/v1/jobs/" + "0" * 32).status == 404
        assert server.request("GET", "/v1/reports/" + "0" * 32).status == 404
        assert server.request("HEAD", "/v1/layers").status == 200


def test_options_of_the_command_line():
    """Every option of `serve` is in the documents."""
    usage = subprocess.run([sys.argv[1], "serve", "--help"], capture_output=True, text=True, check=True).stdout
    options = set(re.findall(r"^\s+(--[a-z-]+)", usage, re.M)) - {"--help"}
    with open(f"{ROOT}/docs/command-line.md", encoding="utf-8") as file:
        document = file.read()
    for option in options:
        assert f"`{option}" in document, option


run_tests(globals())
