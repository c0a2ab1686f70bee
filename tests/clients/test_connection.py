#!/usr/bin/env python3
"""How the Python client speaks to a server: tokens, HTTPS, a server that is busy, and what is none.

    test_connection.py STABILITYD
"""
import contextlib
import email.utils
import hashlib
import http.server
import json
import os
import pathlib
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "clients/python"), str(ROOT / "tests/http")]

from support import Server, run_tests  # noqa: E402

from stabilityd import Connection, Report, ServiceError, StabilityError  # noqa: E402

TLS = ROOT / "tests/data/tls"


@contextlib.contextmanager
def environment(**variables):
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


class Answers(http.server.ThreadingHTTPServer):
    """A server that gives these answers, one after another: (status, headers, body)."""

    def __init__(self, *answers):
        self.answers, self.seen = list(answers), []
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path))
        status, headers, body = self.server.answers.pop(0)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


def refusal(function, *arguments):
    try:
        function(*arguments)
    except ServiceError as error:
        return error
    raise AssertionError("it was not refused")


def test_tokens():
    with tempfile.NamedTemporaryFile("w") as tokens:
        tokens.write(f"alice {hashlib.sha256(b'secret').hexdigest()}\n")
        tokens.flush()
        with Server("--tokens", tokens.name) as server:
            for connection in Connection(server.url), Connection(server.url, "wrong"):
                error = refusal(connection.table, "layers")
                assert error.status == 401 and "token= or STABILITYD_TOKEN" in str(error), error
            assert Connection(server.url, "secret").table("layers")
            with environment(STABILITYD_TOKEN="secret", STABILITYD_URL=server.url):
                assert Connection().table("losses")


def test_https():
    with Server("--tls-cert", f"{TLS}/first.pem", "--tls-key", f"{TLS}/first.key") as server:
        url = f"https://localhost:{server.port}"
        error = refusal(Connection(url).table, "layers")
        assert error.status == 0 and "certificate" in str(error), error
        with environment(SSL_CERT_FILE=f"{TLS}/first.pem"):
            assert Connection(url).table("layers")


def test_a_busy_service_is_waited_for():
    soon = email.utils.formatdate(time.time() - 5, usegmt=True)
    busy = [(503, {"Retry-After": "0"}, b"{}"), (429, {"Retry-After": soon}, b"{}"), (200, {}, b'{"layers": []}')]
    with Answers(*busy) as server:
        assert Connection(server.url).table("layers") == {"layers": []}
        assert server.seen == [("GET", "/v1/layers")] * 3
    problem = json.dumps({"detail": "64 requests wait already"}).encode()
    with Answers((503, {"Retry-After": "1000"}, problem), (503, {}, problem), (500, {"Retry-After": "0"}, problem)) as server:
        for status in 503, 503, 500:  # too long to wait, no time to wait for, nothing to wait for
            error = refusal(Connection(server.url).table, "layers")
            assert error.status == status and str(error) == "64 requests wait already", error
        assert len(server.seen) == 3


def test_a_rate_is_kept():
    with Server("--rate", "1") as server:
        assert Connection(server.url).table("layers")
        error = refusal(Connection(server.url, patience=0).table, "losses")
        assert error.status == 429, error


def test_what_is_no_stabilityd():
    with Answers((404, {}, b"<h1>Not here</h1>"), (200, {}, b"<h1>Welcome</h1>")) as server:
        error = refusal(Connection(server.url).table, "layers")
        assert error.status == 404 and "as no stabilityd does" in str(error) and server.url in str(error), error
        assert "is not a stabilityd" in str(refusal(Connection(server.url).table, "layers"))
        closed = server.url
    error = refusal(Connection(closed).table, "layers")
    assert error.status == 0 and closed in str(error) and "STABILITYD_URL" in str(error), error
    for url in "localhost:8080", "ftp://localhost", "http://":
        try:
            Connection(url)
        except ValueError as error:
            assert url in str(error), error
        else:
            raise AssertionError(f"{url} was accepted")


def test_a_saved_report_is_a_baseline():
    with tempfile.TemporaryDirectory() as directory, Server("--store", f"sqlite:{directory}/store.db") as server:
        connection = Connection(server.url)
        request = json.loads((ROOT / "examples/vanishing-sigmoid.json").read_text())
        headers, content = post(connection, request, save="main")
        data, identity = json.loads(content), headers["Location"].rpartition("/")[2]
        known = [finding["fingerprint"] for finding in connection.report(identity)["findings"]]
        assert Report(data, str).at_least("error") and not Report(data, str, known=known).at_least("info")
        Report(data, str, known=known).raise_if("info")


def post(connection, request, **query):
    _, headers, content = connection.send("POST", "/v1/diagnose", json.dumps(request).encode(), {"Content-Type": "application/json"}, **query)
    return headers, content


def test_reports_show_themselves():
    with Server() as server:
        connection = Connection(server.url)
        request = json.loads((ROOT / "examples/vanishing-sigmoid.json").read_text())
        data = json.loads(post(connection, request)[1])
        report = Report(data, lambda format: post(connection, request, format=format)[1].decode())
        assert repr(report) == "<stabilityd.Report unstable: 1 error, 3 warnings, loss 2.345>", report
        assert report.table().startswith("verdict        UNSTABLE: 1 error, 3 warnings\n")
        html = report._repr_html_()
        assert html.startswith('<iframe srcdoc="&lt;!') or html.startswith('<iframe srcdoc="<!'), html[:80]
        assert html.count('"') == 6 and "&quot;" in html, "what is in the frame must not end its attribute"
        assert [finding["rule"] for finding in report.findings][0] == "vanishing-gradient" and report.layers["fc1"]["type"] == "Linear"
        try:
            report.raise_if("error")
        except StabilityError as error:
            assert str(error).startswith("1 finding of severity error or worse:\n  error vanishing-gradient in fc1, act1, fc2 and 15 more layers: "), error
        else:
            raise AssertionError("an error was not raised")
        text = Report({**data, "summary": {**data["summary"], "loss": "NaN"}}, str)
        assert text.loss != text.loss and "loss nan" in repr(text)


if __name__ == "__main__":
    run_tests(globals())
