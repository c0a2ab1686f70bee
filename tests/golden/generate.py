#!/usr/bin/env python3
"""Writes layers/*.golden and losses/*.golden: what PyTorch 1.13 (Debian's python3-torch) computes in float64.

  /usr/bin/python3 tests/golden/generate.py [TYPE…]      all types, or those that are named

The format is described in README.md. The inputs depend on nothing but the names of type and case, so an added case
leaves the others as they are; the last digits of results may depend on the processor.
"""
import sys
from pathlib import Path

import torch

import cases_activation
import cases_convolution
import cases_linear
import cases_loss
import cases_norm
import cases_operation
import cases_pooling
import cases_sequence
from build import build_layer, build_loss
from golden import compute_layer, compute_loss, write

LOSSES = cases_loss.LOSSES
LAYERS = {kind: cases for module in (cases_activation, cases_convolution, cases_linear, cases_norm, cases_operation,
                                     cases_pooling, cases_sequence) for kind, cases in module.LAYERS.items()}


def main():
    torch.set_num_threads(1)
    wanted = sys.argv[1:] or [*LAYERS, *LOSSES]
    unknown = [kind for kind in wanted if kind not in LAYERS and kind not in LOSSES]
    if unknown:
        raise SystemExit(f'no cases for {", ".join(unknown)}')
    here = Path(__file__).resolve().parent
    for kind in wanted:
        if kind in LAYERS:
            write(here / 'layers' / f'{kind}.golden', 'layer', kind, LAYERS[kind], compute_layer, build_layer)
        else:
            write(here / 'losses' / f'{kind}.golden', 'loss', kind, LOSSES[kind], compute_loss, build_loss)


if __name__ == '__main__':
    main()
