#!/usr/bin/env python3
"""Recall on planted faults, how often their fixes cure, and false alarms on healthy models.

  bench/faults/run.py STABILITYD [--seed N] [--each N] [--healthy N] [--only NAME] [--verbose] [--write FILE]

For each kind of fault: how often a finding of at least a warning names it (recall), how often it is the first finding, how many of
the errors and warnings come with a measured fix, how often the first finding's first fix makes the verdict stable, and whether
posting the patched request gives the promised numbers. Then how many of the healthy models get a verdict other than stable.
"""
import argparse
import collections
import json
import math
import random
import subprocess
import sys
from pathlib import Path

import patch
from faults import FAULTS
from models import FAMILIES


def diagnose(stabilityd, request):
    """The report on a request."""
    done = subprocess.run([stabilityd, 'check', '--format', 'json', '-'], input=json.dumps(request).encode(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f'exit {done.returncode}: {done.stderr.decode()}\n{json.dumps(request)[:3000]}')
    return json.loads(done.stdout)


def rules_of(report, lowest='info'):
    """Rules of the findings of at least a severity, in their order."""
    order = ['info', 'warning', 'error']
    return [finding['rule'] for finding in report['findings']
            if order.index(finding['severity']) >= order.index(lowest)]


def keeps_promise(stabilityd, request, fix):
    """Whether the patched request gives what the fix says."""
    changed = patch.apply(request, fix['patch'])
    changed['options'].pop('analyses')
    report = diagnose(stabilityd, changed)
    after = fix['after']
    return report['verdict'] == after['verdict'] and all(report['summary'][key] == number
                                                         for key, number in after['summary'].items())


def count_fault(options, request, accepted, count, name):
    """Counts what one model shows."""
    report = diagnose(options.stabilityd, request)
    serious = [f for f in report['findings'] if f['severity'] != 'info']
    named = {f['rule'] for f in serious}
    count['models'] += 1
    count['recall'] += bool(accepted & named)
    count['first'] += bool(serious) and serious[0]['rule'] in accepted
    if options.verbose and not (serious and serious[0]['rule'] in accepted):
        print('  first:', name, request['model']['name'], [f['rule'] for f in serious], file=sys.stderr)
    count['findings'] += len(serious)
    count['fixed'] += sum(bool(f['fixes']) for f in serious)
    count['fixable'] += 1
    fixes = serious[0]['fixes'] if serious else []
    count['cured'] += bool(fixes) and fixes[0]['after']['verdict'] == 'stable'
    if fixes:
        count['patched'] += 1
        kept = keeps_promise(options.stabilityd, request, fixes[0])
        count['kept'] += kept
        if not kept:
            print('  promise broken:', name, request['model']['name'], fixes[0]['summary'], file=sys.stderr)
    if options.verbose:
        for f in serious:
            best = f['fixes'][0]['after'] if f['fixes'] else None
            if not best or best['verdict'] != 'stable':
                print('  no cure:', name, request['model']['name'], f['rule'], f['layers'][:2], f['evidence'],
                      best and (f['fixes'][0]['summary'], best['summary']['findings']), file=sys.stderr)


def percent(part, whole):
    """A percentage, or a dash."""
    return f'{100 * part / whole:.1f} %' if whole else '-'


def row(name, count):
    """A line of the table."""
    cells = (name, count['models'], percent(count['recall'], count['models']), percent(count['first'], count['models']),
             percent(count['fixed'], count['findings']), percent(count['cured'], count['fixable']),
             percent(count['kept'], count['patched']))
    return '| ' + ' | '.join(map(str, cells)) + ' |'


HEADER = ['| fault | models | recall | first | with a fix | first fix cures | promise kept |', '|---|---:|---:|---:|---:|---:|---:|']


def measure_faults(options):
    """The rows of the table."""
    total, lines = collections.Counter(), list(HEADER)
    for number, (plant, accepted) in enumerate(FAULTS.items()):
        if options.only and plant.__name__ not in options.only:
            continue
        count = collections.Counter()
        for i in range(options.each):
            seed = options.seed + 1000 * number + i
            request = plant(random.Random(seed), seed).request()
            request['options']['analyses'] = ['fixes']
            count_fault(options, request, accepted, count, plant.__name__)
        total.update(count)
        lines.append(row(plant.__name__.replace('_', ' '), count))
        print(lines[-1], flush=True)
    lines.append(row('**all**', total))
    print(lines[-1], flush=True)
    return lines


def measure_healthy(options):
    """The rows of the table: false alarms by family."""
    lines = ['| healthy family | models | alarms | rules |', '|---|---:|---:|---|']
    models, alarms = 0, 0
    for index, family in enumerate(FAMILIES):
        rules, wrong = collections.Counter(), 0
        count = math.ceil(options.healthy / len(FAMILIES))
        for i in range(count):
            seed = options.seed + 1000000 + 1000 * index + i
            report = diagnose(options.stabilityd, family(random.Random(seed), seed).request())
            named = rules_of(report, 'warning')
            wrong += bool(named)
            rules.update(set(named))
            if options.verbose and named:
                print('  alarm:', family.__name__, seed,
                      [(f['rule'], f['layers'][:2], f['evidence']) for f in report['findings']], file=sys.stderr)
        models, alarms = models + count, alarms + wrong
        found = ', '.join(f'{rule} {number}' for rule, number in rules.items())
        lines.append(f'| {family.__name__.replace("_", " ")} | {count} | {wrong} | {found} |')
        print(lines[-1], flush=True)
    lines.append(f'| **all** | {models} | {alarms} ({percent(alarms, models)}) | |')
    print(lines[-1], flush=True)
    return lines


def write_page(options, faults, healthy):
    """The page in docs."""
    text = Path(__file__).with_name('page.md').read_text(encoding='utf-8')
    for key, value in {'SEED': str(options.seed), 'EACH': str(options.each), 'HEALTHY': str(options.healthy),
                       'FAULTS': '\n'.join(faults), 'FAMILIES': '\n'.join(healthy)}.items():
        text = text.replace('{' + key + '}', value)
    Path(options.write).write_text(text, encoding='utf-8')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('stabilityd')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--each', type=int, default=40, help='models of each fault')
    parser.add_argument('--healthy', type=int, default=600)
    parser.add_argument('--only', action='append', help='this fault alone; may be repeated')
    parser.add_argument('--verbose', action='store_true')
    parser.add_argument('--write', help='the page to write')
    options = parser.parse_args()
    faults = measure_faults(options)
    healthy = measure_healthy(options) if options.healthy and not options.only else []
    if options.write:
        write_page(options, faults, healthy)


if __name__ == '__main__':
    main()
