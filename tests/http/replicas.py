"""Several servers on one PostgreSQL that are killed at random moments while clients send jobs."""
import contextlib
import http.client
import json
import random
import threading
import time
import uuid

from database import Database
from support import PATIENCE, Server, model

LEASE = "1"


def watch_ends(database):
    """Has the database itself note every change of a job to a final state."""
    database.query("""
        CREATE TABLE ends (id text, state text);
        CREATE FUNCTION note_end() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO ends VALUES (NEW.id, NEW.state); RETURN NULL; END';
        CREATE TRIGGER note_end AFTER UPDATE ON stability_jobs FOR EACH ROW
            WHEN (NEW.state IN (''succeeded'', ''failed'', ''cancelled'')) EXECUTE FUNCTION note_end();
        """.replace("''", "'").replace("AS\n            'BEGIN", "AS\n            $$BEGIN").replace("END';", "END$$;"))


class Fleet:
    """Replicas that can be killed and come back. `ports` gives each of them a fixed port; by default the kernel
    chooses."""

    def __init__(self, url, count, ports=None):
        self.options = ["--store", url, "--job-lease", LEASE, "--threads", "1", "--report-limit", "1000000"]
        self.ports = ports or [0] * count
        self.servers = [self.start(i) for i in range(count)]
        self.kills = 0

    def start(self, index):
        return Server(*self.options, "--port", str(self.ports[index]))

    def kill(self, index):
        old = self.servers[index]
        old.process.kill()
        old.process.wait()
        self.kills += 1
        self.servers[index] = self.start(index)

    def kill_all(self):
        """At an end that may be none: nothing stays."""
        for server in self.servers:
            server.process.kill()
            server.process.wait()

    def stop(self):
        for server in self.servers:
            if server.process.poll() is None:
                assert server.stop() == 0, server.log


def ask(port, method, target, body=None, headers=None):
    """(status, headers, body), or None where the connection broke."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, target, body, headers or {})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def ask_until(choose_port, accept, end, *request):
    """Asks until the status is one of those accepted, as a client that tries again would."""
    while True:
        answer = ask(choose_port(), *request)
        if answer is not None and answer[0] in accept:
            return answer
        assert answer is None or answer[0] in (502, 503, 504), answer
        assert time.monotonic() < end, f"{request[:2]} is not answered: {answer}"
        time.sleep(0.05)


def medium_model(name):
    """Work for some hundredths of a second: long enough to be killed in."""
    linear = {"type": "Linear", "in_features": 256, "out_features": 256}
    layers = [{"name": f"fc{i}", **linear} for i in range(20)]
    return {"model": {"name": name, "layers": layers, "loss": {"type": "MSELoss"}},
            "data": {part: {"random": "normal", "shape": [32, 256]} for part in ("input", "target")}}


class Storm:
    """Clients that send jobs, each until it is accepted, and a killer; then every accepted job must end once."""

    def __init__(self, fleet, choose_port, seconds, seed, patience=PATIENCE):
        self.fleet, self.choose_port, self.seed = fleet, choose_port, seed
        self.end = time.monotonic() + seconds
        self.patience = patience
        self.accepted = {}
        self.failures = []
        self.lock = threading.Lock()

    def client(self, number):
        chance = random.Random(f"{self.seed} client {number}")
        count = 0
        try:
            while time.monotonic() < self.end:
                count += 1
                name = f"{number}-{count}"
                body = json.dumps((medium_model if chance.random() < 0.5 else model)(name))
                headers = {"Prefer": "respond-async", "Idempotency-Key": str(uuid.uuid4())}
                answer = ask_until(self.choose_port, (202,), self.end + self.patience, "POST",
                                   "/v1/diagnose?save=" + name, body, headers)
                with self.lock:
                    assert answer[1]["Location"] not in self.accepted, "two requests got one job"
                    self.accepted[answer[1]["Location"]] = name
                time.sleep(0.1 + chance.random() * 0.3)
        except Exception as error:  # told by the thread that waits
            self.failures.append(error)

    def killer(self):
        chance = random.Random(f"{self.seed} killer")
        try:
            while True:
                time.sleep(0.3 + chance.random() * 1.5)
                if time.monotonic() >= self.end:
                    return
                self.fleet.kill(chance.randrange(len(self.fleet.servers)))
        except Exception as error:
            self.failures.append(error)

    def run(self, clients):
        threads = [threading.Thread(target=self.client, args=(i,)) for i in range(clients)]
        threads.append(threading.Thread(target=self.killer))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not self.failures, self.failures

    def check(self, database):
        """Waits until all jobs have ended; then looks at the database, and at every result."""
        deadline = time.monotonic() + self.patience
        while database.query("SELECT 1 FROM stability_jobs WHERE state IN ('queued', 'running') LIMIT 1"):
            assert time.monotonic() < deadline, database.query("SELECT id, state, attempt, tries, lease - stability_now()"
                                                               " FROM stability_jobs WHERE state IN ('queued', 'running')")
            time.sleep(0.1)
        ends = dict(row.split("|") for row in database.query("SELECT id, count(*) FROM ends GROUP BY id"))
        ids = {job.removeprefix("/v1/jobs/") for job in self.accepted}
        stored = set(database.query("SELECT id FROM stability_jobs"))
        assert stored == ids, f"accepted but unknown {ids - stored}, known but never accepted {stored - ids}"
        assert set(ends) == ids and set(ends.values()) == {"1"}, ends
        states = database.query("SELECT DISTINCT state FROM stability_jobs")
        assert states == ["succeeded"], states
        reports = database.query("SELECT id FROM stability_reports")
        missing, strange = ids - set(reports), set(reports) - ids
        assert sorted(reports) == sorted(ids), f"each job saves one report: {missing} did not, {strange} are of none"
        for job, name in self.accepted.items():
            answer = ask_until(self.choose_port, (200,), deadline, "GET", job + "/result")
            assert json.loads(answer[2])["summary"]["model"] == name, (job, name)
        again = database.query("SELECT count(*) FROM stability_jobs WHERE attempt > 1")
        return f"{len(ids)} jobs, {self.fleet.kills} kills, {again[0]} jobs begun more than once"


def storm(count, seconds, seed, clients=3):
    with Database() as database, contextlib.ExitStack() as stack:
        fleet = Fleet(database.url, count)
        stack.callback(fleet.kill_all)
        watch_ends(database)
        chance = random.Random(seed)
        run = Storm(fleet, lambda: chance.choice(fleet.servers).port, seconds, seed)
        run.run(clients)
        told = run.check(database)
        fleet.stop()
        return told
