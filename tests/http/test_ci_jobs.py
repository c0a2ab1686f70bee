#!/usr/bin/env python3
"""The jobs of continuous integration that README.md and docs/ci.md show, and the action: a network with an error fails them, with the fault named, and
one without passes.

    test_ci_jobs.py STABILITYD
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/clients")]

from pytorch import SYSTEM_PYTHON, has  # noqa: E402
from support import Server, run_tests  # noqa: E402

import yaml  # noqa: E402

SICK, HEALTHY = "vanishing-sigmoid.json", "healthy-mlp.json"

# What is not run of these jobs, and why.
NOT_RUN = {
    "pip install pytest torch ./clients/python": "there is no registry where the tests run; test_documents.py installs the client",
    "pip install pytest torch ./stabilityd/clients/python": "the same",
}


def commands(value):
    """All commands of a job: of steps, `run`; of a GitLab job, `script` and `before_script`."""
    if isinstance(value, list):
        return [command for item in value for command in commands(item)]
    if not isinstance(value, dict):
        return []
    found = []
    for key, item in value.items():
        if key in ("run", "script", "before_script"):
            found += item if isinstance(item, list) else [item]
        else:
            found += commands(item)
    return found


def documented():
    """Commands of all YAML blocks."""
    found = []
    for name in "README.md", "docs/ci.md":
        for block in re.findall(r"^```yaml\n(.*?)^```$", (ROOT / name).read_text(), re.M | re.S):
            found += commands(yaml.safe_load(block))
    return list(dict.fromkeys(found))


def run(command, directory, url, **environment):
    environment = {**os.environ, "STABILITYD_URL": url, "GITHUB_STEP_SUMMARY": str(directory / "summary"), "PYTHONDONTWRITEBYTECODE": "1",
                   "PYTHONPATH": str(ROOT / "clients/python"), "PYTEST_PLUGINS": "stabilityd.pytest_plugin", **environment}  # fmt: skip
    for address in "http://127.0.0.1:8080", "http://stabilityd:8080":
        command = command.replace(address, url)
    return subprocess.run(["bash", "-eo", "pipefail", "-c", command], cwd=directory, env=environment, capture_output=True, text=True, check=False)


def files(directory):
    return "".join(path.read_text() for path in directory.iterdir() if path.is_file() and path.name != "request.json")


def test_jobs_with_curl():
    jobs = [command for command in documented() if command.startswith("curl ")]
    assert len(jobs) >= 4, jobs
    with Server() as server:
        for command in jobs:
            for example, status in ((SICK, 22), (HEALTHY, 0)):
                with tempfile.TemporaryDirectory() as name:
                    directory = Path(name)
                    shutil.copy(ROOT / "examples" / example, directory / "request.json")
                    done = run(command, directory, server.url)
                    assert done.returncode == status, (command, done)
                    said = done.stdout + files(directory)
                    assert "vanishing-gradient" in said if example == SICK else "<failure" not in said, (command, example, said)


def test_jobs_with_pytest():
    jobs = [command for command in documented() if command.startswith("python -m pytest")]
    assert len(jobs) >= 3, jobs
    python = next((python for python in (sys.executable, SYSTEM_PYTHON) if has(python, "torch") and has(python, "pytest")), None)
    if python is None:
        print("skip  there is no torch and pytest: jobs with pytest were not tested")
        return
    with Server() as server:
        for command in jobs:
            with tempfile.TemporaryDirectory() as name:
                directory = Path(name)
                shutil.copytree(ROOT / "examples", directory / "examples")
                script = directory / "examples/pytorch/train.py"
                for fault, status in ((True, 1), (False, 0)):
                    if not fault:
                        script.write_text(script.read_text().replace("nn.Sigmoid()", "nn.Tanh()"))
                    done = run(command.replace("python ", f"{python} ", 1), directory, server.url)
                    assert done.returncode == status, (command, done.stdout, done.stderr)
                    for text in done.stdout, (directory / "junit.xml").read_text():
                        assert ("vanishing-gradient in 0, 1, 2" in text) == fault, (command, text)


def test_all_jobs_are_run():
    rest = [command for command in documented() if not command.startswith(("curl ", "python -m pytest"))]
    assert set(rest) == set(NOT_RUN), rest


def test_the_action():
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    script = action["runs"]["steps"][0]["run"]
    defaults = {name.upper().replace("-", "_"): item.get("default", "") for name, item in action["inputs"].items()}
    with Server() as server, tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for example, fail_on, status in ((SICK, "error", 1), (SICK, "never", 0), (HEALTHY, "error", 0)):
            for file in "summary", "outputs":
                (directory / file).write_text("")
            settings = {**defaults, "URL": server.url, "REQUEST": str(ROOT / "examples" / example), "FAIL_ON": fail_on}
            done = run(script, directory, server.url, **settings, GITHUB_OUTPUT=str(directory / "outputs"), RUNNER_TEMP=name)
            assert done.returncode == status, done
            outputs = dict(line.split("=", 1) for line in (directory / "outputs").read_text().splitlines())
            assert outputs["verdict"] == ("unstable" if example == SICK else "stable") and Path(outputs["report"]).exists(), outputs
            assert outputs["errors"] == ("1" if example == SICK else "0"), outputs
            assert ("::error title=vanishing-gradient::fc1" in done.stdout) == (example == SICK), done.stdout
            assert (directory / "summary").read_text().startswith("#"), (directory / "summary").read_text()[:200]
        settings["REQUEST"] = str(directory / "summary")
        done = run(script, directory, server.url, **settings, GITHUB_OUTPUT=str(directory / "outputs"), RUNNER_TEMP=name)
        assert done.returncode == 1 and "::error title=stabilityd::" in done.stdout, done


if __name__ == "__main__":
    run_tests(globals())
