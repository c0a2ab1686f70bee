#!/usr/bin/env python3
"""Whose jobs and reports are, and how long they stay: the same with SQLite and with PostgreSQL."""
import contextlib
import functools
import hashlib
import os
import sqlite3
import subprocess
import tempfile

import database
from jobs import state, submit, wait_for
from support import Server, assert_problem, endless_model, model, run_tests, wait_until

DIAGNOSE = "/v1/diagnose"
MIGRATIONS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "server", "store", "migrations")
SECRETS = {"alice": "one", "bob": "two"}


class SQLite:
    """A file that goes with its test."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "store.db")
        self.url = "sqlite:" + self.path

    def script(self, sql):
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            connection.create_function("stability_now", 0, lambda: 1)
            connection.executescript(sql)

    def migration(self, name):
        return read(name + ".sql")


class PostgreSQL:
    """A database of its own in the server that the tests share."""

    def __init__(self, base, name):
        base.query("CREATE DATABASE " + name)
        self.base, self.name = base, name
        self.url = base.url.replace("/postgres?", f"/{name}?")

    def script(self, sql):
        subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", self.url],
                       input=sql, text=True, check=True)

    def migration(self, name):
        return read(name + ".sql").replace(" BLOB", " BYTEA") + read(name + ".postgresql.sql")


def read(name):
    with open(os.path.join(MIGRATIONS, name), encoding="utf-8") as file:
        return file.read()


@functools.lru_cache(maxsize=None)
def postgresql():
    return database.Database()


def on_each_store(test):
    @functools.wraps(test)
    def run():
        with tempfile.TemporaryDirectory() as directory:
            test(SQLite(directory))
        if database.is_there():
            test(PostgreSQL(postgresql(), test.__name__))
    return run


@contextlib.contextmanager
def tokens(**secrets):
    with tempfile.NamedTemporaryFile("w") as file:
        for name, secret in (secrets or SECRETS).items():
            file.write(f"{name} {hashlib.sha256(secret.encode()).hexdigest()}\n")
        file.flush()
        yield file.name


class Client:
    """A server as one token sees it."""

    def __init__(self, server, secret):
        self.server, self.headers = server, {"Authorization": "Bearer " + secret}

    def request(self, method, target, body=None, **headers):
        return self.server.request(method, target, body, **self.headers, **headers)


@contextlib.contextmanager
def clients(store, *options):
    with tokens() as path, Server("--store", store.url, "--tokens", path, *options) as server:
        yield tuple(Client(server, secret) for secret in SECRETS.values())


def save(client, name="a+name", query=""):
    response = client.request("POST", f"{DIAGNOSE}?save={name}{query}", model())
    assert response.status == 200, response
    return response.headers["location"]


def listed(client, query=""):
    return ["/v1/reports/" + entry["id"] for entry in client.request("GET", "/v1/reports" + query).json()["reports"]]


@on_each_store
def test_jobs_belong_to_a_token(store):
    with clients(store, "--threads", "1") as (alice, bob):
        job = submit(alice, endless_model())
        queued = submit(alice, target=DIAGNOSE + "?save=x")
        wait_for(alice, job, "running")
        for path in job, queued:
            for suffix in "", "/result", "/events":
                assert_problem(bob.request("GET", path + suffix), 404, "not-found", "there is no job")
            assert_problem(bob.request("DELETE", path), 404, "not-found", "there is no job")
            unknown = bob.request("DELETE", path[:-1] + ("0" if path[-1] != "0" else "1"))
            assert unknown.json()["detail"][:30] == bob.request("DELETE", path).json()["detail"][:30]
        assert state(alice, job)["state"] == "running"
        assert alice.request("DELETE", job).status == 204
        view = wait_for(alice, queued)
        assert view["state"] == "succeeded" and view["report"] == queued.replace("jobs", "reports"), view
        assert alice.request("GET", queued + "/result").status == 200
        assert_problem(bob.request("GET", queued + "/result"), 404, "not-found")
        assert listed(alice) == [view["report"]] and listed(bob) == []


@on_each_store
def test_reports_belong_to_a_token(store):
    with clients(store) as (alice, bob):
        hers, his = save(alice), save(bob)
        assert listed(alice) == [hers] and listed(bob) == [his]
        assert listed(bob, "?name=a+name&model=test") == [his]
        assert listed(bob, "?after=" + hers.rpartition("/")[2]) == []
        assert alice.request("GET", hers).status == 200
        for method in "GET", "DELETE":
            assert_problem(bob.request(method, hers), 404, "not-found", "no saved report")
        baseline = hers.rpartition("/")[2]
        assert alice.request("POST", f"{DIAGNOSE}?baseline={baseline}", model()).status == 200
        for response in (bob.request("POST", f"{DIAGNOSE}?baseline={baseline}", model()),
                         bob.request("GET", f"{his}?baseline={baseline}"),
                         bob.request("POST", f"{DIAGNOSE}?baseline={baseline}", model(), Prefer="respond-async")):
            assert_problem(response, 422, "unknown-baseline", "no saved report")
        job = submit(alice, target=f"{DIAGNOSE}?baseline={baseline}&save=y")
        assert wait_for(alice, job)["state"] == "succeeded"
        assert alice.request("DELETE", hers).status == 204
        assert_problem(alice.request("DELETE", hers), 404, "not-found")
        assert listed(bob) == [his]


@on_each_store
def test_keys_belong_to_a_token(store):
    with clients(store) as (alice, bob):
        hers = submit(alice, Idempotency_Key="k")
        his = submit(bob, model("other"), Idempotency_Key="k")
        assert hers != his
        assert submit(alice, Idempotency_Key="k") == hers and submit(bob, model("other"), Idempotency_Key="k") == his
        other = alice.request("POST", DIAGNOSE, model("other"), Prefer="respond-async", Idempotency_Key="k")
        assert_problem(other, 422, "idempotency-key-reused")


@on_each_store
def test_a_name_keeps_what_it_has(store):
    """A new token under an old name has what the old one had; what was made without tokens is for servers without."""
    with Server("--store", store.url) as server:
        nobodys, job = save(server), submit(server)
        wait_for(server, job)
    with clients(store) as (alice, bob):
        hers = save(alice)
        for client in alice, bob:
            assert_problem(client.request("GET", nobodys), 404, "not-found")
            assert_problem(client.request("GET", job), 404, "not-found")
    with tokens(alice="three") as path, Server("--store", store.url, "--tokens", path) as server:
        assert listed(Client(server, "three")) == [hers]
    with Server("--store", store.url) as server:
        assert listed(server) == [nobodys] and server.request("GET", job).status == 200


@on_each_store
def test_a_report_is_deleted(store):
    with Server("--store", store.url) as server:
        job = submit(server, target=DIAGNOSE + "?save=x")
        report = wait_for(server, job)["report"]
        assert server.request("DELETE", report).status == 204
        for method in "GET", "HEAD":
            assert server.request(method, report).status == 404
        assert_problem(server.request("DELETE", report), 404, "not-found", "no saved report")
        # The job has its result, and points to no report any more.
        assert "report" not in state(server, job)
        result = server.request("GET", job + "/result")
        assert result.status == 200 and "location" not in result.headers, result


@on_each_store
def test_the_oldest_reports_make_room(store):
    with clients(store, "--report-limit", "2") as (alice, bob):
        his = save(bob)
        first, second = save(alice, "1"), save(alice, "2")
        third = save(alice, "3")
        assert listed(alice) == [third, second]
        assert_problem(alice.request("GET", first), 404, "not-found")
        # What was a baseline just now is not the oldest.
        assert alice.request("POST", f"{DIAGNOSE}?baseline={second.rpartition('/')[2]}", model()).status == 200
        fourth = save(alice, "4")
        assert listed(alice) == [fourth, second]
        job = submit(alice, target=DIAGNOSE + "?save=5")
        fifth = wait_for(alice, job)["report"]
        assert listed(alice) == [fifth, fourth] and listed(bob) == [his]
    with clients(store, "--report-limit", "1") as (alice, bob):
        last = save(alice)
        assert listed(alice) == [last] and listed(bob) == [his]


@on_each_store
def test_reports_are_kept_for_a_time(store):
    with Server("--store", store.url) as server:
        old, used, new = (save(server, name) for name in ("old", "used", "new"))
        wait_for(server, submit(server))
    store.script("UPDATE stability_reports SET created = created - 1000 WHERE name IN ('old', 'used')")
    with Server("--store", store.url) as server:
        assert server.request("POST", f"{DIAGNOSE}?baseline={used.rpartition('/')[2]}", model()).status == 200
    with Server("--store", store.url, "--report-keep", "900") as server:
        wait_until(lambda: server.request("GET", old).status == 404)
        assert listed(server) == [new, used]
        query = f"?baseline={old.rpartition('/')[2]}"
        assert_problem(server.request("POST", DIAGNOSE + query, model()), 422, "unknown-baseline", "no saved report")


@on_each_store
def test_a_result_outlives_its_baseline(store):
    """A job that has succeeded has its result, whatever becomes of the report that it was compared with."""
    layers = [{"name": f"act{i}", "type": "Sigmoid"} for i in range(30)]
    body = {"model": {"layers": layers, "loss": {"type": "MSELoss"}},
            "data": {name: {"random": "normal", "shape": [8, 16]} for name in ("input", "target")}}
    with Server("--store", store.url) as server:
        report = server.request("POST", DIAGNOSE + "?save=x", body).headers["location"]
        query = f"?fail_on=info&baseline={report.rpartition('/')[2]}"
        job = submit(server, body, DIAGNOSE + query)
        wait_for(server, job)
        assert server.request("GET", job + "/result").status == 200
        assert server.request("DELETE", report).status == 204
        assert server.request("GET", job + "/result").status == 200
        assert server.request("GET", job + "/result?fail_on=error").status == 200
        assert_problem(server.request("POST", DIAGNOSE + query, body), 422, "unknown-baseline")
        plain = submit(server, body, DIAGNOSE + "?fail_on=info")
        wait_for(server, plain)
        assert server.request("GET", plain + "/result").status == 412


@on_each_store
def test_older_tables_are_brought_up_to_date(store):
    """What a store of the first version holds is there afterwards, and what was queued is done."""
    with Server() as server:
        server.request("POST", DIAGNOSE, model())
    body = "7b7d"  # "{}", in hexadecimal
    literal = f"X'{body}'" if isinstance(store, SQLite) else f"'\\x{body}'"
    ids = [digit * 32 for digit in "abc"]
    store.script(store.migration("0001_jobs_and_reports") + f"""
        CREATE TABLE stability_migrations (number BIGINT PRIMARY KEY, name TEXT NOT NULL);
        INSERT INTO stability_migrations VALUES (1, '0001_jobs_and_reports');
        INSERT INTO stability_jobs VALUES ('{ids[0]}', '/v1/diagnose', '', 0, {literal}, 'digest', 'key', 'queued', 0, 0,
            NULL, NULL, '', 0, 0, 1e9, NULL, NULL, NULL, NULL, 0);
        INSERT INTO stability_jobs VALUES ('{ids[1]}', '/v1/diagnose', '', 0, NULL, 'digest', NULL, 'cancelled', 0, 0,
            NULL, NULL, '', 0, 0, 1e9, NULL, 2e9, NULL, NULL, 0);
        INSERT INTO stability_reports VALUES ('{ids[2]}', 'old', 'diagnose', 'm', 'stable', 1e9, {literal});
        """)
    with Server("--store", store.url, "--report-keep", "1000000000") as server:
        view = wait_for(server, "/v1/jobs/" + ids[0])
        assert view["state"] == "failed" and view["status"] == 422, view
        assert state(server, "/v1/jobs/" + ids[1])["state"] == "cancelled"
        assert listed(server) == ["/v1/reports/" + ids[2]]
        other = server.request("POST", DIAGNOSE, model(), Prefer="respond-async", Idempotency_Key="key")
        assert_problem(other, 422, "idempotency-key-reused")
        new = save(server)
        assert listed(server) == [new, "/v1/reports/" + ids[2]]
        migrations = [line for line in server.read_log().splitlines() if "migration" in line]
        assert len(migrations) == 1 and "0002" in migrations[0], migrations


if __name__ == "__main__":
    try:
        run_tests(globals())
    finally:
        if postgresql.cache_info().currsize:
            postgresql().__exit__()
