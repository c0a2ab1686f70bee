#!/usr/bin/env python3
"""Runs `stabilityd check` on the requests of models/ and compares what the analyses jacobian, curvature and precision say with
analyses/networks.json and analyses/emulation.json.

  compare_analyses.py STABILITYD [NAME…]     all models, or those that are named

Singular values and eigenvalues to 1e-6 of themselves, or 1e-12 of the largest one, both from whole matrices and by Lanczos'
method; errors of emulated runs to 1e-6. Needs nothing but Python's standard library. Exit 1 where anything differs.
"""
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXACT = {'jacobian': {'samples': 4, 'exact': 2048}, 'curvature': {'exact': 300}}
LANCZOS = {'jacobian': {'samples': 4, 'exact': 1, 'iterations': 400}, 'curvature': {'exact': 0, 'probes': 64}}


def check(program, name, mode, analyses):
    request = json.loads((HERE / 'models' / f'{name}.json').read_text())
    request['options'] = {'mode': mode, 'analyses': analyses}
    done = subprocess.run([program, 'check', '-', '--format', 'json'], input=json.dumps(request).encode(),
                          stdout=subprocess.PIPE, check=False)
    return json.loads(done.stdout)['analyses']


class Comparison:
    def __init__(self, where):
        self.where = where
        self.differences = []

    def close(self, what, got, want, scale=0.0, tolerance=1e-6):
        if isinstance(got, bool) or not isinstance(got, (int, float)) or \
                not abs(got - want) <= tolerance * abs(want) + 1e-12 * scale:
            self.differences.append(f'{self.where}: {what}: {got} where PyTorch has {want}')

    def equal(self, what, got, want):
        if got != want:
            self.differences.append(f'{self.where}: {what}: {got} where PyTorch has {want}')

    def jacobian(self, got, want):
        what = f'{want["input"]} to {want["output"]}'
        self.equal(what, (got['input'], got['output'], got['per_sample']),
                   (want['input'], want['output'], want['per_sample']))
        self.equal(f'{what}: samples', len(got['samples']), len(want['samples']))
        for mine, theirs in zip(got['samples'], want['samples']):
            sample = f'{what}: sample {mine["index"]}'
            self.close(f'{sample}: largest', mine['largest_singular_value'], theirs['largest'])
            if got['method'] == 'exact' or mine['smallest_singular_value'] is not None:
                self.close(f'{sample}: smallest', mine['smallest_singular_value'], theirs['smallest'], theirs['largest'])
            if got['method'] == 'exact':
                self.close(f'{sample}: effective_rank', mine['effective_rank'], theirs['effective_rank'])

    def hessian(self, got, want):
        scale = max(abs(want['smallest']), abs(want['eigenvalues'][0]))
        self.equal('parameter_count', got['parameter_count'], want['parameter_count'])
        for i, (mine, theirs) in enumerate(zip(got['eigenvalues'], want['eigenvalues'])):
            self.close(f'eigenvalue {i}', mine, theirs, scale)
        self.close('smallest', got['smallest_eigenvalue'], want['smallest'], 1e6 * scale if got['method'] != 'exact' else 1e4 * scale)
        self.close('rate', got['largest_stable_learning_rate'], 2 / want['eigenvalues'][0])
        self.close('trace', got['trace'], want['trace'], (6 * got['trace_standard_error'] + 1e-9 * scale) * 1e12)


    def emulation(self, got, want):
        self.close('loss', got['loss'], want['loss'])
        self.equal('layers', [l['layer'] for l in got['layers']], [l['layer'] for l in want['layers']])
        for mine, theirs in zip(got['layers'], want['layers']):
            for error in ('forward_error', 'backward_error', 'parameter_gradient_error'):
                if isinstance(theirs[error], float):
                    self.close(f'{mine["layer"]}: {error}', mine[error], theirs[error], 1.0)
                else:
                    self.equal(f'{mine["layer"]}: {error}', mine[error], theirs[error])


def compare_emulations(program, names):
    """One run for each model and loss scale has all formats."""
    differences, runs = [], {}
    for key, expected in json.loads((HERE / 'analyses' / 'emulation.json').read_text()).items():
        name, form, exponent = key.split()
        if names and name not in names:
            continue
        if (name, exponent) not in runs:
            settings = {'precision': {'loss_scale_exponent': int(exponent)}}
            runs[name, exponent] = check(program, name, 'eval', settings)['precision']
        comparison = Comparison(key)
        comparison.emulation(runs[name, exponent][form]['emulated'], expected)
        differences += comparison.differences
    return differences


def compare(program, name, mode, expected):
    differences = []
    for analyses in (EXACT, LANCZOS):
        got = check(program, name, mode, analyses)
        comparison = Comparison(f'{name}, {mode}, {"exact" if analyses is EXACT else "lanczos"}')
        maps = [got['jacobian']['whole']] + got['jacobian']['blocks']
        comparison.equal('blocks', len(maps), len(expected['jacobians']))
        for mine, theirs in zip(maps, expected['jacobians']):
            comparison.jacobian(mine, theirs)
        comparison.hessian(got['curvature'], expected['hessian'])
        differences += comparison.differences
    return differences


def main():
    program, names = sys.argv[1], sys.argv[2:]
    differences = []
    for key, expected in json.loads((HERE / 'analyses' / 'networks.json').read_text()).items():
        name, mode = key.split()
        if not names or name in names:
            differences += compare(program, name, mode, expected)
    differences += compare_emulations(program, names)
    print('\n'.join(differences) or 'all agree')
    sys.exit(1 if differences else 0)


if __name__ == '__main__':
    main()
