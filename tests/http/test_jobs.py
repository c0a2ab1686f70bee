#!/usr/bin/env python3
"""Jobs: requests that are answered later, their state, events, result, end and limits."""
import gzip
import json
import os
import signal
import sqlite3
import tempfile
import threading

from jobs import ENDED, events, state, submit, wait_for
from support import Server, assert_problem, endless_model, model, request, run_tests, slow_model, wait_until

DIAGNOSE = "/v1/diagnose"
FORMATS = ("json", "text", "markdown", "html", "sarif", "junit", "gitlab")
NO_JOB = "/v1/jobs/00000000000000000000000000000000"


def unstable_model():
    """A model with a finding of severity error."""
    layers = [{"name": f"act{i}", "type": "Sigmoid"} for i in range(30)]
    return {"model": {"layers": layers, "loss": {"type": "MSELoss"}},
            "data": {name: {"random": "normal", "shape": [8, 16]} for name in ("input", "target")}}


def test_life_of_a_job():
    with Server() as server:
        job = submit(server)
        view = wait_for(server, job)
        assert view["state"] == "succeeded", view
        assert view["route"] == DIAGNOSE and view["attempt"] == 1, view
        assert view["progress"]["done"] == view["progress"]["total"], view
        assert view["created"] <= view["started"] <= view["finished"], view
        assert view["result"] == job + "/result", view
        for name in FORMATS:
            now = server.request("POST", f"{DIAGNOSE}?format={name}", model())
            later = server.request("GET", f"{job}/result?format={name}")
            assert later.status == 200 and later.body == now.body, (name, later, now)
            assert later.headers["content-type"] == now.headers["content-type"], name
        text = server.request("GET", job + "/result", Accept="text/markdown")
        assert text.headers["content-type"].startswith("text/markdown"), text
        assert server.request("HEAD", job).status == 200
        assert server.request("HEAD", job + "/result").status == 200


def test_prefer():
    """The preference is one of several, in one field or in several, and only where it can be followed."""
    body = json.dumps(model())
    with Server() as server:
        for value in "respond-async", "wait=10, Respond-Async", "return=minimal;x, respond-async; y":
            assert server.request("POST", DIAGNOSE, body, Prefer=value).status == 202, value
        for value in "", "respond-asynchronously", "x=respond-async", "wait=10":
            assert server.request("POST", DIAGNOSE, body, Prefer=value).status == 200, value
        two = (f"POST {DIAGNOSE} HTTP/1.1\r\nHost: test\r\nPrefer: wait=1\r\nPrefer: respond-async\r\n"
               f"Content-Length: {len(body)}\r\n\r\n{body}")
        assert server.exchange(two).status == 202
        assert server.request("GET", "/v1/layers", Prefer="respond-async").status == 200


def test_fail_on():
    """What the job's own query says holds for its result, unless the result's query says otherwise."""
    with Server() as server:
        body = unstable_model()
        plain = submit(server, body)
        gated = submit(server, body, DIAGNOSE + "?fail_on=error&format=text")
        assert wait_for(server, plain)["state"] == wait_for(server, gated)["state"] == "succeeded"
        assert server.request("GET", plain + "/result").status == 200
        assert server.request("GET", plain + "/result?fail_on=error").status == 412
        response = server.request("GET", gated + "/result")
        assert response.status == 412 and response.headers["content-type"].startswith("text/plain"), response
        response = server.request("GET", gated + "/result?format=json")
        assert response.status == 412 and response.json()["verdict"] == "unstable", response
        response = server.request("GET", gated + "/result", Accept="application/json")
        assert response.headers["content-type"] == "application/json", response
        response = server.request("GET", gated + "/result", Accept="*/*")
        assert response.headers["content-type"].startswith("text/plain"), response


def test_gradcheck():
    with Server() as server:
        body = model()
        body["options"] = {"precision": "float64"}
        job = submit(server, body, "/v1/gradcheck?fail_on=error")
        assert wait_for(server, job)["state"] == "succeeded"
        for name in FORMATS:
            now = server.request("POST", "/v1/gradcheck?format=" + name, body)
            later = server.request("GET", job + "/result?format=" + name)
            assert later.status == now.status == 200, (name, later)
            assert later.body == now.body, name
        body["gradients"] = {"fc.bias": [1, 2, 3]}
        wrong = submit(server, body, "/v1/gradcheck")
        wait_for(server, wrong)
        assert server.request("GET", wrong + "/result").status == 200
        assert server.request("GET", wrong + "/result?fail_on=error").status == 412


def test_failure():
    """What is wrong with a request is the result of its job, with the status that it would have had."""
    body = model()
    body["model"]["layers"][0]["in_features"] = 5
    with Server() as server:
        for given, status, code in (body, 422, "shape-mismatch"), ("{", 400, "invalid-json"):
            job = submit(server, given)
            view = wait_for(server, job)
            assert view["state"] == "failed" and view["status"] == status, view
            assert view["error"]["code"] == code, view
            response = server.request("GET", job + "/result")
            assert response.status == status and response.json()["code"] == code, response
            assert response.headers["content-type"] == "application/problem+json", response


def test_forms_of_a_body():
    """The body of a job may come encoded, chunked, and as a form."""
    body = json.dumps(model()).encode()
    parts = b'--xx\r\nContent-Disposition: form-data; name="request"\r\n\r\n' + body + b"\r\n--xx--\r\n"
    with Server() as server:
        plain = server.request("POST", DIAGNOSE, body).body
        jobs = [submit(server, gzip.compress(body), Content_Encoding="gzip"),
                submit(server, parts, Content_Type="multipart/form-data; boundary=xx")]
        for job in jobs:
            wait_for(server, job)
            assert server.request("GET", job + "/result").body == plain
        broken = submit(server, gzip.compress(body)[:50], Content_Encoding="gzip")
        view = wait_for(server, broken)
        assert view["state"] == "failed" and view["error"]["code"] == "bad-encoding", view


def test_result_too_early():
    with Server("--threads", "1") as server:
        running = submit(server, endless_model())
        queued = submit(server)
        wait_for(server, running, "running")
        for job in running, queued:
            assert_problem(server.request("GET", job + "/result"), 409, "job-not-finished", state(server, job)["state"])
        assert server.request("DELETE", running).status == 204
        assert wait_for(server, queued)["state"] == "succeeded"


def test_unknown_jobs():
    with Server() as server:
        for path in NO_JOB, "/v1/jobs/x", "/v1/jobs/" + "0" * 300, "/v1/jobs/%2e%2e":
            for suffix in "", "/result", "/events":
                assert_problem(server.request("GET", path + suffix), 404, "not-found", "no job")
            assert_problem(server.request("DELETE", path), 404, "not-found", "no job")
        assert server.request("POST", NO_JOB, "").headers["allow"] == "GET, HEAD, DELETE"
        assert_problem(server.request("GET", NO_JOB + "/nothing"), 404, "not-found")


def test_progress():
    """While a job runs its progress grows, and events tell of it."""
    with Server("--threads", "1") as server:
        job = submit(server, endless_model())
        wait_until(lambda: state(server, job)["progress"]["done"] > 0)
        view = state(server, job)
        assert view["state"] == "running" and view["progress"]["stage"], view
        assert view["progress"]["done"] <= view["progress"]["total"], view
        seen = []
        for event, data in events(server, job):
            seen.append((event, data["state"]))
            if len(seen) == 3:
                assert server.request("DELETE", job).status == 204
        assert seen[0] == ("state", "running") and seen[-1] == ("state", "cancelled"), seen
        assert seen[1:-1] == [("progress", "running")] * (len(seen) - 2), seen
        assert "result" not in state(server, job)


def test_events_of_an_ended_job():
    with Server() as server:
        job = submit(server)
        wait_for(server, job)
        assert [(event, data["state"]) for event, data in events(server, job)] == [("state", "succeeded")]
        # HTTP/1.0 has no chunks: the stream ends with the connection.
        with server.connect() as connection:
            connection.send(f"GET {job}/events HTTP/1.0\r\n\r\n")
            text = connection.read_all().decode()
            assert "Transfer-Encoding" not in text and '"state":"succeeded"' in text, text
        assert server.request("HEAD", job + "/events").status == 200
        server.assert_alive()


def test_many_followers():
    """Followers take no thread, are told all the same, and more than there may be are refused."""
    with Server("--threads", "1") as server:
        job = submit(server, endless_model())
        connections = [server.connect() for _ in range(256)]
        for connection in connections:
            connection.send(request("GET", job + "/events"))
        for connection in connections:
            assert "200 OK" in connection.read_header()[0]
        response = server.request("GET", job + "/events")
        assert_problem(response, 503, "queue-full", "256 clients")
        assert "retry-after" in response.headers
        server.assert_alive()
        assert server.request("POST", DIAGNOSE, model()).status == 200
        for connection in connections[::2]:  # half of them leave without a word
            connection.socket.close()
        assert server.request("DELETE", job).status == 204
        for connection in connections[1::2]:
            while b'"state":"cancelled"' not in connection.unread or b"0\r\n\r\n" not in connection.unread:
                assert connection.read_more()
            connection.socket.close()
        wait_until(lambda: server.request("HEAD", job + "/events").status == 200)


def test_cancel():
    with Server("--threads", "1") as server:
        running = submit(server, endless_model())
        queued = submit(server, endless_model())
        wait_for(server, running, "running")
        for job in queued, running, running:
            assert server.request("DELETE", job).status == 204
            assert state(server, job)["state"] == "cancelled"
            assert_problem(server.request("GET", job + "/result"), 409, "job-cancelled")
        # The work has stopped: the only thread has time for the next job.
        done = submit(server)
        assert wait_for(server, done)["state"] == "succeeded"
        response = server.request("DELETE", done)
        assert response.status == 200 and response.json()["state"] == "succeeded", response
        assert server.request("GET", done + "/result").status == 200


def test_bounded_queue():
    with Server("--threads", "1", "--job-queue", "2") as server:
        running = submit(server, endless_model())
        wait_for(server, running, "running")
        waiting = [submit(server), submit(server)]
        wait_until(lambda: b"\nstabilityd_jobs_queued 2\n" in server.request("GET", "/metrics").body)
        assert b"\nstabilityd_jobs_running 1\n" in server.request("GET", "/metrics").body
        response = server.request("POST", DIAGNOSE, model(), Prefer="respond-async")
        assert_problem(response, 503, "queue-full", "2 jobs")
        assert int(response.headers["retry-after"]) >= 1
        assert server.request("DELETE", waiting[0]).status == 204
        waiting.append(submit(server))
        assert server.request("DELETE", running).status == 204
        assert [wait_for(server, job)["state"] for job in waiting] == ["cancelled", "succeeded", "succeeded"]


def test_idempotency_key():
    with Server() as server:
        first = submit(server, model("a"), Idempotency_Key="k")
        assert submit(server, model("a"), Idempotency_Key="k") == first
        wait_for(server, first)
        assert submit(server, model("a"), Idempotency_Key="k") == first
        assert submit(server, model("a"), Idempotency_Key="other") != first
        assert submit(server, model("a")) != first
        for body, target in (model("b"), DIAGNOSE), (model("a"), DIAGNOSE + "?fail_on=error"):
            response = server.request("POST", target, body, Prefer="respond-async", Idempotency_Key="k")
            assert_problem(response, 422, "idempotency-key-reused", "'k'")
        for key in "", "x" * 256:
            response = server.request("POST", DIAGNOSE, model(), Prefer="respond-async", Idempotency_Key=key)
            assert_problem(response, 400, "invalid-parameter", "Idempotency-Key")
        # A request that is answered at once changes nothing: it may be sent again with or without a key.
        assert server.request("POST", DIAGNOSE, model("b"), Idempotency_Key="k").status == 200


def test_results_are_kept_for_a_time():
    with Server("--job-keep", "1") as server:
        job = submit(server, Idempotency_Key="k")
        wait_for(server, job)
        wait_until(lambda: server.request("GET", job).status == 404)
        assert submit(server, model("b"), Idempotency_Key="k") != job


def test_requests_at_once_do_not_wait_for_jobs():
    with Server("--threads", "1") as server:
        job = submit(server, endless_model())
        wait_for(server, job, "running")
        for _ in range(3):
            assert server.request("POST", DIAGNOSE, model()).status == 200
        assert server.request("DELETE", job).status == 204


def test_jobs_give_way():
    """However many jobs there are, requests that somebody waits for are answered; the jobs go on."""
    with Server("--threads", "2") as server:
        jobs = [submit(server, endless_model()) for _ in range(2)]
        jobs.append(submit(server, wide_check(), "/v1/gradcheck"))
        for job in jobs[:2]:
            wait_for(server, job, "running")
        for target in DIAGNOSE, "/v1/gradcheck", DIAGNOSE:
            assert server.request("POST", target, model()).status == 200
        done = state(server, jobs[0])["progress"]["done"]
        wait_until(lambda: state(server, jobs[0])["progress"]["done"] > done)
        for job in jobs:
            assert server.request("DELETE", job).status == 204


def wide_check():
    """A gradient check that takes longer than any test waits."""
    return {"model": {"layers": [{"name": "fc", "type": "Linear", "in_features": 1000, "out_features": 1000}],
                      "loss": {"type": "MSELoss"}},
            "data": {name: {"random": "normal", "shape": [256, 1000]} for name in ("input", "target")}}


def test_requests_do_not_starve_jobs():
    """Requests that come without end, more than there are places for, leave a job its turns; none is lost."""
    with Server("--threads", "1") as server:
        ending = threading.Event()
        statuses = set()

        def ask():
            while not ending.is_set():
                statuses.add(server.exchange(request("POST", DIAGNOSE, slow_model())).status)
        clients = [threading.Thread(target=ask) for _ in range(4)]
        for client in clients:
            client.start()
        try:
            for job in submit(server, slow_model()), submit(server, wide_check(), "/v1/gradcheck"):
                wait_until(lambda: state(server, job)["progress"]["done"] > 0 or state(server, job)["state"] == "succeeded")
                server.request("DELETE", job)
        finally:
            ending.set()
            for client in clients:
                client.join()
        assert statuses == {200}, statuses


def test_job_timeout():
    with Server("--job-timeout", "0.3") as server:
        job = submit(server, endless_model())
        view = wait_for(server, job)
        assert view["state"] == "failed" and view["error"]["code"] == "deadline-exceeded", view
        assert server.request("GET", job + "/result").status == 504


def test_shutdown_ends_streams_and_work():
    with Server("--threads", "1") as server:
        job = submit(server, endless_model())
        wait_for(server, job, "running")
        seen = []
        for event, data in events(server, job):
            if not seen:
                server.signal(signal.SIGTERM)
            seen.append(data["state"])
        assert "running" in seen and server.wait() == 0, seen


def test_a_file_outlives_the_server():
    """What was queued is done, and what was running is done again, by the next server: after a clean end, and after
    none. What had ended is still there."""
    with tempfile.TemporaryDirectory() as directory:
        store = f"sqlite:{directory}/store.db"
        with Server("--store", store, "--threads", "1") as server:
            ended = submit(server, Idempotency_Key="k")
            wait_for(server, ended)
            result = server.request("GET", ended + "/result").body
            running = submit(server, slow_model())
            wait_for(server, running, "running", *ENDED)
            queued = submit(server)
            assert server.stop() == 0
        assert os.stat(f"{directory}/store.db").st_mode & 0o777 == 0o600
        with Server("--store", store, "--threads", "1", "--job-lease", "0.5") as server:
            assert server.request("GET", ended + "/result").body == result
            assert submit(server, Idempotency_Key="k") == ended
            assert wait_for(server, running)["state"] == wait_for(server, queued)["state"] == "succeeded"
            killed = submit(server, slow_model())
            wait_for(server, killed, "running", *ENDED)
            last = submit(server)
            server.process.kill()
            server.process.wait()
        with Server("--store", store, "--threads", "1", "--job-lease", "0.5") as server:
            assert wait_for(server, killed)["state"] == wait_for(server, last)["state"] == "succeeded"
            assert state(server, last)["attempt"] >= 1


def test_a_job_that_ends_its_process_is_given_up():
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/store.db"
        with Server("--store", f"sqlite:{path}") as server:
            job = submit(server)
            wait_for(server, job)
            submitted = submit(server, endless_model())
            wait_for(server, submitted, "running")
            server.process.kill()
            server.process.wait()
        database = sqlite3.connect(path)
        database.execute("UPDATE stability_jobs SET tries = 5, lease = 0 WHERE state = 'running'")
        database.commit()
        database.close()
        with Server("--store", f"sqlite:{path}") as server:
            view = wait_for(server, submitted)
            assert view["state"] == "failed" and view["status"] == 500, view
            assert "5 times" in view["error"]["detail"], view


def test_a_full_store():
    """A store in memory takes an eighth of --memory; what does not fit is refused, and the server lives on."""
    with Server("--memory", "64M") as server:
        response = server.request("POST", DIAGNOSE, b" " * (16 << 20), Prefer="respond-async")
        assert_problem(response, 503, "store-full")
        job = submit(server)
        assert wait_for(server, job)["state"] == "succeeded"


def test_a_store_of_a_newer_version_is_refused():
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/store.db"
        with Server("--store", f"sqlite:{path}"):
            pass
        database = sqlite3.connect(path)
        database.execute("INSERT INTO stability_migrations VALUES (9999, '9999_from_the_future')")
        database.commit()
        database.close()
        try:
            Server("--store", f"sqlite:{path}")
        except AssertionError as error:
            assert "newer version" in str(error), error
        else:
            raise AssertionError("it started")


def test_stores_that_cannot_be():
    for url, message in (("mysql://x", "sqlite:PATH"), ("sqlite:", "names no file"),
                         ("sqlite:/nowhere/at/all.db", "No such file"),
                         ("postgresql:///x?host=/nowhere", "does not answer")):
        try:
            Server("--store", url)
        except AssertionError as error:
            assert message in str(error), error
        else:
            raise AssertionError(f"{url}: it started")


if __name__ == "__main__":
    run_tests(globals())
