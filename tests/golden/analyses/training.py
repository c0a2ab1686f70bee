#!/usr/bin/env python3
"""Writes training.txt: what torch.optim and torch.nn.utils.clip_grad make of the network in tests/core/test_optimizer.c.

  /usr/bin/python3 tests/golden/analyses/training.py

case NAME, then: setting NAME real|word|pair|true VALUE…; losses COUNT VALUE… (before each step); norms COUNT VALUE… (of all gradients,
before clipping); parameter NAME COUNT VALUE… after the last step; end. Float64, hexadecimal.
"""
import math
from pathlib import Path

import torch

STEPS = 15
BATCH, INPUTS, HIDDEN, CLASSES = 6, 4, 5, 3

SGD, ADAM, ADAMW = 'SGD', 'Adam', 'AdamW'
CASES = {
    'sgd': {'optimizer': SGD, 'learning_rate': 0.5},
    'sgd-decay': {'optimizer': SGD, 'learning_rate': 0.25, 'weight_decay': 0.125},
    'momentum': {'optimizer': SGD, 'learning_rate': 0.125, 'momentum': 0.9},
    'momentum-dampening-decay': {'optimizer': SGD, 'learning_rate': 0.5, 'momentum': 0.75, 'dampening': 0.5, 'weight_decay': 0.01},
    'nesterov': {'optimizer': SGD, 'learning_rate': 0.125, 'momentum': 0.9, 'nesterov': True},
    'nesterov-decay': {'optimizer': SGD, 'learning_rate': 0.0625, 'momentum': 0.5, 'nesterov': True, 'weight_decay': 0.25},
    'adam': {'optimizer': ADAM, 'learning_rate': 0.0625},
    'adam-betas-eps-decay': {'optimizer': ADAM, 'learning_rate': 0.03125, 'betas': (0.5, 0.75), 'eps': 0.001, 'weight_decay': 0.125},
    'adamw': {'optimizer': ADAMW, 'learning_rate': 0.0625},
    'adamw-betas-decay': {'optimizer': ADAMW, 'learning_rate': 0.03125, 'betas': (0.75, 0.875), 'weight_decay': 0.5},
    'clip-norm': {'optimizer': SGD, 'learning_rate': 0.5, 'clip_grad_norm': 0.25},
    'clip-norm-momentum': {'optimizer': SGD, 'learning_rate': 0.5, 'momentum': 0.9, 'clip_grad_norm': 0.375},
    'clip-value': {'optimizer': SGD, 'learning_rate': 0.5, 'clip_grad_value': 0.03125},
    'clip-norm-value': {'optimizer': ADAM, 'learning_rate': 0.0625, 'clip_grad_norm': 0.375, 'clip_grad_value': 0.0625},
    'clip-norm-adamw': {'optimizer': ADAMW, 'learning_rate': 0.0625, 'clip_grad_norm': 0.125},
    'normalized': {'optimizer': SGD, 'learning_rate': 0.125, 'normalize_gradients': True},
}


def numbers(first, *shape):
    """Element i is sin(1.7 (first + i)) / 2: the test draws the same."""
    count = math.prod(shape)
    return torch.tensor([math.sin(1.7 * (first + i)) / 2 for i in range(count)], dtype=torch.float64).reshape(shape)


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = torch.nn.Linear(INPUTS, HIDDEN, bias=False)
        self.bn = torch.nn.BatchNorm1d(HIDDEN)
        self.fc2 = torch.nn.Linear(HIDDEN, CLASSES)

    def forward(self, x):
        return self.fc2(torch.tanh(self.bn(self.fc1(x))))


def build():
    network = Network().double()
    for index, parameter in enumerate(network.parameters()):
        parameter.data = numbers(100 * (index + 1), *parameter.shape)
    return network


def optimizer_of(settings, parameters):
    arguments = {name: value for name, value in settings.items()
                 if name not in ('optimizer', 'learning_rate', 'clip_grad_norm', 'clip_grad_value', 'normalize_gradients')}
    return getattr(torch.optim, settings['optimizer'])(parameters, lr=settings['learning_rate'], **arguments)


def norm_of(parameters):
    return math.sqrt(sum(float((p.grad ** 2).sum()) for p in parameters))


def train(settings):
    network = build()
    parameters = list(network.parameters())
    optimizer = optimizer_of(settings, parameters)
    data = 2 * numbers(1, BATCH, INPUTS)
    target = torch.tensor([i % CLASSES for i in range(BATCH)])
    losses, norms = [], []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(data), target)
        loss.backward()
        losses.append(float(loss))
        norms.append(norm_of(parameters))
        if settings.get('normalize_gradients'):
            for parameter in parameters:
                parameter.grad /= norms[-1]
        if 'clip_grad_norm' in settings:
            torch.nn.utils.clip_grad_norm_(parameters, settings['clip_grad_norm'])
        if 'clip_grad_value' in settings:
            torch.nn.utils.clip_grad_value_(parameters, settings['clip_grad_value'])
        optimizer.step()
    return losses, norms, dict(network.named_parameters())


def words(values):
    return f'{len(values)} ' + ' '.join(float(v).hex() for v in values)


def setting(name, value):
    if isinstance(value, str):
        return f'setting {name} word {value}'
    if isinstance(value, bool):
        return f'setting {name} true'
    if isinstance(value, tuple):
        return f'setting {name} pair ' + ' '.join(v.hex() for v in value)
    return f'setting {name} real {float(value).hex()}'


def main():
    lines = []
    for name, settings in CASES.items():
        losses, norms, parameters = train(settings)
        lines += [f'case {name}'] + [setting(*item) for item in settings.items()]
        lines += [f'losses {words(losses)}', f'norms {words(norms)}']
        lines += [f'parameter {key} {words(value.detach().flatten().tolist())}' for key, value in parameters.items()]
        lines += ['end']
    Path(__file__).with_name('training.txt').write_text('\n'.join(lines) + '\n')


if __name__ == '__main__':
    main()
