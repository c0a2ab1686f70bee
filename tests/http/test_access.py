#!/usr/bin/env python3
"""Who is let in: tokens, rates, TLS."""
import hashlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

from support import PATIENCE, Server, assert_problem, model, request, run_tests, slow_model, wait_until

DIAGNOSE = "/v1/diagnose"
TLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "tls")


class File:
    """A file that goes with its test."""

    def __init__(self, text=""):
        self.file = tempfile.NamedTemporaryFile("w")
        self.path = self.file.name
        self.write(text)

    def write(self, text):
        self.file.seek(0)
        self.file.truncate()
        self.file.write(text)
        self.file.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()


def line(name, token, *rest):
    return " ".join([name, hashlib.sha256(token.encode()).hexdigest(), *map(str, rest)]) + "\n"


def ask(server, token=None, target="/v1/layers", **options):
    headers = {} if token is None else {"Authorization": token}
    return server.exchange(request("GET", target, **headers), **options)


def assert_refused(response, error):
    assert_problem(response, 401, "unauthorized")
    assert response.headers["www-authenticate"] == 'Bearer realm="stabilityd"' + error, response


def test_tokens():
    with File("# who may\n\n" + line("alice", "secret-1") + line("bob", "zwölf") + line("carol", "x" * 300, 1000)) as tokens, \
            Server("--tokens", tokens.path) as server:
        for token in "Bearer secret-1", "bearer secret-1", "BEARER   secret-1", "Bearer " + "x" * 300:
            assert ask(server, token).status == 200, token
        assert server.exchange(request("GET", "/v1/layers", Authorization="Bearer zw\xc3\xb6lf")).status == 200
        assert_refused(ask(server), "")
        wrong = ', error="invalid_token"'
        for token in ("Bearer secret-2", "Bearer secret-1x", "Bearer secret-", "Bearer ", "Bearer", "Basic secret-1", "secret-1",
                      "Bearer " + hashlib.sha256(b"secret-1").hexdigest(), "Bearer secret-1, Bearer secret-1", "Bearer alice"):
            assert_refused(ask(server, token), wrong)
        assert_refused(server.exchange(b"GET /v1/layers HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer secret-1\r\n"
                                       b"Authorization: Bearer secret-1\r\n\r\n"), wrong)
        for target in "/livez", "/readyz":
            assert ask(server, target=target).status == 200
        assert_problem(ask(server, target="/nowhere"), 404, "not-found")
        assert_refused(server.request("POST", DIAGNOSE, model()), "")
        assert server.request("POST", DIAGNOSE, model(), Authorization="Bearer secret-1").status == 200
        assert server.stop() == 0
        assert {entry.get("token") for entry in server.log if entry.get("status") == 200} == {"alice", "bob", "carol", None}
        assert "secret" not in str(server.log)


def test_refusal_before_the_body():
    """Whoever has no token sends no body: the answer comes at once, and the connection goes on."""
    with File(line("alice", "secret")) as tokens, Server("--tokens", tokens.path) as server, server.connect() as connection:
        connection.send(request("POST", DIAGNOSE, Content_Length=1000000, Expect="100-continue"))
        assert_refused(connection.response(interim=True), "")
        with server.connect() as other:
            for _ in range(3):
                other.send(request("GET", "/v1/layers"))
                assert_refused(other.response(), "")
            other.send(request("GET", "/v1/layers", Authorization="Bearer secret"))
            assert other.response().status == 200


def test_reload():
    with File(line("alice", "one")) as tokens, Server("--tokens", tokens.path) as server:
        assert ask(server, "Bearer one").status == 200
        tokens.write(line("alice", "two"))
        assert ask(server, "Bearer one").status == 200
        server.signal(signal.SIGHUP)
        wait_until(lambda: ask(server, "Bearer two").status == 200)
        assert ask(server, "Bearer one").status == 401
        tokens.write("alice 123\n")
        server.signal(signal.SIGHUP)
        wait_until(lambda: "line 1: behind the name" in server.read_log())
        assert ask(server, "Bearer two").status == 200


def test_reload_under_load():
    with File(line("alice", "one")) as tokens, Server("--tokens", tokens.path) as server:
        statuses = set()

        def client():
            with server.connect() as connection:
                for _ in range(300):
                    connection.send(request("GET", "/v1/limits", Authorization="Bearer one"))
                    statuses.add(connection.response().status)

        threads = [threading.Thread(target=client) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(50):
            server.signal(signal.SIGHUP)
            server.request("GET", "/livez")
        for thread in threads:
            thread.join()
        assert statuses == {200}, statuses


def test_bad_token_files():
    good = line("alice", "one")
    for text, complaint in [
            ("", "holds no token"), ("# nobody\n", "holds no token"), ("alice\n", "line 1: behind the name"),
            (good + "bob 12\n", "line 2: behind the name"), (good + good, "line 2: a token of that name"),
            (good + line("bob", "one"), "line 2: the same token"), (line("a b", "one"), "line 1"),
            (line("al/ice", "one"), "line 1: a token's name"), (line("alice", "one", 0), "requests a minute"),
            (line("alice", "one", -5), "requests a minute"), (line("alice", "one", "x"), "requests a minute"),
            (line("alice", "one", 5, 5), "nothing more"), ("a" * 2000, "too long")]:
        with File(text) as tokens:
            result = serve("--tokens", tokens.path)
            assert result.returncode == 2 and complaint in result.stderr, (text, result)
    result = serve("--tokens", "/nowhere/tokens")
    assert result.returncode == 2 and "/nowhere/tokens cannot be read: No such file" in result.stderr, result


def serve(*options):
    """A server that is not to start."""
    return subprocess.run([sys.argv[1], "serve", "--port", "0", *options], capture_output=True, text=True, timeout=PATIENCE,
                          check=False)


def test_addresses_that_are_not_loopback():
    with File(line("alice", "one")) as tokens:
        with Server("--bind", "0.0.0.0", "--tokens", tokens.path) as server:
            assert ask(server).status == 401
            assert ask(server, "Bearer one").status == 200
    with Server("--bind", "0.0.0.0", "--insecure") as server:
        assert ask(server).status == 200
    result = serve("--bind", "0.0.0.0")
    assert result.returncode == 2 and "--tokens" in result.stderr and "--insecure" in result.stderr, result


def test_rate_of_a_token():
    with File(line("alice", "one", 5) + line("bob", "two")) as tokens, Server("--tokens", tokens.path) as server:
        started = time.monotonic()
        for _ in range(5):
            assert ask(server, "Bearer one").status == 200
        for _ in range(10):
            response = ask(server, "Bearer one")
            if time.monotonic() - started > 10:
                return  # a machine this slow tells nothing
            assert_problem(response, 429, "too-many-requests", "5 times a minute")
            assert 1 <= int(response.headers["retry-after"]) <= 12, response
        for _ in range(20):
            assert ask(server, "Bearer two").status == 200
        server.signal(signal.SIGHUP)
        assert ask(server, "Bearer one").status in (200, 429)


def test_rate_of_an_address():
    with Server("--rate", "3") as server:
        for _ in range(3):
            assert ask(server).status == 200
        response = ask(server)
        assert_problem(response, 429, "too-many-requests", "an address")
        assert 1 <= int(response.headers["retry-after"]) <= 20, response
        for _ in range(10):
            server.assert_alive()
        with socket.socket() as other:
            other.bind(("127.0.0.2", 0))
            other.connect(("127.0.0.1", server.port))
            other.sendall(request("GET", "/v1/limits", Connection="close"))
            assert other.recv(100).startswith(b"HTTP/1.1 200 ")


def trust(name):
    return ssl.create_default_context(cafile=f"{TLS}/{name}.pem")


def secure(name="first"):
    return "--tls-cert", f"{TLS}/{name}.pem", "--tls-key", f"{TLS}/{name}.key"


def test_tls():
    context = trust("first")
    plain = Server()
    expected = plain.request("POST", DIAGNOSE, model()).body
    assert plain.stop() == 0
    with Server(*secure()) as server, server.connect(context=context) as connection:
        for _ in range(5):
            connection.send(request("POST", DIAGNOSE, model()))
            response = connection.response()
            assert response.status == 200 and response.body == expected, response
        connection.send(request("POST", DIAGNOSE, b" " * (3 << 20)))
        assert_problem(connection.response(), 400, "invalid-json")
        connection.send(request("POST", DIAGNOSE, model())[:-5])
        assert connection.socket.version() in ("TLSv1.2", "TLSv1.3")
        result = subprocess.run([sys.argv[1], "healthcheck", "--port", str(server.port), "--tls-cert", f"{TLS}/first.pem"],
                                check=False)
        assert result.returncode == 0
        for garbage in b"GET /livez HTTP/1.1\r\nHost: t\r\n\r\n", b"\x16\x03\x01\xff\xff", b"":
            with server.connect() as other:
                try:
                    other.send(garbage)
                    other.finish_sending()
                except OSError:
                    pass  # it has closed the connection already
                assert b"HTTP" not in other.read_all()
        assert server.exchange(request("GET", "/livez"), context=context).status == 200


def test_tls_answers_past_the_library():
    """A refusal while the body is arriving, and the probe of a client that closed its side, are encrypted too."""
    context = trust("first")
    with Server("--max-body", "100000", "--timeout", "3", *secure()) as server:
        with server.connect(context=context) as connection:
            connection.send(request("POST", DIAGNOSE, Transfer_Encoding="chunked"))
            connection.send(b"20000\r\n" + b" " * 0x20000 + b"\r\n")
            assert_problem(connection.response(), 413, "body-too-large")
        with server.connect(context=context) as connection:
            connection.send(request("POST", DIAGNOSE, Content_Length=100) + b"{")
            assert_problem(connection.response(), 408, "body-timeout")
    with Server(*secure()) as server, server.connect(context=context) as connection:
        connection.send(request("POST", DIAGNOSE, slow_model()))
        socket.socket.shutdown(connection.socket, socket.SHUT_WR)
        response = connection.response()
        assert response is not None and response.status == 200, response


def test_refusal_of_a_large_body_without_a_token():
    """A client that sends 50 MB before it reads is told why they were for nothing, over TLS too."""
    for options, context in ((), None), (secure(), trust("first")):
        with File(line("alice", "secret")) as tokens, Server("--tokens", tokens.path, *options) as server:
            client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
            if context is not None:
                client = http.client.HTTPSConnection("localhost", server.port, timeout=PATIENCE, context=context)
            client.request("POST", DIAGNOSE, b" " * (50 << 20))
            response = client.getresponse()
            assert response.status == 401 and json.loads(response.read())["code"] == "unauthorized", response
            client.close()


def test_tls_reload():
    with tempfile.TemporaryDirectory() as directory:
        def use(name):
            for kind in "pem", "key":
                with open(f"{TLS}/{name}.{kind}", encoding="ascii") as source, \
                        open(f"{directory}/new", "w", encoding="ascii") as target:
                    target.write(source.read())
                os.replace(f"{directory}/new", f"{directory}/{kind}")

        def trusted(name):
            try:
                return server.exchange(request("GET", "/livez"), context=trust(name)).status == 200
            except ssl.SSLCertVerificationError:
                return False

        use("first")
        with Server("--tls-cert", f"{directory}/pem", "--tls-key", f"{directory}/key") as server:
            assert trusted("first") and not trusted("second")
            with server.connect(context=trust("first")) as old:
                use("second")
                server.signal(signal.SIGHUP)
                wait_until(lambda: trusted("second"))
                old.send(request("GET", "/livez"))
                assert old.response().status == 200
            with open(f"{directory}/key", "w", encoding="ascii") as key:
                key.write("no key")
            server.signal(signal.SIGHUP)
            wait_until(lambda: "cannot be read" in server.read_log())
            assert trusted("second")


def test_bad_certificates():
    for options, complaint in [
            (("--tls-cert", f"{TLS}/first.pem"), "both --tls-cert and --tls-key"),
            (("--tls-key", f"{TLS}/first.key"), "both --tls-cert and --tls-key"),
            (("--tls-cert", f"{TLS}/first.pem", "--tls-key", f"{TLS}/second.key"), "does not belong"),
            (("--tls-cert", f"{TLS}/first.key", "--tls-key", f"{TLS}/first.key"), "cannot be read"),
            (("--tls-cert", "/nowhere", "--tls-key", "/nowhere"), "/nowhere cannot be read")]:
        result = serve(*options)
        assert result.returncode == 2 and complaint in result.stderr, (options, result)


run_tests(globals())
