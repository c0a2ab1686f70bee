#!/usr/bin/env python3
"""How the server ends: what is accepted is answered, what is new is not, and no signal and no client breaks that."""
import contextlib
import json
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading

from support import PATIENCE, Server, assert_problem, endless_model, model, request, run_tests, slow_model, wait_until

DIAGNOSE = "/v1/diagnose"


def test_drain():
    """SIGTERM: what was accepted is answered, nothing new is, and the process ends with 0."""
    body = json.dumps(slow_model()).encode()
    with Server("--threads", "1") as server, server.connect() as busy, server.connect() as idle, \
            server.connect() as late:
        busy.send(request("POST", DIAGNOSE, Content_Length=len(body), Expect="100-continue"))
        assert busy.response(interim=True).status == 100  # accepted
        for connection in idle, late:
            connection.send(request("GET", "/readyz"))
            assert connection.response().status == 200
        server.signal(signal.SIGTERM)
        wait_until(lambda: server.request("GET", "/readyz").status == 503)
        assert_problem(server.request("GET", "/readyz"), 503, "draining")
        assert server.request("GET", "/livez").status == 200
        idle.send(request("GET", "/readyz"))
        assert_problem(idle.response(), 503, "draining")
        assert idle.is_closed()
        late.send(request("POST", DIAGNOSE, model()))
        response = late.response()
        assert_problem(response, 503, "draining")
        assert "retry-after" in response.headers, response
        busy.send(body)
        response = busy.response()
        assert response is not None and response.status == 200, response
        assert response.headers["connection"] == "close"
        assert server.wait() == 0
        assert [line["message"] for line in server.log if line["message"] != "request"] == [
            "SIGTERM: draining", "drained"]


def test_grace():
    """Work that takes longer than the grace time is stopped, what waits does not begin, and both are told."""
    with Server("--threads", "1", "--timeout", "300", "--grace", "0.3") as server, server.connect() as body, \
            server.connect() as running, server.connect() as waiting:
        body.send(request("POST", DIAGNOSE, Content_Length=10, Expect="100-continue"))
        assert body.response(interim=True).status == 100
        for connection in running, waiting:
            connection.send(request("POST", DIAGNOSE, endless_model()))
        wait_until(lambda: b"stabilityd_queue_depth 1\n" in server.request("GET", "/metrics").body)
        server.signal(signal.SIGTERM)
        for connection in running, waiting:
            assert_problem(connection.response(), 503, "cancelled", "shuts down")
        assert body.is_closed()
        assert server.wait() == 0
        assert "was stopped" in server.log[-1]["message"], server.log


def test_drain_under_traffic():
    """Connections that come and go at the very moment change nothing."""
    for _ in range(3):
        with Server("--log-level", "warning") as server:
            answered, stop = threading.Event(), threading.Event()

            def ask(server=server, answered=answered, stop=stop):
                while not stop.is_set():
                    try:
                        with server.connect() as connection:
                            for _ in range(3):
                                connection.send(request("GET", "/livez"))
                                if connection.response() is None:
                                    break
                                answered.set()
                    except OSError:
                        stop.wait(0.01)

            threads = [threading.Thread(target=ask, daemon=True) for _ in range(8)]
            for thread in threads:
                thread.start()
            assert answered.wait(PATIENCE)
            server.signal(signal.SIGTERM)
            status = server.wait()
            stop.set()
            for thread in threads:
                thread.join()
            assert status == 0 and not server.log, (status, server.log)


def test_drain_while_the_store_waits():
    """A request that waits for the store beyond the grace time is answered."""
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/store.db"
        with Server("--store", f"sqlite:{path}", "--grace", "0.1") as server, server.connect() as waiting:
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                waiting.send(request("POST", DIAGNOSE, model(), Prefer="respond-async"))
                wait_until(lambda: is_put_aside(server))
                server.signal(signal.SIGTERM)
                assert_problem(waiting.response(), 503, "store-unavailable")
                assert server.wait() == 0


def is_put_aside(server):
    return b"stabilityd_http_requests_in_progress 2\n" in server.request("GET", "/metrics").body


def test_drain_without_requests():
    for number in signal.SIGTERM, signal.SIGINT:
        with Server() as server, server.connect():
            server.signal(number)
            assert server.wait() == 0


def test_second_signal():
    with Server("--threads", "1", "--timeout", "300") as server, server.connect() as connection:
        connection.send(request("POST", DIAGNOSE, Content_Length=10, Expect="100-continue"))
        assert connection.response(interim=True).status == 100
        server.signal(signal.SIGTERM)
        wait_until(lambda: "draining" in server.read_log())
        server.signal(signal.SIGTERM)
        assert server.process.wait(timeout=PATIENCE) == -signal.SIGTERM


def test_log_that_nobody_reads():
    """A full pipe at its end does not stop the service."""
    process = subprocess.Popen([sys.argv[1], "serve", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        port = int(process.stdout.readline().rsplit(b":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
            answers = b""
            connection.sendall(request("GET", "/livez") * 1000)
            while answers.count(b"live") < 1000:
                answers += connection.recv(1 << 20)
        process.send_signal(signal.SIGTERM)
        log = process.communicate(timeout=PATIENCE)[1]
        assert process.returncode == 0 and 100 < log.count(b"/livez") < 1000, log
    finally:
        process.kill()
        process.communicate()


run_tests(globals())
