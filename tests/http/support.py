"""What the HTTP tests share: a running server, requests over raw sockets, and a run of all test functions."""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

import contract

# Seconds that nothing takes, unless it hangs; the server may run under valgrind.
PATIENCE = 120


class Response:
    """One response: `status`, `headers` (lower-case names), `body` as bytes."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:600]!r}"


class Connection:
    """A socket to the server, and what was read from it."""

    def __init__(self, server, timeout=PATIENCE, context=None):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", server.port))
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.unread = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def finish_sending(self):
        self.socket.shutdown(socket.SHUT_WR)

    def read_more(self):
        """Reads what is there; False at the end of the stream, a reset included."""
        try:
            piece = self.socket.recv(65536)
        except ConnectionResetError:
            return False
        self.unread += piece
        return bool(piece)

    def read_header(self):
        while b"\r\n\r\n" not in self.unread:
            if not self.read_more():
                return None
        head, _, self.unread = self.unread.partition(b"\r\n\r\n")
        return head.decode("latin-1").split("\r\n")

    def response(self, head=False, interim=False):
        """The next response, interim ones skipped unless asked for; None where the connection ends before it."""
        lines = self.read_header()
        while lines and not interim and re.match(r"HTTP/1\.1 1\d\d ", lines[0]):
            lines = self.read_header()
        if not lines:
            return None
        status = int(lines[0].split()[1])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        length = 0 if head or status < 200 or status == 204 else int(headers["content-length"])
        while len(self.unread) < length:
            if not self.read_more():
                raise AssertionError(f"the body ends after {len(self.unread)} of {length} bytes")
        body, self.unread = self.unread[:length], self.unread[length:]
        return Response(status, headers, body)

    def read_all(self):
        """Everything up to the end of the stream."""
        while self.read_more():
            pass
        return self.unread

    def is_closed(self):
        """Waits for the end of the stream; False where more bytes come instead."""
        return not self.unread and not self.read_more()


def parse_log(line):
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise AssertionError(f"a line of the log is not JSON: {line}") from error


class Server:
    """`stabilityd serve` on a port that the kernel chose; `log` has the lines of its log at the end."""

    def __init__(self, *options, environment=None):
        self.log = []
        self.log_file = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [sys.argv[1], "serve", "--port", "0", *options], stdout=subprocess.PIPE, stderr=self.log_file, text=True,
            env={**os.environ, **(environment or {})})
        listening = self.process.stdout.readline()
        match = re.search(r" listens on https?://\S+:(\d+)$", listening.strip())
        if not match or self.process.stdout.readline() != "ready\n":
            self.process.kill()
            raise AssertionError(f"the server did not start: {listening!r} {self.read_log()}")
        self.port = int(match.group(1))
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        """A server that is still up at the end of a test must end well: sanitizers speak up then."""
        if self.process.poll() is None:
            if failure is None:
                assert self.stop() == 0, self.log
            else:
                self.process.kill()
        self.process.stdout.close()
        self.log_file.close()

    def signal(self, number):
        self.process.send_signal(number)

    def read_log(self):
        """What the server has written so far. The descriptor's own position is left alone: the server writes there."""
        return os.pread(self.log_file.fileno(), os.fstat(self.log_file.fileno()).st_size, 0).decode()

    def wait(self, timeout=PATIENCE):
        """Waits for the end; returns the exit status."""
        self.process.wait(timeout=timeout)
        text = self.read_log()
        # valgrind says between the lines which system calls it does not know.
        lines = [parse_log(line) for line in text.splitlines() if not re.match(r"--\d+-- ", line)]
        # A kernel without Landlock or seccomp is no matter of any test.
        self.log = [line for line in lines if not re.search(r": (Landlock|seccomp): ", line["message"])]
        return self.process.returncode

    def stop(self):
        self.signal(signal.SIGTERM)
        return self.wait()

    def connect(self, **options):
        return Connection(self, **options)

    def exchange(self, data, context=None, **options):
        """Sends bytes over a connection of their own and returns the response."""
        with self.connect(context=context) as connection:
            connection.send(data)
            return connection.response(**options)

    def request(self, method, target, body=None, **headers):
        """Sends a request over a connection of its own; the response must be one that /openapi.json promises."""
        response = self.exchange(request(method, target, body, **headers), head=method == "HEAD")
        if response is not None:
            contract.check_response(method, target, response)
        return response

    def assert_alive(self):
        assert self.process.poll() is None, "the server has ended"
        response = self.request("GET", "/livez")
        assert response is not None and response.status == 200, response


def request(method, target, body=None, **headers):
    """The bytes of a request; header names are given with _ in place of -."""
    if body is not None:
        body = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        headers.setdefault("Content_Length", len(body))
    lines = [f"{method} {target} HTTP/1.1", "Host: test"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")


def model(name="test"):
    """A request that takes no time."""
    return {
        "model": {"name": name, "layers": [{"name": "fc", "type": "Linear", "in_features": 2, "out_features": 3}],
                  "loss": {"type": "MSELoss"}},
        "weights": {"fc.weight": [[0.1, -0.2], [0.3, 0.4], [-0.5, 0.6]], "fc.bias": [0, 0.1, 0.2]},
        "data": {"input": [[1, 2], [3, -4], [0.5, 0.25]], "target": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]},
    }


def slow_model():
    """A request whose work takes a noticeable time: a thousand layers of little work each."""
    layers = [{"name": f"act{i}", "type": "ReLU"} for i in range(1000)]
    return {"model": {"layers": layers, "loss": {"type": "MSELoss"}},
            "data": {name: {"random": "normal", "shape": [64, 128]} for name in ("input", "target")}}


def endless_model():
    """A request whose work takes longer than any test waits, and which can be stopped between any two layers."""
    linear = {"type": "Linear", "in_features": 2048, "out_features": 2048}
    first = {"name": "fc0", **linear, "init": {"weight": {"init": "constant_", "val": 0.001}}}
    layers = [first] + [{"name": f"fc{i}", **linear, "weights_from": "fc0"} for i in range(1, 300)]
    return {"model": {"layers": layers, "loss": {"type": "MSELoss"}},
            "data": {name: {"random": "normal", "shape": [128, 2048]} for name in ("input", "target")}}


def wait_until(condition, timeout=PATIENCE):
    """Waits until condition() holds."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "it did not come to pass in time"
        time.sleep(0.01)


def assert_problem(response, status, code, detail=None, pointer=None):
    """Checks that a response is a problem document."""
    assert response is not None, f"no response, where {status} {code} was expected"
    assert response.status == status, response
    assert response.headers.get("content-type") == "application/problem+json", response
    problem = response.json()
    assert problem["status"] == status and problem["code"] == code, problem
    assert problem["error"] == problem["detail"] and problem["title"] and problem["type"].endswith(code), problem
    assert problem["request_id"] == response.headers["x-request-id"], problem
    assert detail is None or re.search(detail, problem["detail"]), problem
    assert pointer is None or problem.get("pointer", "") == pointer, problem
    return problem


def run_tests(namespace):
    """Runs every function of a module whose name begins with test_, and exits."""
    tests = [(name, test) for name, test in namespace.items() if name.startswith("test_")]
    failures = 0
    for name, test in tests:
        started = time.monotonic()
        try:
            test()
            print(f"ok    {name} ({time.monotonic() - started:.2f} s)", flush=True)
        except Exception:  # a failed test must not keep the others from running
            failures += 1
            print(f"FAIL  {name}\n{traceback.format_exc()}", flush=True)
    print(f"{len(tests) - failures} of {len(tests)} passed")
    sys.exit(failures > 0)
