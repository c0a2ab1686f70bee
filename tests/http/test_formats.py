#!/usr/bin/env python3
"""Every format of every example's report, and of a request that is named to break them, read by real parsers.

  tests/http/test_formats.py STABILITYD
"""
import html.parser
import json
import re
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
HOSTILE = ["<script>alert(1)</script>", "it's \"quoted\" & &amp; ]]> --> <!--", "</style></title></svg>",
           "a\\|b | `c` *d* @team {0} [i](http://example.com)", "\x01\x1b[31m\x7f\n\t\r\u202e\u0080\ufffe",
           "\U0001F600\U0001D49C" * 64]
# What no reader shows as it is; only SARIF's logical locations keep names to the letter.
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ufffe]")
SEVERITIES = {"error": ("error", "critical"), "warning": ("warning", "major"), "info": ("note", "info")}


def hostile_request():
    layers = [{"name": name, "type": "Linear", "in_features": 4, "out_features": 4} for name in HOSTILE]
    data = {name: {"random": "normal", "shape": [8, 4]} for name in ("input", "target")}
    return {"model": {"name": "".join(HOSTILE), "layers": layers, "loss": {"type": "MSELoss"}}, "data": data,
            "weights": {}, "options": {"init": {"weight": {"init": "constant_", "val": 1e4}}}}


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


def check_html(page, report):
    """The same tree in both syntaxes: what one parser takes for text, the other does not take for a tag."""
    tags = [(tag.lower(), {key.lower(): value for key, value in attributes.items()})
            for tag, attributes in tags_as_xml(page)]
    assert tags == Tags(page).found
    names = [tag for tag, _ in tags]
    assert "script" not in names and names.count("svg") >= 2
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


def check_sarif(text, report):
    log = json.loads(text)
    assert log["version"] == "2.1.0" and len(log["runs"]) == 1
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


CHECKS = {"html": check_html, "junit": check_junit, "sarif": check_sarif, "gitlab": check_gitlab,
          "markdown": check_markdown}


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    requests = {path.name: path.read_bytes() for path in sorted(EXAMPLES.glob("*.json"))}
    assert requests
    requests["hostile"] = json.dumps(hostile_request()).encode()
    for title, request in requests.items():
        report = json.loads(write(request, "json"))
        for name, check in CHECKS.items():
            text = write(request, name)
            assert name == "sarif" or not UNSEEN.search(text), (title, name)
            check(text, report)
            print(f"{title}: {name}: ok")


if __name__ == "__main__":
    main()
