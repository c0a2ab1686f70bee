#!/usr/bin/env python3
"""Writes models/NAME.json, a request, and models/NAME.expected.json, what PyTorch 1.13 makes of it in float64.

  /usr/bin/python3 tests/golden/generate_models.py [NAME…]

compare_models.py runs them. All numbers of a request are exact in float32.
"""
import json
import sys
from pathlib import Path

import torch

import networks_large
import networks_small
from model import Model, encode

NETWORKS = {**networks_small.NETWORKS, **networks_large.NETWORKS}
FLOAT_TARGET = ('BCEWithLogitsLoss', 'BCELoss', 'MSELoss')


def draw(shape, generator):
    """Normal numbers for a shape; integers below `classes` for (shape, classes)."""
    if shape and isinstance(shape[0], tuple):
        return torch.randint(shape[1], shape[0], generator=generator)
    return torch.randn(shape, generator=generator).double()


def lines(members, indent):
    pad = ' ' * indent
    return '{\n' + ',\n'.join(f'{pad}  {json.dumps(k)}: {json.dumps(v)}' for k, v in members.items()) + f'\n{pad}}}'


def write_request(path, name, model, weights, data):
    wiring = f'    "inputs": {json.dumps(model["inputs"])},\n' if 'inputs' in model else ''
    layers = ',\n'.join(f'      {json.dumps(layer)}' for layer in model['layers'])
    path.write_text(f'{{\n  "model": {{\n    "name": "{name}",\n{wiring}    "layers": [\n{layers}\n    ],\n'
                    f'    "loss": {json.dumps(model["loss"])}\n  }},\n'
                    f'  "weights": {lines(weights, 2)},\n  "data": {lines(data, 2)}\n}}\n')
    json.loads(path.read_text())


def write_expected(path, modes):
    text = []
    for mode, expected in modes.items():
        head = ''.join(f'    {json.dumps(k)}: {json.dumps(v)},\n' for k, v in expected.items() if k != 'layers')
        text.append(f'  "{mode}": {{\n{head}    "layers": {lines(expected["layers"], 4)}\n  }}')
    path.write_text('{\n' + ',\n'.join(text) + '\n}\n')


def generate(folder, name, seed):
    description, shapes, modes = NETWORKS[name]
    generator = torch.Generator().manual_seed(seed)
    data = {key: draw(shape, generator) for key, shape in shapes.items()}
    if description['loss']['type'] in FLOAT_TARGET:
        data['target'] = data['target'].double()
    if description['loss']['type'] == 'CosineEmbeddingLoss':
        data['target'] = data['target'] * 2.0 - 1
    model = Model(description, seed)
    encoded = {k: encode(v) if v.is_floating_point() else {'shape': list(v.shape), 'data': v.reshape(-1).tolist()}
               for k, v in data.items()}
    write_request(folder / f'{name}.json', name, description, model.weights(), encoded)
    write_expected(folder / f'{name}.expected.json', {mode: model.expected(data, mode) for mode in modes})


def main():
    torch.set_num_threads(1)
    folder = Path(__file__).resolve().parent / 'models'
    folder.mkdir(exist_ok=True)
    for seed, name in enumerate(NETWORKS):
        if len(sys.argv) == 1 or name in sys.argv[1:]:
            generate(folder, name, seed)


if __name__ == '__main__':
    main()
