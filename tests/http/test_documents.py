#!/usr/bin/env python3
"""Every command in the documents is run, what they show of its output is compared, and every link between them leads somewhere.

    test_documents.py STABILITYD [DOCUMENT...]

In a document's source:
  ```sh                        is run, in the order of the document, by one bash that stops at the first failure; where it
                               writes 127.0.0.1:8080 it reaches a server of the test's own, and 8443 is a
                               free port for a server that it starts itself
  ```output                    is what the commands before it print; … stands for anything, on a line of its own for any lines
  <!-- file: NAME -->          before a block: it is the content of that file
  <!-- not run: REASON -->     before a block: its commands are not run
  <!-- needs: MODULE ... -->   before a block: it is run where Python has these modules
The commands run in a directory with build/release/stabilityd, examples, clients and docs.
"""
import os
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from support import PATIENCE, Server, run_tests

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(path for pattern in ("*.md", "docs/**/*.md", "examples/*.md", "clients/**/*.md") for path in ROOT.glob(pattern)
                   if "build" not in path.relative_to(ROOT).parts)
BLOCK = re.compile(r"((?:^<!--[^\n]*-->\n)*)^```([^\n]*)\n(.*?)^```$", re.M | re.S)
NOTE = re.compile(r"<!-- (file|not run|needs): (.+?) -->")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
MARK = "-- end of block --"
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


class Script:
    """What a document has its reader do."""

    def __init__(self, text, directory, address):
        self.parts, self.expected, self.modules, skipped = [], [], [], False
        for notes, language, content, line in blocks(text):
            lacks = python_with(notes["needs"].split()) is None if "needs" in notes else False
            if "needs" in notes:
                self.modules += notes["needs"].split()
                if lacks:
                    print(f"      line {line} is not run: there is no {notes['needs']}")
            if "file" in notes:
                self.parts.append(("file", line, f"cat >{notes['file']} <<'END-OF-FILE'\n{content}END-OF-FILE\n"))
            elif language == "sh":
                skipped = lacks or "not run" in notes
                if not skipped:
                    self.parts.append(("sh", line, content))
            elif language == "output" and not skipped:
                assert self.parts and self.parts[-1][0] == "sh", f"line {line}: output without commands"
                self.expected.append((len(self.parts) - 1, line, content))
        self.directory, self.address = directory, address

    def run(self):
        """Runs all parts in one shell; returns what each printed."""
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
        environment["PYTHONPATH"] = "clients/python"  # in place of pip install ./clients/python
        environment["PYTEST_PLUGINS"] = "stabilityd.pytest_plugin"
        environment["STABILITYD_URL"] = f"http://{self.address}"
        result = subprocess.run(["bash", "-c", script.replace(URL, self.address).replace("8443", free_port())], cwd=self.directory, env=environment,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE * 5, check=False)
        outputs = result.stdout.replace(self.address, URL).split(MARK + "\n")
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
    for name in "examples", "clients", "docs":
        Path(directory, name).symlink_to(ROOT / name)
    program = Path(directory, "build/release/stabilityd")
    program.parent.mkdir(parents=True)
    program.symlink_to(Path(sys.argv[1]).resolve())


def run_document(path):
    text = path.read_text()
    if "```sh\n" not in text:
        return
    with tempfile.TemporaryDirectory() as directory, Server() as server:
        prepare(directory)
        script = Script(text, directory, f"127.0.0.1:{server.port}")
        if not script.parts:
            return
        outputs = script.run()
        for index, line, shown in script.expected:
            printed = outputs[index] if outputs[index].endswith("\n") or not outputs[index] else outputs[index] + "\n"
            assert re.fullmatch(pattern_of(shown), printed), \
                f"line {line} shows\n{shown}\nand the commands print\n{printed}{first_difference(shown, printed)}"


def headings(text):
    """The anchors of a document's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


def test_links():
    broken = []
    for document in DOCUMENTS:
        text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", document.read_text(), flags=re.M | re.S)
        for target in LINK.findall(text):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            file = (document.parent / name).resolve() if name else document
            if not file.exists() or (anchor and file.suffix == ".md" and anchor not in headings(file.read_text())):
                broken.append(f"{document.relative_to(ROOT)}: {target}")
    assert not broken, "\n".join(broken)


def test_every_document_is_in_the_index():
    index = (ROOT / "docs/README.md").read_text()
    missing = [path.name for path in (ROOT / "docs").glob("*.md") if path.name != "README.md" and f"({path.name})" not in index]
    assert not missing, missing


def chosen():
    return [Path(name).resolve() for name in sys.argv[2:]] or DOCUMENTS


def make_test(path):
    return lambda: run_document(path)


for document_path in chosen():
    globals()[f"test_commands_of_{document_path.relative_to(ROOT)}"] = make_test(document_path)

run_tests(globals())
