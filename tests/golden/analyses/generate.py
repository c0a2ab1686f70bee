#!/usr/bin/env python3
"""Writes expectations.txt, fixed_points.txt, chain.txt and casts.txt: what NumPy and PyTorch compute in place of core/analyses.

  /usr/bin/python3 tests/golden/analyses/generate.py

expectations.txt: TYPE q E f(sqrt(q) z)^2 E f'(sqrt(q) z)^2, by Simpson's rule on both sides of 0.
fixed_points.txt: TYPE factor shift weight bias q chi: where iterating the map of tests/core/test_analysis_forecast.c's two layers leads.
chain.txt:        the forecast of the network in tests/core/test_analysis_forecast.c: NAME forward backward chi (0: none).
casts.txt:        FORMAT overflown flushed subnormal, of the numbers that tests/core/test_analysis_precision.c writes down:
                  casts by PyTorch where it has the format, else by rounding to the format's grid.
"""
import math
from pathlib import Path

import numpy
import torch
from torch import nn

HERE = Path(__file__).resolve().parent
ACTIVATIONS = {'ReLU': nn.ReLU(), 'LeakyReLU': nn.LeakyReLU(), 'ELU': nn.ELU(), 'SELU': nn.SELU(), 'CELU': nn.CELU(),
               'GELU': nn.GELU(), 'SiLU': nn.SiLU(), 'Mish': nn.Mish(), 'Sigmoid': nn.Sigmoid(),
               'LogSigmoid': nn.LogSigmoid(), 'Tanh': nn.Tanh(), 'Tanhshrink': nn.Tanhshrink(),
               'Softplus': nn.Softplus(), 'Softsign': nn.Softsign()}
SCALES = [1e-4, 0.25, 1.0, 9.0, 400.0]


def simpson(values, step):
    """Over an odd number of points."""
    return step / 3 * (values[0] + values[-1] + 4 * values[1:-1:2].sum() + 2 * values[2:-1:2].sum())


def expectation(activation, q):
    """E f^2 and E f'^2, on either side of 0 so that a kink there does not matter."""
    square = slope = 0.0
    for side in (-1, 1):
        points = numpy.linspace(0, 12, 400001)
        z = torch.tensor(side * numpy.maximum(points, 1e-300), dtype=torch.float64)
        x = (math.sqrt(q) * z).requires_grad_()
        y = activation(x)
        (gradient,) = torch.autograd.grad(y.sum(), x)
        density = numpy.exp(-points ** 2 / 2) / math.sqrt(2 * math.pi)
        square += simpson(density * y.detach().numpy() ** 2, points[1])
        slope += simpson(density * gradient.numpy() ** 2, points[1])
    return square, slope


def wave(shape, start, scale):
    """Numbers that C writes down in the same way."""
    count = int(numpy.prod(shape))
    return scale * numpy.sin(1.7 * (start + numpy.arange(count))).reshape(shape)


WIDTHS = [6, 9, 8, 7, 3]
CHAIN = ['Tanh', 'ReLU', 'GELU']


def chain():
    """Forward by the variances, backward from the gradient that the loss Σ x² / 1 starts with."""
    batch, lines = 5, {}
    data = wave((batch, WIDTHS[0]), 0, 1.0)
    moment, signal, gains = (data ** 2).mean(), torch.tensor(data), []
    for i, (inputs, outputs) in enumerate(zip(WIDTHS, WIDTHS[1:])):
        weight, bias = wave((outputs, inputs), 10 * (i + 1), 0.8), wave((outputs,), 20 * (i + 1), 0.3)
        gain = inputs * weight.var()
        moment = gain * moment + (bias ** 2).mean()
        signal = signal @ torch.tensor(weight).T + torch.tensor(bias)
        slope = 1.0
        lines[f'fc{i}'] = [moment, None, gain]
        if i < len(CHAIN):
            activation = ACTIVATIONS[CHAIN[i]]
            moment, slope = expectation(activation, moment)
            signal = activation(signal)
            lines[f'act{i}'] = [moment, None, 0.0]
        lines[f'fc{i}'][2] *= slope
        gains.append((gain, slope, outputs / inputs))
    backward = float((4 * signal ** 2).mean())
    for i in reversed(range(len(gains))):
        gain, slope, fan = gains[i]
        if i < len(CHAIN):
            lines[f'act{i}'][1] = backward
            backward *= slope
        lines[f'fc{i}'][1] = backward
        backward *= gain * fan
    return lines


FIXED_POINTS = [('Tanh', 1, 0, 1.0, 0.3), ('Tanh', 1, 0, 0.75, 0.05), ('Tanh', 1, 0, 2.0, 1.0), ('ReLU', 1, 0, 0.9, 0.5),
                ('GELU', 1, 0, 0.9, 0.4), ('GELU', 1, 0, 0.5, 1.0), ('Sigmoid', 1, 0, 1.0, 0.1), ('Sigmoid', 1, 0, 4.0, 0.5),
                ('SELU', 1, 0, math.sqrt(0.5), 0.0), ('SELU', 1, 0, 0.6, 0.3), ('Sigmoid', 4, -2, 0.9, 0.2)]


def fixed_point(name, factor, shift, weight, bias):
    """From the q of an input (1, 0.5), by iteration and then by the secant method."""
    gain, square = 2 * weight ** 2, bias ** 2

    def composed(x):
        return factor * ACTIVATIONS[name](x) + shift

    def growth(q):
        return gain * expectation(composed, q)[0] + square - q

    q = gain * 0.625 + square
    for _ in range(40):
        q += growth(q)
    before, value = q * 1.001, growth(q * 1.001)
    while abs(q - before) > 1e-13 * q:
        now = growth(q)
        if now == value:
            break
        before, q, value = q, q - now * (q - before) / (now - value), now
    return q, gain * expectation(composed, q)[1]


FORMATS = {'float32': (24, -126, 127, numpy.inf), 'float16': (11, -14, 15, numpy.inf), 'bfloat16': (8, -126, 127, numpy.inf),
           'float8_e4m3': (4, -6, 8, 448.0), 'float8_e5m2': (3, -14, 15, numpy.inf)}


def rounded(numbers, bits, least, greatest, limit):
    """To the nearest on a grid of so many significant bits, ties to even; infinite beyond the greatest."""
    exponents = numpy.maximum(numpy.frexp(numbers)[1] - 1, least)
    grid = numpy.ldexp(1.0, exponents - (bits - 1))
    values = numpy.round(numbers / grid) * grid
    top = min(limit, float(numpy.ldexp(2 - 2.0 ** (1 - bits), greatest)))
    return numpy.where(numpy.abs(values) > top, numpy.copysign(numpy.inf, values), values)


def casts():
    numbers = wave((4000,), 1, 1.0) * numpy.ldexp(1.0, (7 * numpy.arange(4000)) % 301 - 150)
    numbers = numpy.concatenate([numbers, 65504 + numpy.arange(40.0), 440 + numpy.arange(60.0), 57344 + 128 * numpy.arange(60.0)])
    for name, (bits, least, greatest, limit) in FORMATS.items():
        values = rounded(numbers, bits, least, greatest, limit)
        dtype = getattr(torch, name, None)
        if dtype is not None:
            assert numpy.array_equal(values, torch.tensor(numbers).to(dtype).double().numpy()), name
        flushed = (values == 0) & (numbers != 0)
        subnormal = (numpy.abs(numbers) < 2.0 ** least) & ~flushed & (numbers != 0)
        yield f'{name} {numpy.isinf(values).sum()} {flushed.sum()} {subnormal.sum()}'


def main():
    lines = [f'{name} {q!r} ' + ' '.join(repr(float(v)) for v in expectation(f, q))
             for name, f in ACTIVATIONS.items() for q in SCALES]
    (HERE / 'expectations.txt').write_text('\n'.join(lines) + '\n')
    lines = [' '.join(map(str, case)) + ' ' + ' '.join(repr(float(v)) for v in fixed_point(*case)) for case in FIXED_POINTS]
    (HERE / 'fixed_points.txt').write_text('\n'.join(lines) + '\n')
    lines = [f'{name} ' + ' '.join(repr(float(v)) for v in values) for name, values in chain().items()]
    (HERE / 'chain.txt').write_text('\n'.join(lines) + '\n')
    (HERE / 'casts.txt').write_text('\n'.join(casts()) + '\n')


if __name__ == '__main__':
    main()
