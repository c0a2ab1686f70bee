#!/usr/bin/env python3
"""The command line: check, healthcheck, version, help, and the options that serve refuses."""
import json
import os
import re
import socket
import subprocess
import sys
import tempfile

from support import PATIENCE, Server, model, run_tests


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


run_tests(globals())
