"""Runs the commands of documents, and compares what they show of the output.

In a document's source:
  ```sh                        is run, in the order of the document, by one bash that stops at the first failure; where it
                               writes 127.0.0.1:8080 it reaches a server of the test's own, and 8443 is a
                               free port for a server that it starts itself. NOT_RUN lists what is not run, and why
  ```output                    is what the commands before it print; … stands for anything, on a line of its own for any lines
  <!-- file: NAME -->          before a block: it is the content of that file
  <!-- needs: MODULE ... -->   before a block: it is run where Python has these modules
The commands run in a directory with build/release/stabilityd, docs, and copies of examples and clients. A block that says script/server starts the
test's server, by that script where it serves the program under test.
"""
import functools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from support import PATIENCE, Server

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(path for pattern in ("*.md", "docs/**/*.md", "examples/*.md", "clients/**/*.md") for path in ROOT.glob(pattern)
                   if "build" not in path.relative_to(ROOT).parts)
BLOCK = re.compile(r"((?:^<!--[^\n]*-->\n)*)^```([^\n]*)\n(.*?)^```$", re.M | re.S)
NOTE = re.compile(r"<!-- (file|needs): (.+?) -->")
MARK = "-- end of block --"
NOT_RUN = {
    "git clone https://github.com/OWNER/stabilityd.git && cd stabilityd": "the address is the reader's; continuous integration runs this in a clone",
    "pip install ./clients/python": "README.md's test installs it; for other documents it is on the path",
    "docker run --rm --entrypoint cat stabilityd /usr/local/share/man/man1/stabilityd.1 | man -l -": "there is no docker where the tests run",
    "docker build -t stabilityd . && docker run --rm --read-only -p 127.0.0.1:8080:8080 stabilityd": "there is no docker where the tests run",
}
# pip reads options from the environment. Without a registry it takes what is installed in place of what it would download; and that is said
# with 0, which is no build isolation.
PIP = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_QUIET": "1"}
URL = "127.0.0.1:8080"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


def python_with(modules):
    """The python3 that has them; None where there is none."""
    for python in sys.executable, "/usr/bin/python3":
        if os.path.exists(python) and not subprocess.run([python, "-c", f"import {', '.join(modules)}"], capture_output=True,
                                                         check=False).returncode:
            return python
    return None


def blocks(text):
    """(notes, language, content, line) of each fenced block."""
    for match in BLOCK.finditer(text):
        yield dict(NOTE.findall(match[1])), match[2], match[3], text.count("\n", 0, match.start()) + 1


class ScriptServer:
    """The server that script/server builds and starts."""

    def __init__(self):
        environment = {**os.environ, "STABILITYD_PORT": "0"}
        self.process = subprocess.Popen([ROOT / "script/server"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
        listening = self.process.stdout.readline()
        match = re.search(r" listens on http://127\.0\.0\.1:(\d+)$", listening.strip())
        assert match and self.process.stdout.readline() == "ready\n", f"script/server did not start: {listening!r}"
        self.port = int(match[1])

    @staticmethod
    def is_of_this_program():
        """It serves build/release/stabilityd, as the preset builds it."""
        built = (ROOT / "build/release/stabilityd", ROOT / "build/release/build.ninja")
        same = all(path.exists() for path in built) and built[0].samefile(sys.argv[1])
        if not same:
            print("      script/server is not run: it serves build/release/stabilityd, and another program is tested")
        return same

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.stdout.close()
        assert self.process.wait(PATIENCE) == 0, "script/server did not end well at Ctrl-C"


class Script:
    """What a document has its reader do."""

    def __init__(self, text, directory):
        self.parts, self.expected, self.modules, self.server, skipped = [], [], [], False, False
        for notes, language, content, line in blocks(text):
            lacks = python_with(notes["needs"].split()) is None if "needs" in notes else False
            if "needs" in notes:
                self.modules += notes["needs"].split()
                if lacks:
                    print(f"      line {line} is not run: there is no {notes['needs']}")
            if "file" in notes:
                self.parts.append(("file", line, f"cat >{notes['file']} <<'END-OF-FILE'\n{content}END-OF-FILE\n"))
            elif language == "sh" and content == "script/server\n":
                self.server = True
            elif language == "sh":
                skipped = lacks or content.strip() in NOT_RUN
                if not skipped:
                    self.parts.append(("sh", line, content))
            elif language == "output" and not skipped:
                assert self.parts and self.parts[-1][0] == "sh", f"line {line}: output without commands"
                self.expected.append((len(self.parts) - 1, line, content))
        self.directory = directory

    def installs_the_client(self):
        return any(kind == "sh" and "pip install" in content for kind, _, content in self.parts)

    def run(self, address):
        """Runs all parts in one shell, with the server at this address; returns what each printed."""
        script = "set -eo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + "".join(f"{content}\necho '{MARK}'\n" for _, _, content in self.parts)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STABILITYD_")}
        python = python_with(self.modules) if self.modules else None
        tools = Path(self.directory, "tools")
        tools.mkdir()
        Path(tools, "stabilityd").symlink_to(Path(sys.argv[1]).resolve())
        if python:
            Path(tools, "python3").write_text(f"#!/bin/sh\nexec {python} \"$@\"\n")
            Path(tools, "python3").chmod(0o755)
        environment["PATH"] = f"{tools}:{environment['PATH']}"
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        environment.update(PIP)
        if not self.installs_the_client():
            environment.update({"PYTHONPATH": "clients/python", "PYTEST_PLUGINS": "stabilityd.pytest_plugin"})
        environment["STABILITYD_URL"] = f"http://{address}"
        result = subprocess.run(["bash", "-c", script.replace(URL, address).replace("8443", free_port())], cwd=self.directory, env=environment,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE * 5, check=False)
        outputs = result.stdout.replace(address, URL).split(MARK + "\n")
        if result.returncode != 0:
            kind, line, content = self.parts[len(outputs) - 1]
            raise AssertionError(f"line {line}: exit {result.returncode} of\n{content}which printed\n{outputs[-1]}")
        return outputs


def pattern_of(shown):
    """A regular expression of an output block: … is anything, on a line of its own any lines."""
    lines = []
    for line in shown.splitlines():
        if line.strip() == "…":
            lines.append(r"(?:[^\n]*\n)*?")
        else:
            lines.append("[^\n]*?".join(re.escape(part) for part in line.rstrip().split("…")) + r"[ \t]*\n")
    return "".join(lines)


def first_difference(shown, printed):
    for line in shown.splitlines():
        if line.strip() != "…" and not re.search("^" + pattern_of(line + "\n").rstrip("\n"), printed + "\n", re.M):
            return f"\nthe first line that is not there: {line}"
    return ""


def prepare(directory):
    for name in "examples", "clients":
        shutil.copytree(ROOT / name, Path(directory, name), ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    Path(directory, "docs").symlink_to(ROOT / "docs")
    program = Path(directory, "build/release/stabilityd")
    program.parent.mkdir(parents=True)
    program.symlink_to(Path(sys.argv[1]).resolve())


def run_document(path):
    text = path.read_text()
    if "```sh\n" not in text:
        return
    with tempfile.TemporaryDirectory() as directory:
        prepare(directory)
        script = Script(text, directory)
        if not script.parts:
            return
        with ScriptServer() if script.server and ScriptServer.is_of_this_program() else Server() as server:
            outputs = script.run(f"127.0.0.1:{server.port}")
        for index, line, shown in script.expected:
            printed = outputs[index] if outputs[index].endswith("\n") or not outputs[index] else outputs[index] + "\n"
            assert re.fullmatch(pattern_of(shown), printed), \
                f"line {line} shows\n{shown}\nand the commands print\n{printed}{first_difference(shown, printed)}"


def needs_python(path):
    """Whether it has commands that need modules of Python."""
    return "<!-- needs: " in path.read_text()


def tests_of(documents):
    """A test for each document, by name; of those alone that the command line names, if it does."""
    chosen = [Path(name).resolve() for name in sys.argv[2:]]
    return {f"test_commands_of_{path.relative_to(ROOT)}": functools.partial(run_document, path) for path in documents if path in chosen or not chosen}
