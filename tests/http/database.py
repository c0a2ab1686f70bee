"""A PostgreSQL server for a test: its own directory, reached over a Unix socket in it, gone at the end."""
import glob
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading

NAME = ".s.PGSQL.5432"  # of the socket
BINARIES = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))


def is_there():
    return bool(BINARIES)


class Database:
    """As `with Database() as database`: `url` is what --store takes."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="pg", dir="/tmp")
        self.binaries = os.path.dirname(BINARIES[-1])
        self.data = os.path.join(self.directory, "data")
        # PostgreSQL refuses to run as root.
        self.user = {}
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            self.user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            os.chown(self.directory, account.pw_uid, account.pw_gid)
        os.chmod(self.directory, 0o755)
        self.url = f"postgresql:///postgres?host={self.directory}&user=tester"
        self.run("initdb", "-D", self.data, "-U", "tester", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
        self.start()

    def run(self, program, *arguments, check=True):
        return subprocess.run([os.path.join(self.binaries, program), *arguments], check=check, cwd=self.directory,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **self.user)

    def start(self):
        options = f"-c listen_addresses='' -c unix_socket_directories='{self.directory}' -c fsync=off -c max_connections=100"
        # Its output goes to a file: pg_ctl leaves the server with the descriptors that it has itself.
        self.run("pg_ctl", "-D", self.data, "-l", os.path.join(self.directory, "log"), "-w", "-t", "60", "-o", options,
                 "start")

    def stop(self, mode="immediate"):
        self.run("pg_ctl", "-D", self.data, "-w", "-m", mode, "stop", check=False)

    def query(self, sql):
        """The rows, as text, columns separated by |."""
        result = self.run("psql", "-X", "-A", "-t", "-h", self.directory, "-U", "tester", "-d", "postgres", "-c", sql)
        return result.stdout.strip().splitlines()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


class Proxy:
    """Between a server and its database: `url` is what --store takes. It cuts the connection that carries the answer
    number `cut`, counted from when that was set, in place of it: the database has done what was asked."""

    def __init__(self, database):
        self.directory = tempfile.mkdtemp(prefix="proxy", dir="/tmp")
        self.url = database.url.replace(database.directory, self.directory)
        self.target = os.path.join(database.directory, NAME)
        self.lock = threading.Lock()
        self.cut = 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(self.directory, NAME))
        self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self.target)
            except OSError:
                client.close()
                continue
            for source, target, answers in (client, server, False), (server, client, True):
                threading.Thread(target=self.carry, args=(source, target, answers), daemon=True).start()

    def is_cut(self):
        with self.lock:
            self.cut -= 1
            return self.cut == 0

    def carry(self, source, target, answers):
        try:
            while piece := source.recv(1 << 20):
                if answers and self.is_cut():
                    break
                target.sendall(piece)
        except OSError:
            pass
        for end in source, target:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        shutil.rmtree(self.directory, ignore_errors=True)
