"""PyTorch, where some python3 of this machine has it."""
import os
import subprocess
import sys

SYSTEM_PYTHON = "/usr/bin/python3"  # Debian's python3-torch


def has(python, module):
    return os.path.exists(python) and subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0


def with_pytorch(otherwise, *modules):
    """Runs this script by the python3 that has torch and `modules`; where there is none, prints what that means, and ends. With
    otherwise=None it goes on, and returns whether they are here."""
    modules = ("torch", *modules)
    if all(has(sys.executable, module) for module in modules):
        return True
    if sys.executable != SYSTEM_PYTHON and all(has(SYSTEM_PYTHON, module) for module in modules):
        os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON, *sys.argv])
    if otherwise is None:
        return False
    print(f"skip  there is no {', '.join(m for m in modules if not has(SYSTEM_PYTHON, m) and not has(sys.executable, m))}: {otherwise}")
    sys.exit(0)
