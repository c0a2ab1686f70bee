#!/usr/bin/env python3
"""What a running server has given up, and that it works all the same."""
import os
import re
import tempfile

from support import Server, model, run_tests


def is_instrumented(process):
    """Builds with sanitizers, and valgrind, leave the sandbox out."""
    with open(f"/proc/{process}/maps", encoding="utf-8", errors="replace") as file:
        return bool(re.search(r"lib[at]san|valgrind", file.read()))


def test_calls_are_restricted():
    with Server() as server:
        if is_instrumented(server.process.pid) or "seccomp:" in server.read_log():
            return
        for thread in os.listdir(f"/proc/{server.process.pid}/task"):
            with open(f"/proc/{server.process.pid}/task/{thread}/status", encoding="ascii", errors="replace") as file:
                status = file.read()
            assert re.search(r"^NoNewPrivs:\s+1$", status, re.M) and re.search(r"^Seccomp:\s+2$", status, re.M), status


def test_no_complaint_where_the_kernel_can():
    """Landlock is among the kernel's modules: then nothing may keep the server from using it."""
    try:
        with open("/sys/kernel/security/lsm", encoding="ascii") as file:
            modules = file.read().split(",")
    except OSError:
        return
    with Server() as server:
        assert "landlock" not in modules or "Landlock:" not in server.read_log(), server.read_log()


def test_store_in_a_file():
    with tempfile.TemporaryDirectory() as directory:
        for _ in range(2):
            with Server("--store", f"sqlite:{directory}/store.db") as server:
                saved = server.request("POST", "/v1/diagnose?save=night", model())
                assert saved.status == 200, saved
                assert server.request("GET", saved.headers["location"]).body == saved.body
        assert os.path.getsize(f"{directory}/store.db") > 0


run_tests(globals())
