#!/usr/bin/env python3
"""The life of connections and requests: keep-alive, pieces, deadlines, clients that leave, a full queue."""
import gzip
import http.client
import json
import os
import re
import select
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from support import (PATIENCE, Server, assert_problem, endless_model, model, request, run_tests, slow_model, wait_until)

DIAGNOSE = "/v1/diagnose"


def chunked(body, size):
    pieces = [body[i:i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def test_keep_alive():
    with Server() as server, server.connect() as connection:
        for _ in range(20):
            connection.send(request("GET", "/livez"))
            assert connection.response().status == 200
            connection.send(request("POST", DIAGNOSE, model()))
            assert connection.response().status == 200
        for target, status in ("/nowhere", 404), (DIAGNOSE, 405), ("/livez?x", 400):
            connection.send(request("GET", target))
            assert_problem(connection.response(), status, {404: "not-found", 405: "method-not-allowed"}.get(
                status, "invalid-parameter"))
        connection.send(request("GET", "/livez", Connection="close"))
        assert connection.response().headers["connection"] == "close"
        assert connection.is_closed()


def test_http10():
    with Server() as server, server.connect() as connection:
        connection.send("GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert connection.response().status == 200
        body = json.dumps(model())
        connection.send(f"POST {DIAGNOSE} HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n{body}")
        assert connection.response().status == 200
        assert connection.is_closed()


def test_pipelining():
    """Answers come in the order of the requests, though heavy and light ones alternate."""
    with Server() as server, server.connect() as connection:
        count = 50
        connection.send(b"".join(request("POST", DIAGNOSE, model(f"model {i}"), X_Request_Id=f"a{i}")
                                 + request("GET", "/livez", X_Request_Id=f"b{i}") for i in range(count)))
        for i in range(count):
            heavy, light = connection.response(), connection.response()
            assert heavy.status == 200 and heavy.headers["x-request-id"] == f"a{i}", heavy
            assert heavy.json()["summary"]["model"] == f"model {i}", heavy
            assert light.status == 200 and light.headers["x-request-id"] == f"b{i}", light


def test_chunked():
    body = json.dumps(model()).encode()
    with Server() as server, server.connect() as connection:
        plain = server.request("POST", DIAGNOSE, body).body
        for size in 1, 7, 100, 100000:
            connection.send(request("POST", DIAGNOSE, Transfer_Encoding="chunked") + chunked(body, size))
            response = connection.response()
            assert response.status == 200 and response.body == plain, (size, response)
        connection.send(request("POST", DIAGNOSE, Transfer_Encoding="CHUNKED")
                        + b"%x;name=value\r\n%s\r\n0\r\nX-Trailer: 1\r\n\r\n" % (len(body), body))
        assert connection.response().body == plain


def test_bytes_one_by_one():
    body = json.dumps(model()).encode()
    with Server() as server, server.connect() as connection:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request("POST", DIAGNOSE, body):
            connection.send(bytes([byte]))
        assert connection.response().status == 200


def test_expect_continue():
    body = json.dumps(model()).encode()
    with Server() as server, server.connect() as connection:
        connection.send(request("POST", DIAGNOSE, Content_Length=len(body), Expect="100-continue"))
        assert connection.response(interim=True).status == 100
        connection.send(body)
        assert connection.response().status == 200
        connection.send(request("POST", "/nowhere", Content_Length=len(body), Expect="100-continue"))
        assert_problem(connection.response(interim=True), 404, "not-found")
        assert connection.is_closed()


def test_chunks_over_the_limit():
    """The refusal comes while the client still sends, and is not lost with what it sends on."""
    with Server("--max-body", "100000") as server, server.connect() as connection:
        connection.send(request("POST", DIAGNOSE, Transfer_Encoding="chunked"))
        piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        connection.send(piece)
        connection.send(piece)
        assert_problem(connection.response(), 413, "body-too-large", r"at least \d+ bytes.* 100000")
        connection.send(piece * 16)
        connection.finish_sending()
        assert connection.is_closed()
        server.assert_alive()


def early_refusals():
    """Requests that are refused before their body: target, headers, status, code."""
    return [(DIAGNOSE, {}, 413, "body-too-large"), ("/nowhere", {}, 404, "not-found"),
            (DIAGNOSE + "?format=pdf", {}, 406, "not-acceptable"), (DIAGNOSE, {"Content-Type": "image/png"}, 415, "unsupported-media-type"),
            (DIAGNOSE, {"Host": "a, b"}, 400, "bad-framing"), (DIAGNOSE, {"Transfer-Encoding": "gzip"}, 400, "bad-framing")]


def test_early_refusal_of_a_large_body():
    """A client that reads only after it has sent everything gets the answer, however much that is."""
    body = b" " * (50 << 20)
    with Server("--max-body", "1M") as server:
        for target, headers, status, code in early_refusals():
            with server.connect() as connection:
                fields = {"Host": "test", "Content-Length": len(body), **headers}
                lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
                connection.send(f"POST {target} HTTP/1.1\r\n{lines}\r\n")
                connection.send(body)
                assert_problem(connection.response(), status, code)
                assert connection.is_closed()
        server.assert_alive()


def test_early_refusal_of_large_chunks():
    """The same where it turns out on the way: over the limit, or no chunks at all."""
    pieces = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with Server("--max-body", "1M") as server:
        for rest, status, code in (pieces, 413, "body-too-large"), (b"x" * 0x10000, 400, "bad-framing"):
            with server.connect() as connection:
                connection.send(request("POST", DIAGNOSE, Transfer_Encoding="chunked") + pieces * 4)
                for _ in range(800):
                    connection.send(rest)
                assert_problem(connection.response(), status, code)


def test_http_client_sees_the_refusal():
    """Python's own client sends all before it reads."""
    with Server("--max-body", "1M") as server:
        for body in b" " * (50 << 20), (bytes(1 << 16) for _ in range(800)):
            client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
            client.request("POST", DIAGNOSE, body, {"Content-Type": "application/json"})
            response = client.getresponse()
            assert response.status == 413 and json.loads(response.read())["code"] == "body-too-large", response
            client.close()


def test_lingering_is_bounded():
    """Refused clients that send no more, or on and on, are let go; and whoever comes meanwhile is served."""
    with Server("--max-body", "1M", "--timeout", "3") as server:
        files = f"/proc/{server.process.pid}/fd"
        before = len(os.listdir(files))
        clients = [server.connect() for _ in range(300)]
        for connection in clients:
            connection.send(request("POST", DIAGNOSE, Content_Length=1 << 40) + b" " * 1000)
        for connection in clients:
            assert_problem(connection.response(), 413, "body-too-large")
        assert server.request("POST", DIAGNOSE, model()).status == 200
        wait_until(lambda: len(os.listdir(files)) <= before)
        for connection in clients:
            connection.socket.close()


def test_curl_sees_the_refusal():
    with Server("--max-body", "1M") as server:
        for options in [], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect:"]:
            result = subprocess.run(["curl", "-sS", "-m", str(PATIENCE), *options, "--data-binary", "@-", server.url + DIAGNOSE],
                                    input=b" " * (50 << 20), capture_output=True, check=False)
            assert json.loads(result.stdout)["code"] == "body-too-large", (options, result)


def test_body_deadline():
    with Server("--timeout", "2") as server, server.connect() as known, server.connect() as chunks:
        known.send(request("POST", DIAGNOSE, Content_Length=100) + b"{")
        chunks.send(request("POST", DIAGNOSE, Transfer_Encoding="chunked") + b"1\r\n{\r\n")
        for connection in known, chunks:
            assert_problem(connection.response(), 408, "body-timeout", "body .* 2 seconds")
            assert connection.is_closed()
        server.assert_alive()


def test_body_deadline_of_a_trickle():
    """A byte now and then keeps no connection open."""
    with Server("--timeout", "2") as server, server.connect(timeout=0.05) as connection:
        connection.send(request("POST", DIAGNOSE, Content_Length=1000000))
        for _ in range(200):
            try:
                connection.send(b" ")
                response = connection.response()
                break
            except TimeoutError:
                continue
        assert_problem(response, 408, "body-timeout")


def test_header_deadline():
    with Server("--timeout", "2") as server, server.connect() as silent, server.connect() as short, \
            server.connect() as connection:
        short.send("GET /li")
        connection.send("GET /livez HTTP/1.1\r\nHost: t\r\nX-")
        assert silent.is_closed()
        assert_problem(short.response(), 408, "body-timeout", "request line .* 2 seconds")
        assert short.is_closed()
        assert_problem(connection.response(), 408, "body-timeout", "header .* 2 seconds")
        assert connection.is_closed()
        server.assert_alive()


def test_work_deadline():
    with Server("--timeout", "2", "--threads", "1") as server:
        assert_problem(server.request("POST", DIAGNOSE, endless_model()), 504, "deadline-exceeded")
        server.assert_alive()


def test_deadline_of_the_request():
    """options.timeout_s shortens the server's limit, counts from the body's end, and never lengthens it."""
    hasty = {**endless_model(), "options": {"timeout_s": 0.2}}
    with Server("--timeout", "30", "--threads", "1") as server:
        started = time.monotonic()
        assert_problem(server.request("POST", DIAGNOSE, hasty), 504, "deadline-exceeded")
        assert time.monotonic() - started < 20
        assert server.request("POST", DIAGNOSE, {**model(), "options": {"timeout_s": 1000}}).status == 200
        for bad in 0, -1, "NaN", "1", None, "Infinity":
            assert_problem(server.request("POST", DIAGNOSE, {**model(), "options": {"timeout_s": bad}}), 422, "invalid-value",
                           pointer="/options/timeout_s")
    with Server("--timeout", "2", "--threads", "1") as server:
        lasting = {**endless_model(), "options": {"timeout_s": 1000}}
        assert_problem(server.request("POST", DIAGNOSE, lasting), 504, "deadline-exceeded")


def test_deadline_while_tensors_are_drawn():
    slow = {"type": "Linear", "in_features": 4096, "out_features": 4096, "bias": False, "init": {"weight": {"init": "orthogonal_"}}}
    body = {"model": {"layers": [{"name": f"fc{i}", **slow} for i in range(8)], "loss": {"type": "MSELoss"}},
            "data": {name: {"random": "normal", "shape": [1, 4096]} for name in ("input", "target")},
            "options": {"timeout_s": 0.2}}
    with Server("--threads", "1") as server:
        started = time.monotonic()
        assert_problem(server.request("POST", DIAGNOSE, body), 504, "deadline-exceeded")
        assert time.monotonic() - started < 20


def test_deadline_in_the_queue():
    """What waits is not kept waiting beyond its deadline, and leaves the queue with its client."""
    with Server("--timeout", "5", "--threads", "1") as server, server.connect() as first, server.connect() as second, \
            server.connect() as third:
        for connection in first, second, third:
            connection.send(request("POST", DIAGNOSE, endless_model()))
        wait_until(lambda: b"stabilityd_queue_depth 2\n" in server.request("GET", "/metrics").body)
        third.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        third.socket.close()
        wait_until(lambda: b"stabilityd_queue_depth 1\n" in server.request("GET", "/metrics").body)
        assert_problem(second.response(), 504, "deadline-exceeded")
        assert_problem(first.response(), 504, "deadline-exceeded")


def test_gradient_checks_share_the_threads():
    """However many checks run, they begin no more threads than the pool has places for."""
    layers = [{"name": f"fc{i}", "type": "Linear", "in_features": 128, "out_features": 128} for i in range(10)]
    body = {"model": {"layers": layers, "loss": {"type": "MSELoss"}},
            "data": {name: {"random": "normal", "shape": [64, 128]} for name in ("input", "target")}}
    with Server("--timeout", "5", "--threads", "3") as server:
        assert server.request("POST", "/v1/gradcheck", model()).status == 200
        threads = f"/proc/{server.process.pid}/task"
        before, most = len(os.listdir(threads)), 0
        clients = [server.connect() for _ in range(3)]
        clients[0].send(request("POST", "/v1/gradcheck", body))
        wait_until(lambda: len(os.listdir(threads)) > before)
        for connection in clients[1:]:
            connection.send(request("POST", "/v1/gradcheck", body))
        while not select.select([connection.socket for connection in clients], [], [], 0.01)[0]:
            most = max(most, len(os.listdir(threads)))
        assert most <= before + 2, (before, most)
        for connection in clients:
            connection.socket.close()


def test_formats_of_a_gradient_check():
    """As of a diagnosis; what nobody can give is refused before the body is sent."""
    with Server() as server:
        for target, accept in (("/v1/gradcheck?format=pdf", "*/*"), ("/v1/gradcheck", "image/png")):
            with server.connect() as connection:
                connection.send(request("POST", target, Content_Length=1000, Expect="100-continue", Accept=accept))
                assert_problem(connection.response(interim=True), 406, "not-acceptable")
        for accept in "text/html", "application/sarif+json", "application/xml", "text/markdown", "text/plain":
            response = server.request("POST", "/v1/gradcheck", model(), Accept=accept)
            assert response.status == 200 and response.headers["content-type"].startswith(accept), response


def test_stalled_clients_stop_nobody():
    with Server("--threads", "1") as server:
        stalled = [server.connect() for _ in range(200)]
        for i, connection in enumerate(stalled):
            connection.send(request("POST", DIAGNOSE, Content_Length=1000)[:20 + i])
        for _ in range(5):
            assert server.request("POST", DIAGNOSE, model()).status == 200
        for connection in stalled:
            connection.socket.close()
        server.assert_alive()


def test_expectation_before_no_body():
    """What comes after the header is the next request, however early it comes."""
    with Server() as server:
        for target, method, status in ("/livez", "GET", 200), ("/v1/layers", "GET", 200), (DIAGNOSE, "POST", 400):
            with server.connect() as connection:
                connection.send(request(method, target, Expect="100-continue") + request("GET", "/v1/limits"))
                assert connection.response().status == status, target
                assert b"body_bytes" in connection.response().body, target


def test_half_closed_client():
    """A client that closed its sending side is answered, however long the work takes and whatever it asks."""
    with Server() as server:
        for body in model(), slow_model():
            with server.connect() as connection:
                connection.send(request("POST", DIAGNOSE, body))
                connection.finish_sending()
                response = connection.response()
                assert response is not None and response.status == 200, response
                assert connection.is_closed()
        with server.connect() as connection:
            connection.send(request("GET", "/v1/layers") + request("POST", DIAGNOSE, model()))
            connection.finish_sending()
            assert connection.response().status == 200
            assert connection.response().status == 200


def test_half_closed_clients_are_let_go():
    """The connection ends with the answer, even where the end of the client's side came together with the request."""
    with Server() as server:
        for i in range(40):
            with server.connect(timeout=20) as connection:
                connection.send(request("GET", ("/livez", "/openapi.json")[i % 2]) * (1 + i % 3))
                connection.finish_sending()
                assert connection.read_all().count(b"HTTP/1.1 200") == 1 + i % 3


def test_half_closed_in_the_middle_of_the_next_request():
    """What follows the request may be read together with the end of the client's side, in any of many timings."""
    message = request("POST", DIAGNOSE, Expect="100-continue") + b"{" * 150
    with Server() as server:
        def leave(_):
            for _ in range(200):
                with server.connect(timeout=20) as connection:
                    for start in range(0, len(message), 64):
                        connection.send(message[start:start + 64])
                    connection.finish_sending()
                    assert b"HTTP/1.1 400" in connection.read_all()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(leave, range(4)))


def test_half_closed_client_of_http10():
    body = json.dumps(slow_model())
    with Server() as server, server.connect() as connection:
        connection.send(f"POST {DIAGNOSE} HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n{body}")
        connection.finish_sending()
        response = connection.response(interim=True)
        assert response is not None and response.status == 200, response


def test_client_that_leaves():
    """Its work stops: the server has a single thread, and would be busy for long."""
    with Server("--threads", "1", "--timeout", "300") as server:
        for reset in False, True:
            with server.connect() as connection, server.connect() as other:
                connection.send(request("POST", DIAGNOSE, endless_model(), X_Request_Id=f"gone-{reset}"))
                wait_until(lambda: is_busy(server))
                other.send(request("POST", DIAGNOSE, model()))
                wait_until(lambda: b"stabilityd_queue_depth 1\n" in server.request("GET", "/metrics").body)
                if reset:
                    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                connection.socket.close()
                assert other.response().status == 200
        assert server.stop() == 0
        codes = {line["request_id"]: line.get("code") for line in server.log if line["message"] == "request"}
        assert codes["gone-False"] == codes["gone-True"] == "cancelled", codes


def is_busy(server):
    """Whether the server's only thread works."""
    return b"stabilityd_work_in_progress 1\n" in server.request("GET", "/metrics").body


def test_clients_at_once():
    """The same request gives the same bytes, whoever else asks at the same time."""
    with Server("--threads", "4") as server:
        bodies = [request("POST", DIAGNOSE, model(f"model {i}")) for i in range(8)]
        expected = [server.exchange(body).body for body in bodies]
        wrong = []

        def ask(index):
            with server.connect() as connection:
                for i in range(30):
                    which = (index + i) % len(bodies)
                    connection.send(bodies[which])
                    response = connection.response()
                    if response is None or response.body != expected[which]:
                        wrong.append(response)

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong, wrong[0]


def test_full_queue():
    """What does not fit is refused at once, and what fits is served."""
    with Server("--threads", "1") as server, server.connect() as first:
        first.send(request("POST", DIAGNOSE, endless_model()))
        wait_until(lambda: is_busy(server))
        waiting = [server.connect() for _ in range(70)]
        for connection in waiting:
            connection.send(request("POST", DIAGNOSE, endless_model()))
        answered, _, _ = select.select([connection.socket for connection in waiting], [], [], PATIENCE)
        response = next(connection for connection in waiting if connection.socket in answered).response()
        assert_problem(response, 503, "queue-full")
        assert 1 <= int(response.headers["retry-after"]) <= 60, response
        assert_problem(server.request("GET", "/readyz"), 503, "queue-full")
        assert server.request("GET", "/livez").status == 200
        for connection in [first, *waiting]:
            connection.socket.close()
        wait_until(lambda: server.request("GET", "/readyz").status == 200)
        assert server.request("POST", DIAGNOSE, model()).status == 200


def test_memory_budget():
    """Bodies and work that exceed the memory are refused, and leave nothing reserved."""
    numbers = {**model(), "weights": {"fc.weight": [[0.5] * 200000]}}
    drawn = {**model(), "data": {name: {"random": "normal", "shape": [100000, size]} for name, size in
                                 (("input", 2), ("target", 3))}}
    with Server("--memory", "2M", "--max-body", "8M") as server:
        for _ in range(3):
            with server.connect() as connection:  # which is answered before a body is there
                connection.send(request("POST", DIAGNOSE, Content_Length=3 << 20))
                assert_problem(connection.response(), 413, "model-too-large", f"needs at least {3 << 20} bytes .* has {2 << 20}")
            with server.connect() as connection:
                connection.send(request("POST", DIAGNOSE, Content_Length=3 << 20, Expect="100-continue"))
                assert_problem(connection.response(interim=True), 413, "model-too-large")
            assert_problem(server.request("POST", DIAGNOSE, gzip.compress(b" " * (3 << 20)), Content_Encoding="gzip"), 413,
                           "model-too-large")
            assert_problem(server.request("POST", DIAGNOSE, numbers), 413, "model-too-large")
            assert_problem(server.request("POST", DIAGNOSE, drawn), 413, "model-too-large")
        assert server.request("POST", DIAGNOSE, model()).status == 200
        assert b"stabilityd_memory_reserved_bytes 0\n" in server.request("GET", "/metrics").body


def test_memory_of_others():
    """What would fit, were it not for others, may come again."""
    with Server("--memory", "2M", "--max-body", "8M") as server, server.connect() as first:
        first.send(request("POST", DIAGNOSE, Content_Length=1500000) + b" " * 1400000)
        wait_until(lambda: re.search(rb"stabilityd_memory_reserved_bytes 1\d{6}\n", server.request("GET", "/metrics").body))
        with server.connect() as second:  # which is answered before its body is there
            second.send(request("POST", DIAGNOSE, Content_Length=1500000))
            response = second.response()
        assert_problem(response, 503, "out-of-memory", "other requests leave less")
        assert int(response.headers["retry-after"]) >= 1, response


run_tests(globals())
