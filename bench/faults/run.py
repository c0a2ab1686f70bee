#!/usr/bin/env python3
"""Recall on planted faults, and false alarms on healthy models.

  bench/faults/run.py STABILITYD [--seed N] [--each N] [--healthy N] [--verbose]

Prints for each fault how often the report names it (found: by any finding, alarm: with a verdict other than stable, first: by the
first finding), and how many of the healthy models get a verdict other than stable.
"""
import argparse
import collections
import json
import random
import subprocess

from faults import FAULTS
from models import FAMILIES


def diagnose(stabilityd, net):
    """The report on a model."""
    done = subprocess.run([stabilityd, 'check', '--format', 'json', '-'], input=json.dumps(net.request()).encode(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f'{net.seed}: exit {done.returncode}: {done.stderr.decode()} {done.stdout.decode()[:500]}')
    return json.loads(done.stdout)


def rules_of(report, lowest='info'):
    """Rules of the findings of at least a severity, in their order."""
    order = ['info', 'warning', 'error']
    return [finding['rule'] for finding in report['findings']
            if order.index(finding['severity']) >= order.index(lowest)]


def measure_faults(options):
    """A line for each fault."""
    total = collections.Counter()
    for number, (plant, accepted) in enumerate(FAULTS.items()):
        count = collections.Counter()
        for i in range(options.each):
            seed = options.seed + 1000 * number + i
            report = diagnose(options.stabilityd, plant(random.Random(seed), seed))
            rules = rules_of(report)
            count['found'] += bool(accepted & set(rules))
            count['alarm'] += bool(accepted & set(rules_of(report, 'warning')))
            count['first'] += bool(rules) and rules[0] in accepted
            if options.verbose and not accepted & set(rules_of(report, 'warning')):
                print('  missed:', plant.__name__, seed, report['verdict'], rules)
        total.update(count)
        print(f'{plant.__name__:20}', *(f'{what} {count[what]:4}/{options.each}' for what in ('found', 'alarm', 'first')))
    planted = options.each * len(FAULTS)
    print(f'{"all":20}', *(f'{what} {total[what]:4}/{planted}' for what in ('found', 'alarm', 'first')))


def measure_healthy(options):
    """The number of false alarms, by rule."""
    alarms, rules = 0, collections.Counter()
    for i in range(options.healthy):
        seed = options.seed + 1000000 + i
        family = FAMILIES[i % len(FAMILIES)]
        report = diagnose(options.stabilityd, family(random.Random(seed), seed))
        named = rules_of(report, 'warning')
        alarms += bool(named)
        rules.update(set(named))
        if options.verbose and named:
            print('  alarm:', family.__name__, seed, [(f['rule'], f['layers'][:2], f['evidence']) for f in report['findings']])
    print(f'healthy: {alarms} alarms on {options.healthy} models', dict(rules) or '')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('stabilityd')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--each', type=int, default=40)
    parser.add_argument('--healthy', type=int, default=600)
    parser.add_argument('--verbose', action='store_true')
    options = parser.parse_args()
    measure_faults(options)
    measure_healthy(options)


if __name__ == '__main__':
    main()
