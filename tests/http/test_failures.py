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

from jobs import ENDED, submit, wait_for
from support import Server, assert_problem, model, request, run_tests, slow_model, wait_until

KINDS = ["memory", "growth", "thread", "write", "disk"]
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
    yield "save", request("POST", "/v1/diagnose?save=x", body)
    yield "reports", request("GET", "/v1/reports")
    yield "nobody's", request("DELETE", "/v1/reports/" + 32 * "0")
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


def test_jobs():
    """A job whose work meets the failure is done again, or says what failed; no job is lost."""
    if not can_preload():
        return
    with Faults() as faults, Server("--threads", "1", "--job-lease", "0.5", environment=faults.environment) as server:
        for kind, step in ("memory", 71), ("growth", 3), ("thread", 1), ("write", 1):
            for number in range(1, MOST_CALLS, step):
                faults.set(kind, number)
                response = exchange(server, request("POST", "/v1/diagnose?save=x", model(), Prefer="respond-async"))
                job = response.headers["location"] if response is not None and response.status == 202 else None
                assert response is None or response.status in (202, 500, 503), (kind, number, response)
                if job is not None:
                    wait_until(lambda: ended(server, job))
                unmet = faults.get(kind) > 0
                faults.set(kind, 0)
                if job is not None:
                    view = wait_for(server, job)
                    assert view["state"] == "succeeded" or view["status"] in (500, 503), (kind, number, view)
                if unmet:
                    break
        assert wait_for(server, submit(server))["state"] == "succeeded"
        assert b"stabilityd_memory_reserved_bytes 0\n" in server.exchange(request("GET", "/metrics")).body


def ended(server, job):
    response = exchange(server, request("GET", job))
    return response is not None and response.status == 200 and response.json()["state"] in ENDED


def test_a_full_disk():
    """What must be kept is refused while the disk is full, what is kept can be read; then all is as before."""
    if not can_preload():
        return
    with Faults() as faults, tempfile.TemporaryDirectory() as directory, \
            Server("--store", f"sqlite:{directory}/store.db", environment=faults.environment) as server:
        report = server.request("POST", "/v1/diagnose?save=x", model()).headers["location"]
        running = submit(server, slow_model(), "/v1/diagnose?save=y")
        wait_for(server, running, "running", *ENDED)
        faults.set("disk", 1)
        for headers, target in ({}, "?save=z"), ({"Prefer": "respond-async"}, ""):
            response = server.request("POST", "/v1/diagnose" + target, model(), **headers)
            assert_problem(response, 503, "store-full", "no room")
            assert "location" not in response.headers, response
        assert server.request("POST", "/v1/diagnose", model()).status == 200
        baseline = report.rpartition("/")[2]
        assert server.request("POST", "/v1/diagnose?baseline=" + baseline, model()).status == 200
        assert server.request("GET", report).status == 200
        assert_problem(server.request("DELETE", report), 503, "store-full")
        assert server.request("GET", "/livez").status == 200
        faults.set("disk", 0)
        view = wait_for(server, running)
        assert view["state"] == "succeeded" or view["error"]["code"] == "store-full", view
        assert server.request("DELETE", report).status == 204
        assert wait_for(server, submit(server))["state"] == "succeeded"


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
