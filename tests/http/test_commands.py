#!/usr/bin/env python3
"""The command line: check, healthcheck, version, help, and the options that serve refuses."""
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
from pathlib import Path

from support import PATIENCE, Server, model, run_tests, wait_until

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
COLOUR = re.compile(rb"\x1b\[[0-9;]*m")


def run(*arguments, data=None, environment=None):
    return subprocess.run([sys.argv[1], *arguments], input=data, capture_output=True, timeout=PATIENCE, check=False,
                          env={**os.environ, **(environment or {})})


def exploding():
    """A model whose gradients are far beyond the acceptable range."""
    body = model()
    body["weights"]["fc.weight"] = [[1e6, -2e6], [3e6, 4e6], [-5e6, 6e6]]
    return body


def test_version():
    result = run("version")
    assert result.returncode == 0 and re.fullmatch(rb"stabilityd \d+\.\d+\.\d+\n", result.stdout), result
    assert run("--version").stdout == result.stdout
    assert run("version", "x").returncode == 2


def test_help():
    result = run("help")
    assert result.returncode == 0 and b"check" in result.stdout, result
    assert run("--help").stdout == result.stdout
    result = run()
    assert result.returncode == 2 and b"serve" in result.stdout, result
    for command in "serve", "check", "healthcheck":
        result = run(command, "--help")
        assert result.returncode == 0 and result.stdout.startswith(b"Usage: stabilityd " + command.encode()), result
        options = set(re.findall(r"^  --([a-z-]+)", result.stdout.decode(), re.M))
        named = set(re.findall(r"environment: STABILITYD_([A-Z_]+)", result.stdout.decode()))
        assert "help" in options and {name.lower().replace("_", "-") for name in named} <= options, result
        assert (command == "check") == (not named), result


def test_help_of_a_command():
    for command in "serve", "check", "healthcheck", "completion":
        result = run("help", command)
        assert result.returncode == 0 and result.stdout == run(command, "--help").stdout and b"Examples:" in result.stdout, result
    assert b"did you mean 'check'" in run("help", "chekc").stderr
    formats = re.search(r"'check --format'\) COMPREPLY\+=\(\$\(compgen -W '([^']*)'", run("completion", "bash").stdout.decode())[1]
    told = re.search(r"output format of the report: (.*)", run("check", "--help").stdout.decode())[1]
    assert re.split(", | or ", told) == formats.split(), (told, formats)


def test_unknown_words():
    for arguments, message in [
        (["serv"], b"no command 'serv': did you mean 'serve'?"),
        (["serve", "--prot", "1"], b"no option '--prot': did you mean 'port'?"),
        (["serve", "--format", "json"], b"no option '--format'"),
        (["serve", "file"], b"'file' is one too many"),
        (["check"], b"check needs a FILE"),
        (["check", "a", "b"], b"'b' is one too many"),
        (["check", "--format", "txt", "-"], b"no format 'txt': did you mean 'text'?"),
        (["check", "--fail-on", "fatal", "-"], b"error, warning or info, not 'fatal'"),
        (["check", "--fail-on"], b"--fail-on needs a value"),
        (["check", "/nowhere/file.json"], b"/nowhere/file.json cannot be opened: No such file or directory"),
        (["check", "/"], b"/ cannot be read: Is a directory"),
    ]:
        result = run(*arguments, data=b"")
        assert result.returncode == 2 and message in result.stderr and not result.stdout, (arguments, result)


def test_serve_refuses():
    for arguments, environment, message in [
        (["--bind", "0.0.0.0"], {}, b"0.0.0.0 is not a loopback address.*--insecure"),
        (["--bind", "::"], {}, b":: is not a loopback address"),
        (["--bind", "not an address"], {}, b"'not an address' is not an address"),
        (["--port", "65536"], {}, b"--port must be an integer from 0 to 65535, not '65536'"),
        (["--port", "x"], {}, b"--port must be an integer"),
        (["--port=-1"], {}, b"--port must be an integer"),
        ([], {"STABILITYD_PORT": "80 80"}, b"STABILITYD_PORT must be an integer .*, not '80 80'"),
        ([], {"STABILITYD_INSECURE": "yes"}, b"STABILITYD_INSECURE must be true or false, not 'yes'"),
        (["--threads", "0"], {}, b"--threads must be an integer from 1"),
        (["--timeout", "soon"], {}, b"--timeout must be a number of seconds"),
        (["--timeout", "nan"], {}, b"--timeout must be a number of seconds"),
        (["--max-body", "12Q"], {}, b"--max-body must be a number of bytes"),
        (["--log-level", "loud"], {}, b"--log-level must be error, warning, info or debug, not 'loud'"),
        (["--bind", ""], {}, b"--bind must be a text"),
    ]:
        result = run("serve", *arguments, environment=environment)
        assert result.returncode == 2 and re.search(message, result.stderr), (arguments, result)


def has_ipv6():
    """Containers often have none."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        return True
    except OSError:
        return False


def test_serve_elsewhere():
    for address in ("0.0.0.0", "::") if has_ipv6() else ("0.0.0.0",):
        with Server("--bind", address, "--insecure") as server:
            server.assert_alive()
    with Server(environment={"STABILITYD_BIND": "0.0.0.0", "STABILITYD_INSECURE": "true"}) as server:
        server.assert_alive()
    for address in ("localhost", "127.0.0.2", "::1") if has_ipv6() else ("localhost", "127.0.0.2"):
        with Server("--bind", address):
            pass


def test_serve_on_a_port_that_is_taken():
    with Server() as server:
        result = run("serve", "--port", str(server.port))
        assert result.returncode == 2 and b"Address already in use" in result.stderr, result


def test_command_line_wins():
    limits = {"STABILITYD_MAX_BODY": "1K", "STABILITYD_TIMEOUT": "5", "STABILITYD_LOG_LEVEL": ""}
    with Server("--timeout", "7.5", environment=limits) as server:
        found = server.request("GET", "/v1/limits").json()["limits"]
        assert found["body_bytes"] == 1024 and found["work_seconds"] == 7.5, found


def test_healthcheck():
    with Server() as server:
        assert run("healthcheck", "--port", str(server.port)).returncode == 0
        result = run("healthcheck", environment={"STABILITYD_PORT": str(server.port)})
        assert result.returncode == 0 and not result.stdout and not result.stderr, result
    result = run("healthcheck", "--port", str(server.port))
    assert result.returncode == 1 and b"nothing answers" in result.stderr, result
    with socket.create_server(("127.0.0.1", 0)) as other:
        healthcheck = subprocess.Popen([sys.argv[1], "healthcheck", "--port", str(other.getsockname()[1])],
                                       stderr=subprocess.PIPE)
        connection, _ = other.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
        healthcheck.communicate(timeout=PATIENCE)
        assert healthcheck.returncode == 1


def test_check_gives_the_server_s_bytes():
    with Server() as server:
        for body in model(), exploding():
            data = json.dumps(body).encode()
            for name in "json", "text":
                served = server.request("POST", f"/v1/diagnose?format={name}", data)
                assert run("check", "--format", name, "-", data=data).stdout == served.body


def test_check():
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(exploding(), file)
        file.flush()
        result = run("check", file.name)
        assert result.returncode == 1 and b"exploding-gradient" in result.stdout and not result.stderr, result
        report = json.loads(run("check", "--format=json", file.name).stdout)
        assert report["verdict"] == "unstable", report
    result = run("check", "-", data=json.dumps(model()).encode())
    assert result.returncode == 0, result
    for severity in "error", "warning", "info":
        result = run("check", "--format", "json", "--fail-on", severity, "-", data=json.dumps(exploding()).encode())
        assert result.returncode == 1, result


def test_check_of_bad_input():
    result = run("check", "-", data=b'{\n  "model": nonsense\n}')
    assert result.returncode == 2 and re.match(rb"stabilityd: -: line 2, column 12: ", result.stderr) and not result.stdout, result
    body = model()
    body["model"]["layers"][0]["type"] = "Linaer"
    result = run("check", "-", data=json.dumps(body).encode())
    assert result.returncode == 2 and b"'Linear'" in result.stderr, result
    assert b"(at /model/layers/0/type)" in result.stderr, result
    with open("/dev/full", "wb") as full:
        result = subprocess.run([sys.argv[1], "check", "-"], input=json.dumps(model()).encode(), stdout=full,
                                stderr=subprocess.PIPE, check=False)
        assert result.returncode == 2 and b"cannot be written" in result.stderr, result



class Terminal:
    """A pseudo-terminal, and what was written to it, its newlines as they were written."""

    def __init__(self, rows=0, columns=0):
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))
        self.data = b""
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        try:
            while piece := os.read(self.master, 65536):
                self.data += piece.replace(b"\r\n", b"\n")
        except OSError:  # the end, on Linux
            pass

    def close(self):
        os.close(self.slave)
        self.reader.join(PATIENCE)
        os.close(self.master)
        return self.data


def run_on_terminal(*arguments, data, streams=("stdout",), rows=0, columns=0, **environment):
    """Runs a command with these streams on a terminal; returns what came there."""
    terminal = Terminal(rows, columns)
    places = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **{name: terminal.slave for name in streams}}
    variables = {name: text for name, text in os.environ.items() if name != "NO_COLOR"}
    subprocess.run([sys.argv[1], *arguments], input=data, timeout=PATIENCE, check=False, **places,
                   env={**variables, "TERM": "xterm", **environment})
    return terminal.close()


def test_colour():
    for body in model(), exploding():
        data = json.dumps(body).encode()
        plain = run("check", "-", data=data).stdout
        painted = run_on_terminal("check", "-", data=data)
        assert not COLOUR.search(plain)
        assert COLOUR.sub(b"", painted) == plain, painted
        verdict = b"\x1b[1;32mSTABLE\x1b[0m" if body == model() else b"\x1b[1;31mUNSTABLE: "
        assert b"verdict        " + verdict in painted, painted
        assert run_on_terminal("check", "-", data=data, NO_COLOR="1") == plain
        assert run_on_terminal("check", "-", data=data, TERM="dumb") == plain
        assert COLOUR.search(run_on_terminal("check", "-", data=data, NO_COLOR=""))
        served = run("check", "--format", "json", "-", data=data).stdout
        assert run_on_terminal("check", "--format", "json", "-", data=data) == served
    assert re.search(rb"fc +Linear .*  \x1b\[1;31mE1\x1b\[0m", painted), painted
    assert re.search(rb"^\x1b\[1;31mE\d  error: exploding-gradient", painted, re.M), painted


def test_terminal_size():
    """Lines fit a narrow terminal, and the verdict stands where a person looks who has scrolled."""
    data = (EXAMPLES / "vanishing-sigmoid.json").read_bytes()
    shown = run_on_terminal("check", "-", data=data, rows=200, columns=72, NO_COLOR="1").decode()
    assert max(map(len, shown.splitlines())) <= 72 and "|gradient|" in shown, shown
    assert shown.count("verdict") == 1, shown
    shown = run_on_terminal("check", "-", data=data, rows=24, columns=200, NO_COLOR="1").decode()
    plain = run("check", "-", data=data).stdout.decode()
    assert shown == plain + "\n" + plain.splitlines()[0] + "\n", shown


def test_progress():
    """Of what takes a while, on a terminal."""
    slow = model() | {"weights": {}, "options": {"analyses": {"training": {"steps": 1000}}}}
    slow["model"]["layers"] = [{"name": f"fc{i}", "type": "Linear", "in_features": 128, "out_features": 128} for i in range(6)]
    slow["data"] = {"input": {"random": "normal", "shape": [128, 128]}, "target": {"random": "normal", "shape": [128, 128]}}
    data = json.dumps(slow).encode()
    shown = run_on_terminal("check", "-", data=data, streams=["stderr"])
    assert shown.startswith(b"\r\x1b[K") and b" of " in shown and shown.endswith(b"\r\x1b[K"), shown
    assert run_on_terminal("check", "-", data=data, streams=["stderr"], TERM="dumb") == b""
    assert run("check", "-", data=json.dumps(model()).encode()).stderr == b""


def test_watch():
    with tempfile.TemporaryDirectory() as directory:
        file, output = Path(directory, "request.json"), Path(directory, "output")
        file.write_text(json.dumps(model("first")))
        with output.open("wb") as stream, Path(directory, "messages").open("wb") as messages:
            watcher = subprocess.Popen([sys.argv[1], "check", "--watch", file], stdout=stream, stderr=messages)
        waits = lambda: Path(directory, "messages").read_text().count("Ctrl-C ends")
        wait_until(lambda: waits() == 1)
        file.write_text("{")
        wait_until(lambda: waits() == 2)
        Path(directory, "new").write_text(json.dumps(exploding() | {"options": {"seed": 1}}))
        os.rename(Path(directory, "new"), file)
        wait_until(lambda: waits() == 3)
        watcher.send_signal(signal.SIGINT)
        assert watcher.wait(PATIENCE) == -signal.SIGINT
        text = output.read_text()
        assert text.count("verdict") == 2 and "first" in text and "exploding-gradient" in text, text
        assert "request.json: line 1" in Path(directory, "messages").read_text()
    for arguments in (["-"], ["/nowhere/file.json"], ["--format", "txt", "file"]):
        assert run("check", "--watch", *arguments, data=b"").returncode == 2


def complete(line):
    """What bash offers at the end of a line."""
    script = run("completion", "bash").stdout.decode() + """
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _stabilityd; printf '%s\\n' "${COMPREPLY[@]}" """
    result = subprocess.run(["bash", "-c", script, "bash", *line.split(" ")], capture_output=True, text=True, check=True)
    assert not result.stderr, result
    return result.stdout.split()


def test_completion():
    commands = re.findall(r"^  (\w+) +\w", run("help").stdout.decode().split("Examples")[0], re.M)
    assert sorted(complete("stabilityd ")) == sorted(commands), commands
    assert complete("stabilityd ch") == ["check"] and complete("stabilityd help ch") == ["check"]
    for command in "serve", "check", "healthcheck":
        options = re.findall(r"^  (--[a-z-]+)", run(command, "--help").stdout.decode(), re.M)
        assert complete(f"stabilityd {command} --") == options
        fish = run("completion", "fish").stdout.decode()
        assert all(f"from {command}' -l {option[2:]} " in fish for option in options), fish
    assert complete("stabilityd check --format sa") == ["sarif"]
    assert complete("stabilityd serve --log-level i") == ["info"]
    assert "/etc/passwd" in complete("stabilityd check /etc/pass")
    for shell in "bash", "zsh", "fish":
        script = run("completion", shell).stdout
        if shutil.which(shell):
            subprocess.run([shell, "-n"], input=script, check=True)
    assert run("completion", "--help").returncode == 0
    assert run("completion").returncode == 2 and run("completion", "csh").returncode == 2


def test_man_page():
    page = ROOT / "docs/stabilityd.1"
    text = page.read_text().replace("\\-", "-")
    for command in "serve", "check", "healthcheck":
        for option in re.findall(r"^  --([a-z-]+)", run(command, "--help").stdout.decode(), re.M):
            assert f".It Fl -{option}" in text, option
    assert not re.search(r"^\.Pq .*[^)]$\n[^.].*\)", text, re.M), "a parenthesis that closes too early"
    if shutil.which("mandoc"):
        result = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, check=False)
        assert result.returncode == 0, result.stdout


def test_installation():
    with tempfile.TemporaryDirectory() as directory:
        result = subprocess.run(["cmake", "--install", Path(sys.argv[1]).parent, "--prefix", directory], capture_output=True, check=False)
        assert result.returncode == 0, result
        program = Path(directory, "bin/stabilityd")
        assert subprocess.run([program, "version"], capture_output=True, check=True).stdout == run("version").stdout
        assert Path(directory, "share/man/man1/stabilityd.1").is_file()
        assert Path(directory, "share/bash-completion/completions/stabilityd").read_bytes() == run("completion", "bash").stdout


run_tests(globals())
