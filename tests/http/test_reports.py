#!/usr/bin/env python3
"""Saved reports and baselines: ?save, GET /v1/reports, ?baseline, `check --baseline`."""
import json
import os
import subprocess
import sys
import tempfile
import urllib.parse

from jobs import state, submit, wait_for
from support import Server, assert_problem, model, run_tests

DIAGNOSE = "/v1/diagnose"
FORMATS = ("json", "text", "markdown", "html", "sarif", "junit", "gitlab")
NO_REPORT = "0" * 32


def sigmoids(count, name="sigmoids"):
    """Gradients vanish in the first of many sigmoids; fewer have fewer findings."""
    layers = [{"name": f"act{i}", "type": "Sigmoid"} for i in range(count)]
    return {"model": {"name": name, "layers": layers, "loss": {"type": "MSELoss"}},
            "data": {name: {"random": "normal", "shape": [8, 16]} for name in ("input", "target")}}


def save(server, body, name="a name", query="", path=DIAGNOSE):
    response = server.request("POST", f"{path}?save={urllib.parse.quote(name)}{query}", body)
    assert response.status in (200, 412), response
    return response, response.headers["location"].removeprefix("/v1/reports/")


def listed(server, query=""):
    response = server.request("GET", "/v1/reports" + query)
    assert response.status == 200, response
    return response.json()


def test_a_saved_report_reads_as_it_did():
    with Server() as server:
        first, report = save(server, sigmoids(30))
        assert first.body == server.request("POST", DIAGNOSE, sigmoids(30)).body
        for name in FORMATS:
            now = server.request("POST", f"{DIAGNOSE}?format={name}", sigmoids(30))
            later = server.request("GET", f"/v1/reports/{report}?format={name}")
            assert later.status == 200 and later.body == now.body, (name, later)
            assert later.headers["content-type"] == now.headers["content-type"], name
        assert server.request("GET", f"/v1/reports/{report}").body == first.body
        assert server.request("GET", f"/v1/reports/{report}", Accept="text/plain").body.startswith(b"verdict")
        assert server.request("GET", f"/v1/reports/{report}?fail_on=error").status == 412
        assert server.request("GET", f"/v1/reports/{report}?fail_on=error&baseline={report}").status == 200
        text, other = save(server, sigmoids(30), query="&format=text&fail_on=error")
        assert text.status == 412 and text.body.startswith(b"verdict") and other != report, text
        assert server.request("GET", f"/v1/reports/{other}").body == first.body


def test_unknown_reports():
    with Server() as server:
        for name in NO_REPORT, "x", "0" * 500:
            for method in "GET", "DELETE":
                assert_problem(server.request(method, "/v1/reports/" + name), 404, "not-found", "no saved report")
        assert server.request("POST", "/v1/reports/" + NO_REPORT, "").headers["allow"] == "GET, HEAD, DELETE"


def test_what_fails_is_not_saved():
    with Server() as server:
        response = server.request("POST", DIAGNOSE + "?save=x", {"model": {}})
        assert response.status == 422 and "location" not in response.headers, response
        assert listed(server) == {"reports": [], "next": None}


def test_gradient_checks_are_saved():
    body = model()
    body["options"] = {"precision": "float64"}
    body["gradients"] = {"fc.bias": [1, 2, 3]}
    with Server() as server:
        first, report = save(server, body, path="/v1/gradcheck", query="&fail_on=error")
        assert first.status == 412, first
        assert server.request("GET", f"/v1/reports/{report}").body == first.body
        assert server.request("GET", f"/v1/reports/{report}?fail_on=info").status == 412
        for name in FORMATS:
            now = server.request("POST", "/v1/gradcheck?format=" + name, body)
            later = server.request("GET", f"/v1/reports/{report}?format={name}")
            assert now.status == later.status == 200 and later.body == now.body, (name, later)
        entry = listed(server)["reports"][0]
        assert entry["kind"] == "gradcheck" and entry["verdict"] == "fail", entry
        assert_problem(server.request("POST", f"{DIAGNOSE}?baseline={report}", model()), 422, "unknown-baseline",
                       "gradient check")


def test_thresholds():
    """A report says which thresholds the request set, and its charts show them, now and when it was saved."""
    body = model()
    body["options"] = {"thresholds": {"vanishing-gradient": 1e-9, "exploding-gradient": {"gradient_norm": 1e6}}}
    with Server() as server:
        first, report = save(server, body)
        assert first.json()["thresholds"] == {"vanishing-gradient": {"gradient_norm": 1e-9},
                                              "exploding-gradient": {"gradient_norm": 1e6}}, first
        page = server.request("GET", f"/v1/reports/{report}?format=html").body
        assert b">acceptable: 1e-09 to 1000000</text>" in page


def test_list():
    with Server() as server:
        saved = [save(server, model("a" if i % 2 else "b\N{EURO SIGN}"), f"run {i % 3}")[1] for i in range(7)]
        nameless = model()
        del nameless["model"]["name"]
        saved.append(save(server, nameless, "last")[1])
        everything = listed(server)
        assert [entry["id"] for entry in everything["reports"]] == saved[::-1], everything
        assert everything["next"] is None
        newest = everything["reports"][0]
        assert newest == {"id": saved[7], "name": "last", "kind": "diagnose", "model": None,
                          "verdict": newest["verdict"], "created": newest["created"]}, newest
        ids = [entry["id"] for entry in listed(server, "?model=a")["reports"]]
        assert ids == saved[5::-2], ids
        ids = [entry["id"] for entry in listed(server, "?model=b%E2%82%AC&name=run+0")["reports"]]
        assert ids == [saved[6], saved[0]], ids
        assert listed(server, "?name=nothing") == {"reports": [], "next": None}
        pages, after = [], ""
        while after is not None:
            page = listed(server, f"?limit=3{after and '&after=' + after}")
            pages.append([entry["id"] for entry in page["reports"]])
            after = page["next"]
        assert pages == [saved[:4:-1], saved[4:1:-1], saved[1::-1]], pages
        assert [entry["id"] for entry in listed(server, "?limit=8")["reports"]] == saved[::-1]
        assert listed(server, "?limit=8")["next"] is None


def test_names():
    with Server() as server:
        for name in "a", "x" * 128, "\N{EURO SIGN}" * 128, "<b>\"'&%\\", "../../etc/passwd", "'; DROP TABLE x; --":
            _, report = save(server, model(), name)
            entry = listed(server, "?name=" + urllib.parse.quote(name, safe=""))["reports"][0]
            assert entry["id"] == report and entry["name"] == name, entry
        for name in "", "x" * 129, "%0A", "%C3%28", "%7F":
            assert_problem(server.request("POST", f"{DIAGNOSE}?save={name}", model()), 400, "invalid-parameter", "save")


def test_baseline():
    with Server() as server:
        old, report = save(server, sigmoids(30))
        query = f"?fail_on=info&baseline={report}"
        assert server.request("POST", DIAGNOSE + "?fail_on=info", sigmoids(30)).status == 412
        same = server.request("POST", DIAGNOSE + query, sigmoids(30))
        count = len(old.json()["findings"])
        assert same.status == 200, same
        assert same.json()["baseline"] == {"new": {"error": 0, "warning": 0, "info": 0}, "known": count}, same
        assert {**same.json(), "baseline": None} == {**old.json(), "baseline": None}
        # Other layers are named by the findings of another model: they are new.
        worse = server.request("POST", DIAGNOSE + query, sigmoids(40))
        told = worse.json()["baseline"]
        fingerprints = {finding["fingerprint"] for finding in old.json()["findings"]}
        new = [finding for finding in worse.json()["findings"] if finding["fingerprint"] not in fingerprints]
        assert worse.status == 412 and new, told
        for severity in "error", "warning", "info":
            assert told["new"][severity] == sum(finding["severity"] == severity for finding in new), told
        assert told["known"] == len(worse.json()["findings"]) - len(new), told
        text = server.request("POST", DIAGNOSE + query + "&format=text", sigmoids(30))
        assert text.status == 200 and b" (0 new)\n" in text.body and b"known error: vanishing-gradient" in text.body
        junit = server.request("POST", DIAGNOSE + query + "&format=junit", sigmoids(30))
        assert junit.status == 200 and b"<failure" not in junit.body
        both, saved = save(server, sigmoids(40), query=f"&baseline={report}")
        assert server.request("GET", "/v1/reports/" + saved).body == both.body
        for unknown in NO_REPORT, "x":
            response = server.request("POST", f"{DIAGNOSE}?baseline={unknown}", sigmoids(30))
            assert_problem(response, 422, "unknown-baseline", unknown)
            response = server.request("POST", f"{DIAGNOSE}?baseline={unknown}", sigmoids(30), Prefer="respond-async")
            assert_problem(response, 422, "unknown-baseline", unknown)


def test_jobs_save_and_compare():
    with Server() as server:
        job = submit(server, sigmoids(30), f"{DIAGNOSE}?save=by+a+job")
        view = wait_for(server, job)
        report = view["report"].removeprefix("/v1/reports/")
        assert [entry["id"] for entry in listed(server)["reports"]] == [report]
        assert listed(server)["reports"][0]["name"] == "by a job"
        result = server.request("GET", job + "/result")
        assert result.headers["location"] == view["report"], result
        assert server.request("GET", view["report"]).body == result.body
        job = submit(server, sigmoids(30), f"{DIAGNOSE}?fail_on=info&baseline={report}")
        wait_for(server, job)
        result = server.request("GET", job + "/result")
        assert result.status == 200 and result.json()["baseline"]["new"]["error"] == 0, result
        assert "report" not in state(server, job)


def test_reports_outlive_the_server():
    with tempfile.TemporaryDirectory() as directory:
        options = "--store", f"sqlite:{directory}/store.db"
        with Server(*options) as server:
            first, report = save(server, model())
        with Server(environment={"STABILITYD_STORE": options[1]}) as server:
            assert server.request("GET", "/v1/reports/" + report).body == first.body


def check(directory, body, *options):
    path = os.path.join(directory, "request.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(body, file)
    return subprocess.run([sys.argv[1], "check", path, *options], capture_output=True, text=True, check=False)


def test_check_with_a_baseline():
    with tempfile.TemporaryDirectory() as directory:
        baseline = os.path.join(directory, "baseline.json")
        first = check(directory, sigmoids(30), "--format", "json")
        assert first.returncode == 1, first
        with open(baseline, "w", encoding="utf-8") as file:
            file.write(first.stdout)
        same = check(directory, sigmoids(30), "--format", "json", "--fail-on", "info", "--baseline", baseline)
        assert same.returncode == 0 and json.loads(same.stdout)["baseline"]["known"] > 0, same
        assert check(directory, sigmoids(40), "--fail-on", "info", "--baseline", baseline).returncode == 1
        for text, message in (("{", "is not JSON"), ("{}", "no verdict and findings"), ("[]", "no verdict"), ("", "not JSON"),
                              ('{"verdict":"stable","findings":[{}]}', "finding number 1"),
                              ('{"verdict":"pass","parameters":[]}', "gradient check")):
            with open(baseline, "w", encoding="utf-8") as file:
                file.write(text)
            broken = check(directory, sigmoids(30), "--baseline", baseline)
            assert broken.returncode == 2 and message in broken.stderr and baseline in broken.stderr, broken
        gone = check(directory, sigmoids(30), "--baseline", baseline + ".gone")
        assert gone.returncode == 2 and "cannot be opened" in gone.stderr, gone


if __name__ == "__main__":
    run_tests(globals())
