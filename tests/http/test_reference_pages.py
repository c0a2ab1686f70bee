#!/usr/bin/env python3
"""docs/layers.md, docs/rules.md, docs/analyses.md, docs/api.md and the pages of rules say what the server says of itself.

  tests/http/test_reference_pages.py STABILITYD            compares the pages with GET /v1/layers, /v1/losses and /v1/rules
  tests/http/test_reference_pages.py STABILITYD --write    writes them
"""
import re
import sys
from pathlib import Path

import rule_pages
from support import Server

DOCS = Path(__file__).resolve().parents[2] / 'docs'
NOTE = '<!-- Written by tests/http/test_reference_pages.py from the tables that the server runs on. -->\n'


def cell(text):
    return str(text).replace('|', '\\|')


def value(default):
    if isinstance(default, bool):
        return str(default).lower()
    return 'null' if default is None else str(default)


def value_range(attribute):
    low, high = attribute.get('minimum', attribute.get('exclusive_minimum')), attribute.get('maximum')
    above = 'above' if 'exclusive_minimum' in attribute else 'at least'
    choices = attribute.get('choices')
    words = ' or '.join(f'`"{word}"`' for word in choices) if choices else ''
    if low is not None and high is not None:
        numbers = f'above {low}, at most {high}' if above == 'above' else f'{low} to {high}'
    elif low is not None:
        numbers = f'{above} {low}'
    else:
        numbers = f'at most {high}' if high is not None else ''
    return ', '.join(part for part in (numbers, words) if part)


def attribute_row(attribute):
    default = 'required' if attribute['required'] else f'`{value(attribute.get("default"))}`'
    cells = (f'`{attribute["name"]}`', attribute['kind'], default, value_range(attribute), attribute['documentation'])
    return '| ' + ' | '.join(cell(c) for c in cells) + ' |'


def parameter_row(parameter):
    kind = 'buffer' if parameter.get('buffer') else 'parameter'
    when = f' where `{parameter["when"]}`' if parameter.get('when') else ''
    init = dict(parameter.get('init') or {'init': ''})
    scheme = init.pop('init')
    arguments = ', '.join(f'{name} {number}' for name, number in init.items())
    text = f'`{scheme}`' + (f', {arguments}' if arguments else '') if scheme else ''
    return f'| `{parameter["name"]}` | {kind}{when} | `({cell(parameter["shape"])})` | {cell(text)} |'


def inputs_text(inputs):
    low, high = inputs['minimum'], inputs['maximum']
    if high is None or high < 0:
        return f'{low} or more inputs'
    return f'{low} input{"s" if low != 1 else ""}' if low == high else f'{low} to {high} inputs'


def section(kind):
    lines = [f'## {kind["type"]}', '', f'{kind["documentation"]}. `{kind["torch"]}`']
    if isinstance(kind['inputs'], dict):
        lines[-1] += f', {inputs_text(kind["inputs"])}'
    if kind.get('outputs'):
        lines[-1] += ', further outputs: ' + ', '.join(f'`{name}`' for name in kind['outputs'])
    lines[-1] += '.'
    if kind['attributes']:
        lines += ['', '| attribute | kind | default | range | |', '|---|---|---|---|---|']
        lines += [attribute_row(attribute) for attribute in kind['attributes']]
    if kind.get('parameters'):
        lines += ['', '| parameter | | shape | default initialisation |', '|---|---|---|---|']
        lines += [parameter_row(parameter) for parameter in kind['parameters']]
    return lines + ['']


def layers_page(layers, losses):
    lines = ['# Layer types and losses', '', NOTE,
             'Attributes are named as the arguments of the PyTorch class or function. In a shape, `*name` stands for all sizes of an',
             'attribute, and a list in a product counts as the product of its items.', '']
    for kind in layers:
        lines += section(kind)
    lines += ['# Losses', '']
    for kind in losses:
        lines += section(kind)
    return '\n'.join(lines).rstrip() + '\n'


def rules_page(rules):
    lines = ['# Rules', '', NOTE]
    for rule in rules:
        lines += [f'## {rule["name"]}', '', f'{rule["documentation"]}', '', f'Criterion: {rule["criterion"]}. Up to severity '
                  f'`{rule["severity"]}`.', '']
        if rule['thresholds']:
            lines += ['| threshold | default | |', '|---|---|---|']
            lines += [f'| `{t["name"]}` | {t.get("default", t.get("number"))} | {cell(t["documentation"])} |' for t in rule['thresholds']]
            lines += ['']
        lines += [f'Source: {rule["source"]}', '', f'[{rule["name"]}: the mathematics, what to do, an example](rules/{rule["name"]}.md)', '']
    return '\n'.join(lines).rstrip() + '\n'


def analyses_page(analyses):
    lines = ['# Analyses', '', NOTE,
             '`options.analyses` names those to run: a list of names, or an object from names to settings. Each result is a member of the',
             "report's `analyses`.", '']
    for analysis in analyses:
        always = ' It always runs.' if analysis['always'] else ''
        lines += [f'## {analysis["name"]}', '', f'{analysis["documentation"]}{always}', '']
        if analysis['settings']:
            lines += ['| setting | kind | default | range | |', '|---|---|---|---|---|']
            lines += [attribute_row(setting) for setting in analysis['settings']] + ['']
        lines += [f'Source: {analysis["source"]}', '']
    return '\n'.join(lines).rstrip() + '\n'


def operations(description):
    for path, methods in description['paths'].items():
        for method, operation in methods.items():
            if isinstance(operation, dict) and not path.startswith('/web/'):
                yield f'{method.upper()} {path}', operation


def endpoints_block(description):
    lines = ['| method and path | what it does | query |', '|---|---|---|']
    for name, operation in operations(description):
        query = ', '.join(f'`{p["name"]}`' for p in operation.get('parameters', []) if p['in'] == 'query')
        lines.append(f'| `{name}` | {cell(operation["summary"])} | {query} |')
    return '\n'.join(lines) + '\n'


def parameters_block(description):
    found = {}
    for _, operation in operations(description):
        found |= {p['name']: p for p in operation.get('parameters', []) if p['in'] != 'path'}
    lines = ['| query or header | |', '|---|---|']
    lines += [f'| `{name}`{" (header)" if p["in"] == "header" else ""} | {cell(p["description"])} |' for name, p in found.items()]
    return '\n'.join(lines) + '\n'


def errors_block():
    rows = re.findall(r'STABILITY_ERROR\(\w+, "([^"]+)", (\d+), "([^"]+)"\)', (DOCS.parent / 'include/stability/errors.def').read_text())
    lines = ['| status | `code` | |', '|---|---|---|']
    lines += [f'| {status} | `{code}` | {title} |' for code, status, title in sorted(rows, key=lambda row: int(row[1]))]
    return '\n'.join(lines) + '\n| 412 | | a report, whose findings reach `fail_on` |\n'


def api_page(description, page):
    page = rule_pages.fill(page, 'endpoints', endpoints_block(description))
    page = rule_pages.fill(page, 'parameters', parameters_block(description))
    return rule_pages.fill(page, 'errors', errors_block())


def get(server, path):
    return server.request('GET', path).json()


def read(name):
    path = DOCS / name
    if not path.exists():
        raise SystemExit(f'there is no docs/{name}; docs/rules/dead-units.md shows what belongs into it')
    return path.read_text()


def same(name, text, other):
    return rule_pages.same(text, other) if name.startswith('rules/') else text == other


def main():
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    with Server() as server:
        rules = get(server, '/v1/rules')['rules']
        pages = {f'rules/{rule["name"]}.md': rule_pages.rule_page(server, rule, read(f'rules/{rule["name"]}.md')) for rule in rules}
        pages |= {
            'api.md': api_page(get(server, '/openapi.json'), read('api.md')),
            'layers.md': layers_page(get(server, '/v1/layers')['layers'], get(server, '/v1/losses')['losses']),
            'rules.md': rules_page(rules),
            'analyses.md': analyses_page(get(server, '/v1/rules')['analyses']),
        }
    stale = []
    for name, text in pages.items():
        path = DOCS / name
        if '--write' in sys.argv:
            path.write_text(text)
        elif not path.exists() or not same(name, path.read_text(), text):
            stale.append(name)
    print(f'out of date: {", ".join(stale)}; run this with --write' if stale else 'the pages are up to date')
    sys.exit(1 if stale else 0)


if __name__ == '__main__':
    main()
