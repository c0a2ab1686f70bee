#!/usr/bin/env python3
"""GET /metrics, the log, and what responses tell of themselves."""
import os
import re
import sys

from support import Server, endless_model, model, request, run_tests, wait_until

sys.path.append("/usr/lib/python3/dist-packages")  # where Debian has it, whichever python3 comes first
from prometheus_client.parser import text_string_to_metric_families  # noqa: E402

DIAGNOSE = "/v1/diagnose"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def scrape(server):
    """{name: {labels: value}} of every sample, the labels a sorted tuple of pairs."""
    response = server.request("GET", "/metrics")
    assert response.status == 200, response
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8", response
    text = response.body.decode()
    samples = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation and family.type in ("counter", "gauge", "histogram"), family
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            assert labels not in samples.setdefault(sample.name, {}), sample
            samples[sample.name][labels] = sample.value
    return samples, text


def settled(server):
    """The samples once everything but the scrape itself is over: a request is counted after its answer has gone."""
    scrapes = []

    def is_settled():
        scrapes.append(scrape(server)[0])
        return value(scrapes[-1], "stabilityd_http_requests_in_progress") == 1

    wait_until(is_settled)
    return scrapes[-1]


def value(samples, name, **labels):
    return samples.get(name, {}).get(tuple(sorted(labels.items())), 0)


def vanishing():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples", "vanishing-sigmoid.json")
    with open(path, "rb") as file:
        return file.read()


def test_counts():
    with Server("--threads", "2", "--memory", "1G") as server:
        for _ in range(3):
            assert server.request("POST", DIAGNOSE, model()).status == 200
        body = vanishing()
        report = server.request("POST", DIAGNOSE, body)
        assert server.request("POST", DIAGNOSE, b"{").status == 400
        assert server.request("GET", "/nowhere").status == 404
        assert server.request("HEAD", "/v1/limits").status == 200
        assert server.request("BREW", "/v1/limits").status == 405
        samples = settled(server)
        count = "stabilityd_http_requests_total"
        assert value(samples, count, route=DIAGNOSE, method="POST", status="200") == 4
        assert value(samples, count, route=DIAGNOSE, method="POST", status="400") == 1
        assert value(samples, count, route="other", method="GET", status="404") == 1
        assert value(samples, count, route="/v1/limits", method="HEAD", status="200") == 1
        assert value(samples, count, route="other", method="other", status="405") == 1
        duration = "stabilityd_http_request_duration_seconds"
        assert value(samples, duration + "_count", route=DIAGNOSE, method="POST") == 5
        assert value(samples, duration + "_bucket", route=DIAGNOSE, method="POST", le="+Inf") == 5
        assert 0 < value(samples, duration + "_sum", route=DIAGNOSE, method="POST") < 600
        assert value(samples, "stabilityd_queue_wait_seconds_count") == 5
        assert value(samples, "stabilityd_diagnosis_duration_seconds_count") == 4
        assert value(samples, "stabilityd_http_request_body_bytes_total") >= len(body)
        assert value(samples, "stabilityd_http_response_body_bytes_total") >= len(report.body)
        assert value(samples, "stabilityd_work_operations_total") > 1e6
        assert value(samples, "stabilityd_http_requests_in_progress") == 1
        assert value(samples, "stabilityd_memory_limit_bytes") == 2 ** 30
        assert value(samples, "stabilityd_compute_threads") == 2
        assert value(samples, "process_resident_memory_bytes") > 1e6
        assert value(samples, "process_open_fds") > 3 and value(samples, "process_max_fds") > 3
        assert value(samples, "process_start_time_seconds") > 1.6e9
        found = {}
        for finding in report.json()["findings"]:
            found[finding["rule"], finding["severity"]] = found.get((finding["rule"], finding["severity"]), 0) + 1
        for (rule, severity), expected in found.items():
            assert value(samples, "stabilityd_findings_total", rule=rule, severity=severity) >= expected, rule
        assert ("vanishing-gradient", "error") in found


def test_naming():
    """The rules of the format and of naming that the parser does not check."""
    with Server() as server:
        server.request("POST", DIAGNOSE, vanishing())
        samples, text = scrape(server)
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    helps = re.findall(r"^# HELP (\S+) \S", text, re.M)
    assert sorted(types) == sorted(helps) and len(helps) == len(set(helps))
    assert text.endswith("\n") and "\n\n" not in text and "\r" not in text
    for name, kind in types.items():
        assert re.fullmatch(r"(stabilityd|process)_[a-z0-9_]+", name), name
        assert (kind == "counter") == name.endswith("_total"), name
        assert kind != "histogram" or name.endswith("_seconds"), name
        assert not re.search(r"milli|micro|_ms\b|_kb\b|percent", name), name
    position = -1
    for line in text.splitlines():
        if line.startswith("# HELP"):
            family = line.split()[2]
            assert text.index(line) > position
        elif not line.startswith("#"):
            assert line.startswith(family), line
    for name, series in samples.items():
        if not name.endswith("_bucket"):
            continue
        groups = {}
        for labels, count in series.items():
            rest = tuple(pair for pair in labels if pair[0] != "le")
            groups.setdefault(rest, []).append((float(dict(labels)["le"]), count))
        for rest, buckets in groups.items():
            counts = [count for _, count in sorted(buckets)]
            assert counts == sorted(counts) and max(buckets)[0] == float("inf")
            assert samples[name[:-len("bucket")] + "count"][rest] == counts[-1]


def test_gauges_of_work():
    with Server("--threads", "1") as server, server.connect() as first, server.connect() as second:
        for connection in first, second:
            connection.send(request("POST", DIAGNOSE, endless_model()))
        wait_until(lambda: value(scrape(server)[0], "stabilityd_queue_depth") == 1)
        wait_until(lambda: value(scrape(server)[0], "stabilityd_http_requests_in_progress") == 3)
        samples, _ = scrape(server)
        assert value(samples, "stabilityd_work_in_progress") == 1
        assert value(samples, "stabilityd_memory_reserved_bytes") > 0
        first.socket.close()
        second.socket.close()
        wait_until(lambda: value(scrape(server)[0], "stabilityd_http_requests_in_progress") == 1)
        for name in "queue_depth", "work_in_progress", "memory_reserved_bytes":
            wait_until(lambda name=name: value(scrape(server)[0], "stabilityd_" + name) == 0)


def test_hostile_labels():
    """Nothing that a client sends becomes a label."""
    with Server() as server:
        server.request("GET", "/%22%7D%0Aevil_total%201")
        server.request('G"ET', "/v1/limits")
        server.exchange(b'X{}" /livez HTTP/1.1\r\nHost: t\r\n\r\n')
        _, text = scrape(server)
        assert "evil" not in text and '\\"' not in text


def test_log_line():
    with Server() as server:
        server.request("POST", DIAGNOSE + "?format=text", model(), X_Request_Id="mine", traceparent=TRACE)
        assert server.stop() == 0
        line = next(line for line in server.log if line["message"] == "request")
        assert line["request_id"] == "mine" and line["trace_id"] == TRACE.split("-")[1], line
        assert line["method"] == "POST" and line["route"] == DIAGNOSE and line["target"] == DIAGNOSE + "?format=text", line
        assert line["status"] == 200 and line["client"] == "127.0.0.1" and line["level"] == "info", line
        assert line["received"] > 100 and line["sent"] > 100, line
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]), line
        for phase in "queue", "parse", "compute", "format", "total":
            assert 0 <= line[phase + "_seconds"] <= line["seconds"] + 1e-5, line


def test_log_levels():
    for level, lines in ("info", 3), ("warning", 0), ("error", 0):
        with Server("--log-level", level) as server:
            assert server.request("GET", "/livez").status == 200
            assert server.stop() == 0
            assert len(server.log) == lines, (level, server.log)


def test_trace():
    with Server() as server:
        assert server.request("GET", "/livez", traceparent=TRACE).headers["traceparent"] == TRACE
        for bad in ("", "x", TRACE[:-1], TRACE + "0", TRACE.upper(), "01" + TRACE[2:], "ff" + TRACE[2:], TRACE.replace("-", "_"),
                    "00-" + "0" * 32 + TRACE[35:], TRACE[:36] + "0" * 16 + "-01"):
            assert "traceparent" not in server.request("GET", "/livez", traceparent=bad).headers, bad
        assert "traceparent" not in server.request("GET", "/livez").headers


def test_server_timing():
    with Server() as server:
        timing = server.request("POST", DIAGNOSE, model()).headers["server-timing"]
        names = [re.fullmatch(r"([a-z]+);dur=\d+\.\d{3}", item).group(1) for item in timing.split(", ")]
        assert names == ["body", "queue", "parse", "compute", "format", "total"], timing


def test_browser_headers():
    with Server() as server:
        page = server.request("POST", DIAGNOSE + "?format=html", model()).headers
        assert page["content-type"].startswith("text/html")
        policy = page["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "script" not in policy, policy
        assert page["x-frame-options"] == "DENY" and page["referrer-policy"] == "no-referrer"
        for target in "/livez", "/v1/layers", "/nowhere", "/metrics":
            response = server.request("GET", target, Origin="https://evil.example")
            assert response.headers["x-content-type-options"] == "nosniff", response
            assert not [name for name in response.headers if name.startswith("access-control")], response
        assert page["x-content-type-options"] == "nosniff"


run_tests(globals())
