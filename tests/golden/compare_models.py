#!/usr/bin/env python3
"""Runs `stabilityd check` on the requests of models/ and compares its reports with PyTorch's statistics.

  compare_models.py STABILITYD [NAME…]       all models, or those that are named

Each model runs in the modes of its expected file and in both precisions: float64 to 1e-9, float32 to 2e-4, relative to the
number itself or to the tensor's rms, whichever is larger. What cancels to zero may leave rounding noise of the largest tensor.
Needs nothing but Python's standard library. Exit 1 where anything differs.
"""
import json
import math
import subprocess
import sys
from pathlib import Path

MODELS = Path(__file__).resolve().parent / 'models'
TOLERANCES = {'float64': 1e-9, 'float32': 2e-4}
NOISE = {'float64': 1e-14, 'float32': 2e-6}  # of the largest norm among the tensors of that kind
NOT_FINITE = {'NaN': math.nan, 'Infinity': math.inf, '-Infinity': -math.inf}


def number(value):
    return NOT_FINITE.get(value, math.nan) if isinstance(value, str) else value


def complete(expected):
    """The members that follow from the ones in the file."""
    count = max(expected['count'], 1)
    return {**expected, 'std': math.sqrt(expected['variance']), 'rms': expected['norm'] / math.sqrt(count),
            'abs_max': max(abs(expected['min']), abs(expected['max'])), 'nan_count': 0, 'inf_count': 0}


class Comparison:
    def __init__(self, precision, expected):
        self.precision = precision
        self.tolerance = TOLERANCES[precision]
        self.differences = []
        layers = expected['layers'].values()
        gradients = [l['output_gradient'] for l in layers]
        gradients += [p['gradient'] for l in layers for p in l['parameters'].values()]
        self.noise = {'value': self.floor([l['output'] for l in layers]), 'gradient': self.floor(gradients)}

    def floor(self, statistics):
        return NOISE[self.precision] * max((s['norm'] for s in statistics if s), default=0.0)

    def say(self, where, got, want):
        self.differences.append(f'{where}: {got} where PyTorch has {want}')

    def close(self, where, got, want, scale=0.0, noise=0.0):
        value = number(got)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.say(where, json.dumps(got), want)
        elif not abs(value - want) <= self.tolerance * max(abs(want), scale) + noise:
            self.say(where, got, want)

    def statistics(self, where, got, want, kind):
        if want is None or got is None:
            if want is not got:
                self.say(where, json.dumps(got), json.dumps(want))
            return
        want, noise = complete(want), self.noise[kind]
        rms = want['rms']
        for member, value in want.items():
            name = f'{where}.{member}'
            if member in ('count', 'nan_count', 'inf_count'):
                if got.get(member) != value:
                    self.say(name, got.get(member), value)
            elif member == 'zero_fraction':
                if rms > noise:  # noise is zero in one place and not in another
                    slack = 2 / max(want['count'], 1)  # a sum that cancels may be zero in one order
                    self.close(name, got.get(member), value, noise=slack)
            elif member == 'variance':
                self.close(name, got.get(member), value, scale=rms * rms, noise=noise * (noise + 2 * rms))
            else:
                self.close(name, got.get(member), value, scale=rms, noise=noise)

    def layer(self, name, got, want):
        if got.get('output_shape') != want['output_shape']:
            self.say(f'{name}.output_shape', got.get('output_shape'), want['output_shape'])
        self.statistics(f'{name}.output', got.get('output'), want['output'], 'value')
        self.statistics(f'{name}.output_gradient', got.get('output_gradient'), want['output_gradient'], 'gradient')
        for parameter, statistics in want['parameters'].items():
            member = got.get('parameters', {}).get(parameter)
            if member is None:
                self.say(f'{name}.{parameter}', 'nothing', 'a parameter')
                continue
            self.statistics(f'{name}.{parameter}.value', member.get('value'), statistics['value'], 'value')
            self.statistics(f'{name}.{parameter}.gradient', member.get('gradient'), statistics['gradient'], 'gradient')

    def report(self, got, want):
        for member in ('loss', 'gradient_norm'):
            self.close(f'summary.{member}', got['summary'].get(member), want[member])
        if got['summary'].get('parameter_count') != want['parameter_count']:
            self.say('summary.parameter_count', got['summary'].get('parameter_count'), want['parameter_count'])
        by_name = {layer['name']: layer for layer in got['layers']}
        if list(by_name) != list(want['layers']):
            self.say('layers', list(by_name), list(want['layers']))
        for name, layer in want['layers'].items():
            if name in by_name:
                self.layer(name, by_name[name], layer)


def check(stabilityd, request):
    """→ (report, None) or (None, what went wrong). Exit 1 only says that the report has findings."""
    done = subprocess.run([stabilityd, 'check', '--format', 'json', '-'], input=json.dumps(request).encode(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode not in (0, 1):
        return None, f'exit {done.returncode}: {(done.stderr or done.stdout).decode(errors="replace").strip()}'
    try:
        return json.loads(done.stdout), None
    except ValueError as problem:
        return None, f'the report is not JSON: {problem}'


def main():
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    stabilityd, names = sys.argv[1], sys.argv[2:]
    names = names or sorted(p.name[:-len('.expected.json')] for p in MODELS.glob('*.expected.json'))
    failed = 0
    for name in names:
        request = json.loads((MODELS / f'{name}.json').read_text())
        for mode, want in json.loads((MODELS / f'{name}.expected.json').read_text()).items():
            for precision in TOLERANCES:
                report, problem = check(stabilityd, {**request, 'options': {'precision': precision, 'mode': mode}})
                comparison = Comparison(precision, want)
                if report is None:
                    comparison.differences.append(problem)
                else:
                    comparison.report(report, want)
                failed += bool(comparison.differences)
                print(f'{"differs" if comparison.differences else "agrees "} {name} {mode} {precision}')
                for difference in comparison.differences:
                    print(f'        {difference}')
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
