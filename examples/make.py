#!/usr/bin/env python3
"""Writes the example requests: trains the healthy ones, and checks with PyTorch that each is what its name says.

  /usr/bin/python3 examples/make.py          needs Debian's python3-torch

The requests in this folder were written by it; the last digits of trained weights may depend on the processor.
"""
import base64
import csv
import json
from pathlib import Path

import torch
from torch import nn

HERE = Path(__file__).resolve().parent
TRAINED_ON, BATCH = 1500, 32
VANISHING, EXPLODING = 1e-6, 1e3  # the acceptable range of a gradient's norm


def digits():
    rows = list(csv.reader((HERE / 'data' / 'digits.csv').open()))[1:]
    numbers = torch.tensor([[int(value) for value in row] for row in rows])
    numbers = numbers[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))]
    return numbers[:, 1:].float(), numbers[:, 0]


# ---- requests ------------------------------------------------------------------------------------------------------
def tensor(value):
    raw = value.detach().float().contiguous().numpy().astype('<f4').tobytes()
    return {'dtype': 'float32', 'shape': list(value.shape), 'base64': base64.b64encode(raw).decode()}


def weights_of(module, names):
    """The state_dict of a torch module under the names of the request's layers."""
    return {f'{names[key.rsplit(".", 1)[0]]}.{key.rsplit(".", 1)[1]}': tensor(value)
            for key, value in module.state_dict().items() if value.is_floating_point()}


def linear(name, inputs, outputs):
    return {'name': name, 'type': 'Linear', 'in_features': inputs, 'out_features': outputs}


def stack(depth, width, activation):
    """Linear layers of one width, an activation after each, and ten classes."""
    layers = []
    for index in range(1, depth):
        layers += [linear(f'fc{index}', 64 if index == 1 else width, width), {'name': f'act{index}', 'type': activation}]
    return layers + [linear('logits', width, 10)]


def one_line_each(items, indent):
    pad = ' ' * indent
    return ',\n'.join(pad + item for item in items)


def write(name, layers, loss, weights, inputs, target, options):
    """Readable: one line for each layer, each tensor of weights, each digit."""
    text = [f'{{\n  "model": {{\n    "name": "{name}",\n    "layers": [',
            one_line_each([json.dumps(layer) for layer in layers], 6),
            f'    ],\n    "loss": {json.dumps({"type": loss})}\n  }},']
    if weights:
        text += ['  "weights": {',
                 one_line_each([f'"{key}": {json.dumps(value)}' for key, value in weights.items()], 4), '  },']
    rows = [json.dumps(row, separators=(',', ':')) for row in inputs.tolist()]
    text += ['  "data": {\n    "input": [', one_line_each(rows, 6),
             f'    ],\n    "target": {json.dumps(target.tolist())}\n  }},',
             f'  "options": {json.dumps(options)}\n}}\n']
    path = HERE / f'{name}.json'
    path.write_text('\n'.join(text))
    json.loads(path.read_text())
    print(f'{path.name}: {path.stat().st_size} bytes')


# ---- training and checking -----------------------------------------------------------------------------------------
def train(module, pixels, labels, epochs, rate):
    optimizer = torch.optim.Adam(module.parameters(), lr=rate)
    for _ in range(epochs):
        for chosen in torch.randperm(len(labels)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(pixels[chosen]), labels[chosen]).backward()
            optimizer.step()


def accuracy(module, pixels, labels):
    module.eval()
    with torch.no_grad():
        return (module(pixels).argmax(1) == labels).double().mean().item()


def gradient_norms(module, pixels, labels):
    """→ the loss and the norm of each parameter's gradient, first layer first."""
    module.train()
    module.zero_grad()
    loss = nn.functional.cross_entropy(module(pixels), labels)
    loss.backward()
    return loss.item(), [parameter.grad.norm().item() for parameter in module.parameters()]


def dead_units(module, pixels):
    """The number of ReLUs that are off for the whole batch."""
    count = 0
    module.train()
    for layer in module:
        pixels = layer(pixels)
        if isinstance(layer, nn.ReLU):
            count += int((pixels.flatten(1) <= 0).all(0).sum())
    return count


def promise(holds, what):
    print(('  holds: ' if holds else '  BROKEN: ') + what)
    if not holds:
        raise SystemExit(1)


def promise_healthy(module, batch, held_out):
    loss, norms = gradient_norms(module, *batch)
    dead = dead_units(module, batch[0])
    right = accuracy(module, *held_out)
    promise(right > 0.93 and dead == 0 and min(norms) > 1e-3 and max(norms) < 10,
            f'accuracy {right:.3f}, loss {loss:.3f}, gradient norms {min(norms):.1e} to {max(norms):.1e}, {dead} dead')


# ---- the examples --------------------------------------------------------------------------------------------------
def initialize_healthy(layer):
    if isinstance(layer, nn.Linear):
        nn.init.orthogonal_(layer.weight, 2 ** 0.5)
        nn.init.constant_(layer.bias, 0.3)


def healthy_mlp(pixels, labels, batch, held_out):
    for seed in range(100):  # until no ReLU of it is off for the whole batch
        torch.manual_seed(seed)
        module = deep(stack(3, 16, 'ReLU'), initialize_healthy)
        train(module, pixels, labels, 20, 0.002)
        if dead_units(module, batch[0]) == 0:
            break
    weights = weights_of(module, {'0': 'fc1', '2': 'fc2', '4': 'logits'})
    write('healthy-mlp', stack(3, 16, 'ReLU'), 'CrossEntropyLoss', weights, *batch,
          {'precision': 'float32', 'mode': 'train'})
    promise_healthy(module, batch, held_out)
    return weights, module


def healthy_cnn(pixels, labels, batch, held_out):
    torch.manual_seed(1)
    images = pixels.reshape(-1, 1, 8, 8)
    module = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
                           nn.Conv2d(8, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
                           nn.Flatten(), nn.Linear(64, 10))
    for layer in module:
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.ones_(layer.bias)  # else ReLUs over the margins, which are empty in every digit, would be off
    train(module, images, labels, 4, 0.003)
    layers = []
    for index, channels in ((1, (1, 8)), (2, (8, 16))):
        layers += [{'name': f'conv{index}', 'type': 'Conv2d', 'in_channels': channels[0], 'out_channels': channels[1],
                    'kernel_size': 3, 'padding': 1, 'bias': False},
                   {'name': f'bn{index}', 'type': 'BatchNorm2d', 'num_features': channels[1]},
                   {'name': f'act{index}', 'type': 'ReLU'},
                   {'name': f'pool{index}', 'type': 'MaxPool2d', 'kernel_size': 2}]
    layers += [{'name': 'flatten', 'type': 'Flatten'}, linear('logits', 64, 10)]
    names = {'0': 'conv1', '1': 'bn1', '4': 'conv2', '5': 'bn2', '9': 'logits'}
    batch = (batch[0].reshape(-1, 1, 8, 8), batch[1])
    write('healthy-cnn', layers, 'CrossEntropyLoss', weights_of(module, names), *batch,
          {'precision': 'float32', 'mode': 'train'})
    promise_healthy(module, batch, (held_out[0].reshape(-1, 1, 8, 8), held_out[1]))


def deep(layers, initialize):
    kinds = {'Sigmoid': nn.Sigmoid, 'ReLU': nn.ReLU}
    module = nn.Sequential(*[nn.Linear(layer['in_features'], layer['out_features']) if layer['type'] == 'Linear'
                             else kinds[layer['type']]() for layer in layers])
    module.apply(initialize)
    return module


def vanishing_sigmoid(batch):
    layers = stack(16, 32, 'Sigmoid')
    write('vanishing-sigmoid', layers, 'CrossEntropyLoss', {}, *batch, {'precision': 'float32', 'seed': 0})
    norms = []
    for seed in range(20):
        torch.manual_seed(seed)
        norms.append(gradient_norms(deep(layers, lambda layer: None), *batch)[1])
    promise(max(n[0] for n in norms) < VANISHING / 100 and min(n[-2] for n in norms) > VANISHING,
            f'gradient norm of fc1.weight below {max(n[0] for n in norms):.1e} for 20 seeds')


def exploding_relu(batch):
    layers, spread = stack(30, 64, 'ReLU'), 0.35
    init = {'weight': {'init': 'normal_', 'std': spread}, 'bias': {'init': 'zeros_'}}
    write('exploding-relu', layers, 'CrossEntropyLoss', {}, *batch, {'precision': 'float32', 'seed': 0, 'init': init})

    def initialize(layer):
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=spread)
            nn.init.zeros_(layer.bias)

    results = []
    for seed in range(20):
        torch.manual_seed(seed)
        results.append(gradient_norms(deep(layers, initialize), *batch))
    smallest = min(norms[0] for _, norms in results)
    promise(smallest > EXPLODING * 100 and all(torch.isfinite(torch.tensor([loss] + n)).all() for loss, n in results),
            f'gradient norm of fc1.weight above {smallest:.1e} for 20 seeds, all finite')


def nan_softmax(weights, module, batch):
    """The healthy network's own weights, fed with pixels of 0 to 16 that were not divided by 16."""
    layers = stack(3, 16, 'ReLU') + [
        {'name': 'exp', 'type': 'Exp'},
        {'name': 'sum', 'type': 'Sum', 'dim': 1, 'keepdim': True},
        {'name': 'softmax', 'type': 'Div', 'inputs': ['exp', 'sum']},
        {'name': 'log_softmax', 'type': 'Log'}]
    raw = batch[0] * 16
    write('nan-softmax', layers, 'NLLLoss', weights, raw, batch[1], {'precision': 'float32', 'mode': 'train'})
    logits = module(raw)
    exp = logits.exp()
    softmax = exp / exp.sum(1, keepdim=True)
    promise(torch.isfinite(logits).all() and torch.isinf(exp).any() and torch.isnan(softmax).any(),
            f'exp of logits up to {logits.max():.0f} is infinite {int(torch.isinf(exp).sum())} times, '
            f'the softmax NaN {int(torch.isnan(softmax).sum())} times')


def main():
    torch.set_num_threads(1)
    raw, labels = digits()
    pixels = raw / 16
    held_out = pixels[TRAINED_ON:], labels[TRAINED_ON:]
    batch = held_out[0][:BATCH], held_out[1][:BATCH]
    trained_on = pixels[:TRAINED_ON], labels[:TRAINED_ON]
    weights, module = healthy_mlp(*trained_on, batch, held_out)
    healthy_cnn(*trained_on, batch, held_out)
    vanishing_sigmoid(batch)
    exploding_relu(batch)
    nan_softmax(weights, module, batch)


if __name__ == '__main__':
    main()
