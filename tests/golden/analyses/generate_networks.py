#!/usr/bin/env python3
"""Writes networks.json: singular values of Jacobians and eigenvalues of Hessians of ../models, by torch.autograd and
numpy.linalg in float64.

  /usr/bin/python3 tests/golden/analyses/generate_networks.py

compare_analyses.py runs them. Dropout is off in both modes.
"""
import base64
import json
import sys
from pathlib import Path

import numpy
import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from model import Model  # noqa: E402

# The values between which Jacobians are taken: the whole model first, then its blocks; and the dimensions that count samples.
JACOBIANS = {
    'mlp': ['input', 'both', 'logits'],
    'cnn': ['input', 'act0', 'act2', 'flat', 'log'],
    'dropout': ['input', 'drop', 'fc2'],
    'gated': ['input', 'glu', 'norm2', 'out'],
    'lstm': ['input', 'both', 'logits'],
    'autoencoder': ['input', 'pool', 'act2', 'up2', 'out'],
    'recurrent': ['input', 'rnn', 'act', 'classes'],
    'resnet': ['input', 'maxpool', 'layer1.relu2', 'flat', 'fc'],
    'transformer': ['emb', 'block1.add1', 'block1.add2', 'norm', 'classes'],
    'mixer': ['input', 'tokens', 'mix1.add1', 'mix1.add2', 'mix2.add1', 'mean', 'logits'],
}
AXES = {('recurrent', 'input'): 1, ('recurrent', 'rnn'): 1, ('recurrent', 'act'): 1, ('recurrent', 'classes'): 2}
SAMPLES = 4


def decode(tensor):
    if 'base64' in tensor:
        raw = numpy.frombuffer(base64.b64decode(tensor['base64']), dtype=tensor['dtype'])
        values = torch.tensor(raw.reshape(tensor['shape']).copy())
        return values.double() if values.is_floating_point() else values
    return torch.tensor(tensor['data']).reshape(tensor['shape'])


class Network(Model):
    """A request's layers with its own weights."""

    def __init__(self, name):
        self.wire = json.loads((HERE.parent / 'models' / f'{name}.json').read_text())
        super().__init__(self.wire['model'], 0)
        self.data = {key: decode(value) for key, value in self.wire['data'].items()}
        with torch.no_grad():
            for key, value in self.wire['weights'].items():
                layer = max((name for name in self.modules if key.startswith(name + '.')), key=len)
                tensors = dict(self.modules[layer].named_parameters()) | dict(self.modules[layer].named_buffers())
                tensors[key[len(layer) + 1:]].copy_(decode(value))
        for module in self.modules.values():
            for part in module.modules():
                for name in ('dropout', 'p'):
                    if isinstance(getattr(part, name, None), float):
                        setattr(part, name, 0.0)

    def train(self, mode):
        for module in self.modules.values():
            module.train(mode)


def matrix(environment, source, target, axes):
    """The Jacobian as (samples, rows, samples, columns), and whether samples are independent."""
    a, b = environment[source], environment[target]
    rows = [torch.autograd.grad(e, a, retain_graph=True)[0] for e in b.reshape(-1)]
    jacobian = torch.stack(rows).reshape(b.shape + a.shape)
    jacobian = jacobian.movedim(b.dim() + axes[0], 0).movedim(axes[1] + 1, 0) if b.dim() > axes[1] else jacobian
    samples = a.shape[axes[0]]
    if b.shape[axes[1]] == samples:
        jacobian = jacobian.reshape(samples, samples, b.numel() // samples, a.numel() // samples)
        if all((jacobian[i, k] == 0).all() for i in range(samples) for k in range(samples) if i != k):
            return [jacobian[s, s] for s in range(min(samples, SAMPLES))], True
    return [torch.stack(rows).reshape(b.numel(), a.numel())], False


def describe(values):
    shares = values / values.sum()
    shares = shares[shares > 0]
    return {'largest': values[0], 'smallest': values[-1], 'squares': float((values ** 2).mean()),
            'effective_rank': float(numpy.exp(-(shares * numpy.log(shares)).sum()))}


def jacobians(network, name):
    cuts = JACOBIANS[name]
    data = {key: value.requires_grad_() if value.is_floating_point() and key != 'target' else value
            for key, value in network.data.items()}
    outputs, _ = network.forward(data)
    environment = {**data, **outputs}
    found = []
    for source, target in [(cuts[0], cuts[-1])] + list(zip(cuts, cuts[1:])):
        axes = AXES.get((name, source), 0), AXES.get((name, target), 0)
        matrices, independent = matrix(environment, source, target, axes)
        values = [numpy.linalg.svd(m.numpy(), compute_uv=False) for m in matrices]
        found.append({'input': source, 'output': target, 'per_sample': independent,
                      'samples': [{k: float(v) for k, v in describe(s).items()} for s in values]})
    return found


def hessian(network):
    parameters = [p for _, _, p in network.owned()]
    _, loss = network.forward(network.data)
    gradients = torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True)
    parameters = [p for p, g in zip(parameters, gradients) if g is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients if g is not None])
    rows = []
    for element in flat:
        row = (torch.autograd.grad(element, parameters, retain_graph=True, allow_unused=True)
               if element.requires_grad else [None] * len(parameters))
        rows.append(torch.cat([torch.zeros_like(p).reshape(-1) if g is None else g.reshape(-1)
                               for p, g in zip(parameters, row)]))
    values = numpy.linalg.eigvalsh(torch.stack(rows).numpy())
    return {'parameter_count': len(values), 'eigenvalues': [float(v) for v in values[::-1][:5]],
            'smallest': float(values[0]), 'trace': float(values.sum())}


def main():
    torch.set_num_threads(1)
    lines = []
    for name in JACOBIANS:
        for mode in ('eval', 'train'):
            network = Network(name)
            network.train(mode == 'train')
            expected = {'jacobians': jacobians(network, name), 'hessian': hessian(network)}
            lines.append(f'  {json.dumps(name + " " + mode)}: {json.dumps(expected)}')
            print(name, mode, expected['hessian']['parameter_count'], flush=True)
    (HERE / 'networks.json').write_text('{\n' + ',\n'.join(lines) + '\n}\n')


if __name__ == '__main__':
    main()
