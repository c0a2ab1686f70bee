#!/usr/bin/env python3
"""Every format of every example's report, and of requests that are named to break them, read by real parsers. A gradient
check has the same formats.

  tests/http/test_formats.py STABILITYD
"""
import html.parser
import json
import re
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

from support import Server

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
HOSTILE = ["<script>alert(1)</script>", "it's \"quoted\" & &amp; ]]> --> <!--", "</style></title></svg>",
           "a\\|b | `c` *d* @team {0} [i](http://example.com)", "\x01\x1b[31m\x7f\n\t\r\u202e\u0080\ufffe",
           "\U0001F600\U0001D49C" * 64]
# What no reader shows as it is; only SARIF's logical locations keep names to the letter.
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ufffe]")
LEVELS = {"none", "note", "warning", "error"}
# What the schema of SARIF 2.1.0 (OASIS, errata 01) says of the members that are written: it allows no others but in properties, and
# requires those with an exclamation mark. All reports of the examples were checked with that schema itself.
MESSAGE = {"!text": str}
SARIF = {
    "$schema": str, "!version": {"2.1.0"}, "!runs": [{
        "!tool": {"!driver": {"!name": str, "semanticVersion": str, "rules": [{
            "!id": str, "shortDescription": MESSAGE, "fullDescription": MESSAGE, "help": {"!text": str, "markdown": str},
            "defaultConfiguration": {"level": LEVELS}, "properties": dict}]}},
        "automationDetails": {"id": str},
        "invocations": [{"!executionSuccessful": bool, "toolExecutionNotifications": [{"level": LEVELS, "!message": MESSAGE}]}],
        "results": [{
            "ruleId": str, "ruleIndex": int, "level": LEVELS, "!message": MESSAGE,
            "locations": [{
                "physicalLocation": {"artifactLocation": {"uri": str}, "region": {"startLine": int}},
                "logicalLocations": [{"name": str, "fullyQualifiedName": str, "kind": str}]}],
            "partialFingerprints": {"stabilityd/v1": str, "primaryLocationLineHash": str},
            "baselineState": {"new", "unchanged", "updated", "absent"}, "properties": dict}]}]}
SEVERITIES = {"error": ("error", "critical"), "warning": ("warning", "major"), "info": ("note", "info")}


def hostile_request():
    layers = [{"name": name, "type": "Linear", "in_features": 4, "out_features": 4} for name in HOSTILE]
    data = {name: {"random": "normal", "shape": [8, 4]} for name in ("input", "target")}
    return {"model": {"name": "".join(HOSTILE), "layers": layers, "loss": {"type": "MSELoss"}}, "data": data,
            "weights": {}, "options": {"init": {"weight": {"init": "constant_", "val": 1e4}}}}


def hostile_check():
    """A gradient check of it: some gradients are the client's, and wrong."""
    request = hostile_request()
    request["options"] = {"precision": "float64", "gradcheck": {"mode": "sampled", "samples": 2}}
    request["gradients"] = {name + ".bias": [1, 2, 3, 4] for name in HOSTILE[::2]}
    return request


def write(request, name):
    done = subprocess.run([sys.argv[1], "check", "--format", name, "-"], input=request, capture_output=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout.decode("utf-8")


def tags_as_xml(page):
    for element in xml.etree.ElementTree.fromstring(page).iter():
        yield element.tag, dict(element.attrib)


class Tags(html.parser.HTMLParser):
    """All start tags, as HTML has them."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def html_names(page):
    """The same tree in both syntaxes: what one parser takes for text, the other does not take for a tag."""
    tags = [(tag.lower(), {key.lower(): value for key, value in attributes.items()})
            for tag, attributes in tags_as_xml(page)]
    assert tags == Tags(page).found
    names = [tag for tag, _ in tags]
    assert "script" not in names
    return names


def check_html(page, report):
    names = html_names(page)
    assert names.count("svg") >= 2
    assert names.count("article") == min(40, len(report["findings"]))


def check_junit(text, report):
    root = xml.etree.ElementTree.fromstring(text)
    layers = [case for case in root.iter("testcase") if case.get("classname").endswith(".layers")]
    assert len(layers) == len(report["layers"])
    failing = {layer for finding in report["findings"] if finding["severity"] == "error" for layer in finding["layers"]}
    for case, layer in zip(layers, report["layers"]):
        assert (case.find("failure") is not None) == (layer["name"] in failing), case.get("name")
    failures = len(root.findall("./testsuite/testcase/failure"))
    assert root.get("failures") == str(failures) and len(layers) < int(root.get("tests"))


def check_schema(value, schema, path=""):
    """Whether a value has the members, and each of them the values, that a schema like SARIF allows."""
    if isinstance(schema, type):
        assert isinstance(value, schema), path
    elif isinstance(schema, set):
        assert value in schema, path
    elif isinstance(schema, list):
        assert isinstance(value, list), path
        for index, element in enumerate(value):
            check_schema(element, schema[0], f"{path}/{index}")
    else:
        members = {key.lstrip("!"): inner for key, inner in schema.items()}
        assert set(value) <= set(members) and {key[1:] for key in schema if key.startswith("!")} <= set(value), (path, set(value))
        for key, inner in value.items():
            check_schema(inner, members[key], f"{path}/{key}")


def check_sarif(text, report):
    log = json.loads(text)
    check_schema(log, SARIF)
    assert len(log["runs"]) == 1
    run = log["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    for result, finding in zip(run["results"], report["findings"], strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == finding["rule"]
        assert result["level"] == SEVERITIES[finding["severity"]][0]
        assert result["partialFingerprints"]["stabilityd/v1"] == finding["fingerprint"]
        assert not re.search(r"(?<!\{)\{\d|\]\(", result["message"]["text"])
        named = [place["logicalLocations"][0]["name"] for place in result["locations"] if "logicalLocations" in place]
        assert named == finding["layers"][:100]
        assert all(place["physicalLocation"]["region"]["startLine"] == 1 for place in result["locations"])


def check_gitlab(text, report):
    for issue, finding in zip(json.loads(text), report["findings"], strict=True):
        assert set(issue) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert issue["severity"] == SEVERITIES[finding["severity"]][1]
        assert issue["fingerprint"] == finding["fingerprint"]


def check_markdown(text, report):
    rows = [line for line in text.splitlines() if line.startswith("| <code>")]
    assert len(rows) == len(report["layers"]) and all(row.count("|") == 9 for row in rows)
    tags = set(re.findall(r"<[^ >]*", text))
    assert tags <= {"<code", "</code", "<details", "</details", "<summary", "</summary"}, tags


def failing(report):
    return [parameter for parameter in report["parameters"] if parameter["level"] in ("suspicious", "wrong")]


def check_gradients_html(page, report):
    names = html_names(page)
    assert names.count("svg") == 1 and names.count("article") == len(failing(report))
    assert names.count("tr") == len(report["parameters"]) + 1


def check_gradients_junit(text, report):
    root = xml.etree.ElementTree.fromstring(text)
    cases = list(root.iter("testcase"))
    assert len(cases) == len(report["parameters"]) == int(root.get("tests"))
    for case, parameter in zip(cases, report["parameters"]):
        assert (case.find("failure") is not None) == (parameter in failing(report)), case.get("name")
    assert root.get("failures") == str(len(failing(report)))


def check_gradients_sarif(text, report):
    log = json.loads(text)
    check_schema(log, SARIF)
    run = log["runs"][0]
    layers = {parameter["fingerprint"]: parameter["name"].rpartition(".")[0] for parameter in failing(report)}
    assert len(layers) == len(run["results"]) == len(failing(report))
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert not re.search(r"(?<!\{)\{\d|\]\(", result["message"]["text"])
        place = result["locations"][0]["logicalLocations"][0]
        assert place["name"] == layers[result["partialFingerprints"]["stabilityd/v1"]]


def check_gradients_gitlab(text, report):
    issues = json.loads(text)
    assert {issue["fingerprint"] for issue in issues} == {parameter["fingerprint"] for parameter in failing(report)}
    assert all(set(issue) == {"description", "check_name", "fingerprint", "severity", "location"} for issue in issues)


def check_gradients_markdown(text, report):
    rows = [line for line in text.splitlines() if line.startswith("| <code>")]
    assert len(rows) == len(report["parameters"]) and all(row.count("|") == 9 for row in rows)
    assert set(re.findall(r"<[^ >]*", text)) == {"<code", "</code"}


CHECKS = {"html": check_html, "junit": check_junit, "sarif": check_sarif, "gitlab": check_gitlab,
          "markdown": check_markdown}

GRADIENT_CHECKS = {"html": check_gradients_html, "junit": check_gradients_junit, "sarif": check_gradients_sarif,
                   "gitlab": check_gradients_gitlab, "markdown": check_gradients_markdown}


def check_formats(title, checks, ask):
    """`ask` gives the report in a format."""
    report = json.loads(ask("json"))
    for name, check in checks.items():
        text = ask(name)
        assert name == "sarif" or not UNSEEN.search(text), (title, name)
        check(text, report)
        print(f"{title}: {name}: ok")


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    requests = {path.name: path.read_bytes() for path in sorted(EXAMPLES.glob("*.json"))}
    assert requests
    requests["hostile"] = json.dumps(hostile_request()).encode()
    for title, request in requests.items():
        check_formats(title, CHECKS, lambda name, request=request: write(request, name))
    with Server() as server:
        check_formats("hostile gradients", GRADIENT_CHECKS, lambda name: server.request(
            "POST", "/v1/gradcheck?format=" + name, hostile_check()).body.decode("utf-8"))


if __name__ == "__main__":
    main()
