#!/usr/bin/env python3
"""Each call in turn fails, once: of malloc and its like, realloc, pthread_create, write. The request that meets it is
answered or its connection closed, and the next one is served."""
import mmap
import os
import re
import struct
import subprocess
import sys
import tempfile

from support import Server, model, request, run_tests

KINDS = ["memory", "growth", "thread", "write"]
MOST_CALLS = 5000


class Faults:
    """The counters of fail_calls.c."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory()
        path = os.path.join(self.directory.name, "counters")
        with open(path, "wb") as file:
            file.write(bytes(8 * len(KINDS)))
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 0)
        library = os.path.join(self.directory.name, "fail_calls.so")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fail_calls.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-fno-builtin", "-o", library, source], check=True)
        self.environment = {"LD_PRELOAD": library, "FAIL_CALLS": path}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.memory.close()
        self.directory.cleanup()

    def set(self, kind, number):
        struct.pack_into("<q", self.memory, 8 * KINDS.index(kind), number)

    def get(self, kind):
        return struct.unpack_from("<q", self.memory, 8 * KINDS.index(kind))[0]


def can_preload():
    """Sanitizers and valgrind have an allocator of their own."""
    with open(sys.argv[1], "rb") as file:
        program = file.read()
    return program.startswith(b"\x7fELF") and not re.search(rb"__(asan|tsan)_init", program)


def requests():
    body = model()
    yield "diagnose", request("POST", "/v1/diagnose", body)
    yield "text", request("POST", "/v1/diagnose?format=text", {**body, "options": {"precision": "float64"}})
    yield "gradcheck", request("POST", "/v1/gradcheck", body)
    yield "layers", request("GET", "/v1/layers")
    yield "metrics", request("GET", "/metrics")
    yield "openapi", request("GET", "/openapi.json")
    yield "broken", request("POST", "/v1/diagnose", b'{"model": [')
    yield "nowhere", request("GET", "/nowhere?x=y")


def exchange(server, data):
    try:
        return server.exchange(data)
    except (ConnectionResetError, BrokenPipeError, AssertionError):
        return None


def fail_each_call(kind, step):
    """Goes on until a request comes through without meeting the failure."""
    if not can_preload():
        return
    with Faults() as faults, Server("--threads", "2", environment=faults.environment) as server:
        for name, data in requests():
            expected = server.exchange(data).status
            met = 0
            for number in range(1, MOST_CALLS, step):
                faults.set(kind, number)
                response = exchange(server, data)
                unmet = faults.get(kind) > 0
                faults.set(kind, 0)
                assert response is None or response.status in (expected, 500, 503), (name, number, response)
                if unmet:
                    break
                met += 1
            else:
                raise AssertionError(f"{name}: {MOST_CALLS} calls, and no end")
            assert server.exchange(data).status == expected, name
            assert met > 0 or kind != "memory", name
        assert b"stabilityd_memory_reserved_bytes 0\n" in server.exchange(request("GET", "/metrics")).body


def test_memory():
    fail_each_call("memory", 1)


def test_growth():
    fail_each_call("growth", 1)


def test_write():
    fail_each_call("write", 1)


def test_threads():
    fail_each_call("thread", 1)


def test_start():
    """A server that cannot start says so, and gives up."""
    if not can_preload():
        return
    with Faults() as faults:
        for kind, step in ("memory", 31), ("growth", 1), ("thread", 1):
            for number in range(1, MOST_CALLS, step):
                faults.set(kind, number)
                process = subprocess.Popen([sys.argv[1], "serve", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                           env={**os.environ, **faults.environment})
                started = b"listens" in process.stdout.readline()
                if started:
                    process.terminate()
                complaint = process.communicate(timeout=60)[1]
                assert process.returncode in (0, -15) if started else process.returncode == 2 and complaint, \
                    (kind, number, process.returncode, complaint)
                if faults.get(kind) > 0:
                    break


run_tests(globals())
