#!/usr/bin/env python3
"""One server under 64 clients with requests of all sizes: each is answered once, by its own report or by a refusal with
Retry-After, small ones are not held up for long, and the process keeps within --memory.

  tests/http/soak_load.py STABILITYD [SECONDS [SEED]]      default: 600 seconds"""
import base64
import collections
import gzip
import json
import os
import pickle
import random
import re
import struct
import sys
import threading
import time

from support import Server, model, request, wait_until

CLIENTS = 64
PROCESSES = 4
MEMORY = 256 << 20
PROGRAM = 32 << 20  # what the process has without any request, and connections
DIAGNOSE, GRADCHECK = "/v1/diagnose", "/v1/gradcheck"
# In place of the model's name until it is sent: as long as the names are.
NAME = "client-00-000000"


def is_sanitized():
    """Sanitizers have memory of their own, and no time."""
    with open(sys.argv[1], "rb") as file:
        program = file.read()
    return b"__asan_" in program or b"__tsan_" in program


def linear_model(features, tensor, layers=2):
    """A chain of square layers, whose weights are written by `tensor`."""
    chain = [{"name": f"fc{i}", "type": "Linear", "in_features": features, "out_features": features} for i in range(layers)]
    return {"model": {"name": NAME, "layers": chain, "loss": {"type": "MSELoss"}},
            "weights": {f"fc{i}.weight": tensor(features) for i in range(layers)},
            "data": {part: {"random": "normal", "shape": [8, features]} for part in ("input", "target")}}


def nested(features):
    return [[((i * 31 + j * 17) % 200 - 100) / 1000 for j in range(features)] for i in range(features)]


def packed(features):
    values = struct.pack(f"<{features}f", *(((i * 37) % 200 - 100) / 1000 for i in range(features)))
    return {"dtype": "float32", "shape": [features, features], "base64": base64.b64encode(values * features).decode()}


def kinds():
    """(how often, name, target, body, headers); a body has the model's name as NAME."""
    small = json.dumps(model(NAME)).encode()
    medium = json.dumps(linear_model(100, nested)).encode()
    large = json.dumps(linear_model(200 if is_sanitized() else 1000, packed)).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (small[:100], small[100:200], small[200:])) + b"0\r\n\r\n"
    return [
        (50, "small", DIAGNOSE, small, {}),
        (5, "small, every analysis", DIAGNOSE, json.dumps({**model(NAME), "options": {"analyses": ["precision", "training"]}}).encode(), {}),
        (5, "gradient check", GRADCHECK, small, {}),
        (5, "chunked", DIAGNOSE, chunks, {"Transfer_Encoding": "chunked"}),
        (20, "medium", DIAGNOSE, medium, {}),
        (5, "compressed", DIAGNOSE, medium, {"Content_Encoding": "gzip"}),
        (4, "large", DIAGNOSE, large, {}),
    ]


class Kind:
    """A kind of request, ready to be sent under any name."""

    def __init__(self, weight, label, target, body, headers):
        self.weight, self.label, self.target = weight, label, target
        before, _, after = body.partition(NAME.encode())
        length = len(body)
        self.pack = bytes
        if headers.get("Content_Encoding") == "gzip":  # members one behind the other, the name's always as long
            before, after = gzip.compress(before), gzip.compress(after)
            self.pack = lambda name: gzip.compress(name, 0)
            length = len(before) + len(self.pack(NAME.encode())) + len(after)
        if "Transfer_Encoding" not in headers:
            headers = {**headers, "Content_Length": length}
        self.before, self.after = request("POST", target, None, **headers) + before, after

    def message(self, name):
        return b"".join((self.before, self.pack(name.encode()), self.after))


class Clients:
    """The clients of one process, each in a thread; what they saw is in `times`, `statuses` and `failures`."""

    def __init__(self, server, seconds, seed):
        self.server, self.seed = server, seed
        self.end = time.monotonic() + seconds
        self.kinds = [Kind(*kind) for kind in kinds()]
        self.weights = [kind.weight for kind in self.kinds]
        self.lock = threading.Lock()
        self.times = collections.defaultdict(list)
        self.statuses = collections.Counter()
        self.abandoned = 0
        self.failures = []

    def count(self, kind, response, seconds):
        with self.lock:
            self.statuses[response.status] += 1
            if response.status == 200:
                self.times[kind.label].append(seconds)

    def exchange(self, connection, kind, name):
        """The next response; a refusal may come before all of the body is sent."""
        sent = False
        try:
            try:
                connection.send(kind.message(name))
                sent = True
            except (BrokenPipeError, ConnectionResetError):
                pass
            return connection.response()
        except TimeoutError as error:
            local = connection.socket.getsockname()
            raise AssertionError(f"{kind.label} {name} from port {local[1]}: "
                                 + ("no answer comes" if sent else "nobody reads")) from error

    def ask(self, connection, kind, name):
        """Asks until there is a report; returns the connection that goes on."""
        while True:
            started = time.monotonic()
            response = self.exchange(connection, kind, name)
            assert response is not None, f"{kind.label} {name}: no answer"
            assert not connection.unread, f"{kind.label} {name}: more than an answer: {connection.unread[:200]}"
            self.count(kind, response, time.monotonic() - started)
            if response.status == 200:
                assert kind.target == GRADCHECK or f'"model":"{name}"'.encode() in response.body, f"{name}: {response}"
                return connection
            assert response.status in (429, 503) and int(response.headers["retry-after"]) >= 1, response
            if response.headers.get("connection") == "close":
                connection.socket.close()
                connection = self.server.connect()
            time.sleep(0.2)

    def abandon(self, chance, kind, name):
        """A client that leaves in the middle of its request; the server may have refused it already."""
        with self.lock:
            self.abandoned += 1
        with self.server.connect() as connection:
            data = kind.message(name)
            try:
                connection.send(data[:chance.randrange(len(data) - 1)])
            except (BrokenPipeError, ConnectionResetError):
                pass

    def client(self, number):
        chance = random.Random(f"{self.seed} client {number}")
        connection = self.server.connect()
        count = 0
        try:
            while time.monotonic() < self.end:
                count += 1
                kind, = chance.choices(self.kinds, self.weights)
                name = f"client-{number:02}-{count:06}"
                draw = chance.random()
                if draw < 0.02:
                    self.abandon(chance, kind, name)
                elif draw < 0.1:
                    connection.socket.close()
                    connection = self.server.connect()
                connection = self.ask(connection, kind, name)
        except Exception as failure:  # told by the process that waits
            self.failures.append(f"client {number}: {failure!r}")
        finally:
            connection.socket.close()

    def run(self, numbers):
        threads = [threading.Thread(target=self.client, args=(number,)) for number in numbers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.times, self.statuses, self.abandoned, self.failures


class Watch(threading.Thread):
    """How much memory the server has at most."""

    def __init__(self, server):
        super().__init__()
        self.server, self.largest, self.over = server, 0, threading.Event()

    def run(self):
        while not self.over.wait(0.1):
            with open(f"/proc/{self.server.process.pid}/statm", encoding="ascii") as file:
                self.largest = max(self.largest, int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE"))


def answers_counted(metrics):
    """How many answers of each status the server says that it gave."""
    counted = collections.Counter()
    for labels, number in re.findall(r"^stabilityd_http_requests_total\{(.*?)\} (\S+)$", metrics, re.M):
        if 'method="POST"' in labels:
            counted[int(re.search(r'status="(\d+)"', labels)[1])] += int(float(number))
    return counted


def is_idle(server):
    return b"\nstabilityd_memory_reserved_bytes 0\n" in server.request("GET", "/metrics").body


def tell(times, statuses, abandoned, largest, seconds):
    print(f"{sum(statuses.values())} requests in {seconds:.0f} s, each answered once: "
          + ", ".join(f"{number} with {status}" for status, number in sorted(statuses.items()))
          + f"; {abandoned} abandoned")
    for label, values in sorted(times.items()):
        values.sort()
        middle, late = values[len(values) // 2], values[int(len(values) * 0.99)]
        print(f"  {label}: {len(values)}; median {middle * 1000:.1f} ms, p99 {late * 1000:.1f} ms, "
              f"longest {values[-1] * 1000:.0f} ms")
    print(f"  resident: {largest / (1 << 20):.0f} MiB at most; --memory is {MEMORY >> 20} MiB", flush=True)


def soak(server, seconds, seed):
    def part(index):
        return Clients(server, seconds, seed).run(range(index, CLIENTS, PROCESSES))

    watch = Watch(server)
    watch.start()
    started = time.monotonic()
    parts = in_processes(part, PROCESSES)
    watch.over.set()
    watch.join()
    times, statuses, abandoned, failures = collections.defaultdict(list), collections.Counter(), 0, []
    for more_times, more_statuses, more_abandoned, more_failures in parts:
        for label, values in more_times.items():
            times[label] += values
        statuses += more_statuses
        abandoned += more_abandoned
        failures += more_failures
    tell(times, statuses, abandoned, watch.largest, time.monotonic() - started)
    assert not failures, failures[:3]
    wait_until(lambda: is_idle(server), 20)
    counted = answers_counted(server.request("GET", "/metrics").body.decode())
    assert counted[200] == statuses[200], f"{statuses} came, {counted} were counted"
    assert 0 <= (counted - statuses).total() <= abandoned, f"{statuses} came, {counted} were counted, {abandoned} abandoned"
    assert not statuses - counted, f"{statuses} came, {counted} were counted"
    assert is_sanitized() or watch.largest < MEMORY + PROGRAM, f"{watch.largest} bytes resident, {MEMORY} allowed"


def in_processes(function, count):
    """[function(0), function(1), …], each computed by a process of its own."""
    pipes = []
    for index in range(count):
        reader, writer = os.pipe()
        if os.fork() == 0:
            with os.fdopen(writer, "wb") as file:
                pickle.dump(function(index), file)
            os._exit(0)
        os.close(writer)
        pipes.append(os.fdopen(reader, "rb"))
    results = [pickle.load(pipe) for pipe in pipes]
    for pipe in pipes:
        pipe.close()
        os.wait()
    return results


def main():
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 600
    seed = sys.argv[3] if len(sys.argv) > 3 else str(random.randrange(1 << 32))
    print(f"seed {seed}", flush=True)
    with Server("--memory", str(MEMORY), "--log-level", "error") as server:
        soak(server, seconds, seed)


if __name__ == "__main__":
    main()
