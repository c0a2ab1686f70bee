#!/usr/bin/env python3
"""The report of a PyTorch model that the client traced, against hooks in PyTorch.

    test_tracing.py STABILITYD [NETWORK…]

Needs PyTorch (Debian's python3-torch), and says so where there is none.
"""
import copy
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "clients/python"), str(ROOT / "tests/clients"), str(ROOT / "tests/http")]

from pytorch import with_pytorch  # noqa: E402

with_pytorch("tracing was not tested")

import torch  # noqa: E402

from against_pytorch import compare_with_pytorch  # noqa: E402
from networks import NETWORKS  # noqa: E402
from support import Server, run_tests  # noqa: E402


def compare(name, url):
    torch.manual_seed(len(name))
    model, x, y, loss_fn = NETWORKS[name]()
    # PyTorch can't run half precision on a processor.
    in_pytorch = (copy.deepcopy(model).float(), x.float()) if name == "half" else None
    compare_with_pytorch(model, x, y, loss_fn, url, 1e-9 if name == "float64" else 1e-4, in_pytorch)


def make_test(name):
    def test():
        with Server() as server:
            compare(name, server.url)

    return test


for network_name in sys.argv[2:] or NETWORKS:
    globals()[f"test_{network_name}"] = make_test(network_name)

if __name__ == "__main__":
    run_tests(globals())
