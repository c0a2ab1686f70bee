#!/usr/bin/env python3
"""Several servers on one real PostgreSQL: shared jobs and reports, kill -9, a database that goes away."""
import sys
import threading
import time

import database
from jobs import events, state, submit, wait_for
from replicas import ask, storm
from support import Server, assert_problem, endless_model, model, run_tests, slow_model, wait_until

DIAGNOSE = "/v1/diagnose"


def pair(url, *options):
    return Server("--store", url, *options), Server("--store", url, *options)


def test_replicas_start_at_once():
    """The tables are made once, whoever comes first, and are there for whoever comes later."""
    with database.Database() as base:
        servers = []
        threads = [threading.Thread(target=lambda: servers.append(Server("--store", base.url))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(servers) == 4
        job = submit(servers[0])
        for server in servers:
            assert wait_for(server, job)["state"] == "succeeded"
        for server in servers:
            assert server.stop() == 0
        applied = base.query("SELECT name FROM stability_migrations ORDER BY number")
        migrations = [line["message"] for server in servers for line in server.log if "migration" in line["message"]]
        assert sorted(migrations) == ["store: migration " + name for name in applied], migrations


def test_what_one_knows_the_other_knows():
    with database.Database() as base:
        first, second = pair(base.url)
        with first, second:
            saved = first.request("POST", DIAGNOSE + "?save=shared", model())
            path = saved.headers["location"]
            assert second.request("GET", path).body == saved.body
            assert second.request("GET", "/v1/reports").json() == first.request("GET", "/v1/reports").json()
            job = submit(first, Idempotency_Key="k")
            assert submit(second, Idempotency_Key="k") == job
            assert [data["state"] for _, data in events(second, job)][-1] == "succeeded"
            assert second.request("GET", job + "/result").body == first.request("GET", job + "/result").body
            other = second.request("POST", DIAGNOSE, model("b"), Prefer="respond-async", Idempotency_Key="k")
            assert_problem(other, 422, "idempotency-key-reused")


def test_cancel_and_progress_from_the_other_side():
    with database.Database() as base:
        with Server("--store", base.url, "--threads", "1", "--job-lease", "1") as worker:
            job = submit(worker, endless_model())
            wait_for(worker, job, "running")
            with Server("--store", base.url, "--threads", "1", "--job-lease", "1") as other:
                wait_until(lambda: state(other, job)["progress"]["done"] > 0)
                assert other.request("DELETE", job).status == 204
                # The worker hears of it when it renews its lease, and has time for the next one.
                assert wait_for(worker, submit(worker))["state"] == "succeeded"
                assert state(worker, job)["state"] == "cancelled"


def test_jobs_of_a_killed_server_run_elsewhere():
    with database.Database() as base:
        options = "--threads", "1", "--job-lease", "1"
        first, second = Server("--store", base.url, *options), None
        job = submit(first, slow_model())
        queued = submit(first)
        wait_for(first, job, "running")
        first.process.kill()
        first.process.wait()
        second = Server("--store", base.url, *options)
        with second:
            assert wait_for(second, job)["state"] == wait_for(second, queued)["state"] == "succeeded"
            assert state(second, job)["attempt"] == 2


def test_a_stopped_server_hands_its_jobs_back():
    with database.Database() as base:
        options = "--threads", "1", "--job-lease", "60"
        first, second = pair(base.url, *options)
        with first, second:
            jobs = [submit(first, slow_model()) for _ in range(3)]
            wait_for(first, jobs[0], "running", "succeeded")
            started = time.monotonic()
            assert first.stop() == 0
            for job in jobs:
                assert wait_for(second, job)["state"] == "succeeded"
            assert time.monotonic() - started < 55, "they waited for a lease"


def test_a_database_that_goes_away():
    """Requests that need the store are refused while it is away, others are not; then all goes on, without a loss."""
    with database.Database() as base, Server("--store", base.url, "--threads", "1", "--job-lease", "1") as server:
        assert server.request("GET", "/readyz").status == 200
        running = submit(server, slow_model())
        queued = submit(server)
        report = server.request("POST", DIAGNOSE + "?save=x", model())
        base.stop()
        wait_until(lambda: server.request("GET", "/readyz").status == 503)
        assert_problem(server.request("GET", "/readyz"), 503, "store-unavailable")
        assert server.request("GET", "/livez").status == 200
        assert server.request("POST", DIAGNOSE, model()).status == 200
        for response in (server.request("POST", DIAGNOSE, model(), Prefer="respond-async"),
                         server.request("POST", DIAGNOSE + "?save=y", model()), server.request("GET", running),
                         server.request("GET", "/v1/reports"), server.request("DELETE", queued)):
            assert_problem(response, 503, "store-unavailable", "does not answer")
            assert int(response.headers["retry-after"]) >= 1 and "location" not in response.headers, response
        base.start()
        wait_until(lambda: server.request("GET", "/readyz").status == 200, 20)
        for job in running, queued:
            view = wait_for(server, job)
            assert view["state"] == "succeeded", view
        assert server.request("GET", report.headers["location"]).body == report.body


def test_cut_connections_are_not_noticed():
    """One statement on a connection that was cut is tried again on a new one."""
    with database.Database() as base, Server("--store", base.url) as server:
        for _ in range(3):
            base.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'stabilityd'")
            answer = ask(server.port, "GET", "/v1/reports")
            assert answer is not None and answer[0] == 200, answer
            assert wait_for(server, submit(server))["state"] == "succeeded"


def test_kill_at_random_moments():
    print(f"      {storm(2, 6, 'the seed')}", flush=True)


if __name__ == "__main__":
    if not database.is_there():
        print("skipped: there is no PostgreSQL here (script/setup test installs it)")
        sys.exit(77)
    run_tests(globals())
