#!/usr/bin/env python3
"""Two and three servers on one PostgreSQL, behind HAProxy, killed with -9 at random moments.

  tests/http/soak_replicas.py STABILITYD [SECONDS [SEED]]

SECONDS (60) is the time that each number of servers is under fire."""
import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from database import Database
from replicas import Fleet, Storm, ask, watch_ends
from support import wait_until

CONFIGURATION = """
global
    maxconn 512
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    option redispatch
    retries 3
frontend all
    bind 127.0.0.1:{port}
    default_backend replicas
backend replicas
    balance roundrobin
    option httpchk GET /readyz
    default-server check inter 200ms fall 1 rise 1
{servers}
"""


def free_ports(count):
    """Ports that nobody has now; a server binds them a moment later."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Balancer:
    def __init__(self, ports):
        self.port, = free_ports(1)
        self.directory = tempfile.mkdtemp()
        path = os.path.join(self.directory, "haproxy.cfg")
        servers = "\n".join(f"    server s{i} 127.0.0.1:{port}" for i, port in enumerate(ports))
        with open(path, "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(port=self.port, servers=servers))
        self.process = subprocess.Popen(["haproxy", "-db", "-q", "-f", path], stderr=subprocess.DEVNULL)
        wait_until(lambda: (ask(self.port, "GET", "/readyz") or (0,))[0] == 200)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.directory)


def soak(count, seconds, seed):
    with Database() as database, contextlib.ExitStack() as stack:
        ports = free_ports(count)
        fleet = Fleet(database.url, count, ports)
        stack.callback(fleet.kill_all)
        watch_ends(database)
        balancer = Balancer(ports)
        stack.callback(balancer.stop)
        started = time.monotonic()
        run = Storm(fleet, lambda: balancer.port, seconds, seed)
        run.run(clients=8)
        told = run.check(database)
        fleet.stop()
        print(f"{count} servers: {told}; every one ended once ({time.monotonic() - started:.0f} s)", flush=True)


if __name__ == "__main__":
    duration = float(sys.argv[2]) if len(sys.argv) > 2 else 60
    chosen = sys.argv[3] if len(sys.argv) > 3 else str(random.randrange(1 << 32))
    print(f"seed {chosen}", flush=True)
    for number in 2, 3:
        soak(number, duration, f"{chosen} {number}")
