#!/usr/bin/env python3
"""Every example has the verdict, and the rule behind it, that its name promises.

  tests/http/test_examples.py STABILITYD
"""
import json
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / 'examples'
PROMISES = {'healthy': ('stable', None), 'vanishing': ('unstable', 'vanishing-gradient'),
            'exploding': ('unstable', 'exploding-gradient'), 'nan': ('unstable', 'non-finite')}


def problem_of(stabilityd, path):
    verdict, rule = PROMISES[path.name.split('-')[0]]
    done = subprocess.run([stabilityd, 'check', '--format', 'json', str(path)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    if done.returncode != (0 if rule is None else 1):
        return f'exit {done.returncode}: {(done.stderr or done.stdout)[:500].decode(errors="replace").strip()}'
    report = json.loads(done.stdout)
    errors = [finding['rule'] for finding in report['findings'] if finding['severity'] == 'error']
    if report['verdict'] != verdict or (rule and rule not in errors):
        return f'verdict {report["verdict"]} with errors {errors} where its name promises {verdict}, {rule}'
    return None


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    paths = sorted(EXAMPLES.glob('*.json'))
    problems = {path.name: problem_of(sys.argv[1], path) for path in paths}
    for name, problem in problems.items():
        print(f'{name}: {problem or "as promised"}')
    sys.exit(1 if not paths or any(problems.values()) else 0)


if __name__ == '__main__':
    main()
