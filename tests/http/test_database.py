#!/usr/bin/env python3
"""PostgreSQL that fails: connections that are cut in the middle of a request, and errors that it answers with."""
import sys

import database
from jobs import ENDED, state, submit, wait_for
from support import Server, assert_problem, model, run_tests, wait_until

DIAGNOSE = "/v1/diagnose"
MOST_ANSWERS = 200

# A trigger that does something to its own connection, the next time that a table is written.
TRIGGER = """
    CREATE SEQUENCE {name}_calls;
    CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('{name}_calls') = {call} THEN {action}; END IF;
        RETURN {row};
    END $$;
    CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()
"""
CUT = "PERFORM pg_terminate_backend(pg_backend_pid())"


def trigger(base, event, table, action, call=1):
    name = f"break_{event.lower()}"
    base.query(TRIGGER.format(name=name, event=event, table=table, action=action, call=call,
                              row="OLD" if event == "DELETE" else "NEW"))
    return lambda: base.query(f"DROP FUNCTION {name} CASCADE; DROP SEQUENCE {name}_calls")


def use(server):
    """Each request that the store has a part in; returns what was made."""
    saved = server.request("POST", DIAGNOSE + "?save=x", model())
    assert saved.status == 200, saved
    report = saved.headers["location"]
    baseline = report.rpartition("/")[2]
    assert server.request("GET", report).body == saved.body
    assert server.request("POST", f"{DIAGNOSE}?baseline={baseline}", model()).status == 200
    assert report.endswith(server.request("GET", "/v1/reports").json()["reports"][0]["id"])
    job = submit(server, target=DIAGNOSE + "?save=y")
    cancelled = submit(server)
    assert server.request("DELETE", cancelled).status in (200, 204)
    view = wait_for(server, job)
    assert view["state"] == "succeeded", view
    assert server.request("GET", job + "/result").status == 200
    assert server.request("DELETE", report).status == 204
    assert server.request("GET", report).status == 404
    return job


def test_a_connection_is_cut_while_it_works():
    """In the middle of each kind of statement: what was begun is undone, and done again on another connection."""
    with database.Database() as base, Server("--store", base.url, "--threads", "1", "--job-lease", "1") as server:
        for table in "stability_reports", "stability_jobs":
            for event in "INSERT", "UPDATE", "DELETE":
                remove = trigger(base, event, table, CUT)
                job = use(server)
                assert base.query(f"SELECT count(*) FROM stability_jobs WHERE id = '{job[-32:]}'") == ["1"]
                assert base.query(f"SELECT count(*) FROM stability_reports WHERE id = '{job[-32:]}'") == ["1"]
                remove()
        assert base.query("SELECT count(*) FROM stability_jobs WHERE state IN ('queued', 'running')") == ["0"]


def test_each_answer_of_the_database_is_lost():
    """It has done what was asked, and the server does not hear of it: nothing is lost, and nothing is there twice."""
    with database.Database() as base, database.Proxy(base) as proxy, \
            Server("--store", proxy.url, "--threads", "1", "--job-lease", "1") as server:
        use(server)
        for number in range(1, MOST_ANSWERS):
            before = int(base.query("SELECT count(*) FROM stability_jobs")[0])
            proxy.cut = number
            use(server)
            if proxy.cut > 0:  # so many were not asked for
                break
            assert int(base.query("SELECT count(*) FROM stability_jobs")[0]) == before + 2
        else:
            raise AssertionError("there is no end of answers")
        proxy.cut = 0
        wait_until(lambda: base.query("SELECT count(*) FROM stability_jobs WHERE state IN ('queued', 'running')") == ["0"])
        assert base.query("SELECT count(*) FROM stability_reports WHERE name = 'x'") == ["0"]


def test_errors_of_the_database():
    """What the database says, in the server's words; the next request is none the worse."""
    with database.Database() as base, Server("--store", base.url, "--threads", "1") as server:
        for state_code, code, detail in (("53100", "store-full", "no room"), ("54000", "store-full", "as large"),
                                         ("53200", "out-of-memory", "no memory"), ("53300", "store-unavailable", "overloaded"),
                                         ("40P01", "store-unavailable", "gave the work up"),
                                         ("57P01", "store-unavailable", "going down"),
                                         ("25006", "store-unavailable", "no changes"), ("XX000", "internal-error", "failed")):
            action = f"RAISE EXCEPTION 'broken' USING ERRCODE = '{state_code}'"
            remove = trigger(base, "INSERT", "stability_reports", action + "; ELSE " + action)
            response = server.request("POST", DIAGNOSE + "?save=x", model())
            assert_problem(response, 500 if code == "internal-error" else 503, code, detail)
            assert "location" not in response.headers, response
            # A job whose report cannot be kept fails with the reason; the server's own trouble is tried again.
            job = submit(server, model(), DIAGNOSE + "?save=x")
            if code == "store-unavailable":
                wait_until(lambda: state(server, job)["state"] == "running")
            else:
                view = wait_for(server, job)
                assert view["state"] == "failed" and view["error"]["code"] == code, view
            remove()
            view = wait_for(server, job, *ENDED)
            assert view["state"] == ("succeeded" if code == "store-unavailable" else "failed"), view
            assert server.request("POST", DIAGNOSE + "?save=x", model()).status == 200


if __name__ == "__main__":
    if not database.is_there():
        print("skipped: there is no PostgreSQL here (script/setup test installs it)")
        sys.exit(77)
    run_tests(globals())
