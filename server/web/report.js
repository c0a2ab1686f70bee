// A report as people want to see it: verdict, findings with their fixes, graph, charts, tables.
import { element, number, table } from './dom.js';
import { charts, errors } from './charts.js';
import { graph } from './graph.js';

const facts = (pairs) => element('dl', {}, pairs.map(([name, value]) => element('div', {}, element('dt', {}, name), element('dd', {}, number(value)))));

const some = (names, most = 8) => (names.length > most ? `${names.slice(0, most).join(', ')} and ${names.length - most} more` : names.join(', '));

function counted(counts) {
  const parts = ['error', 'warning', 'info'].filter((severity) => counts[severity]).map((severity) => `${counts[severity]} ${severity}${counts[severity] > 1 && severity !== 'info' ? 's' : ''}`);
  return parts.join(', ') || 'no findings';
}

const measured = (values) => Object.entries(values || {}).filter(([, value]) => typeof value !== 'object' || value === null)
  .map(([name, value]) => `${name.replaceAll('_', ' ')} ${number(value)}`).join(', ');

const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;

async function copy(button, text) {
  await navigator.clipboard.writeText(text);
  button.textContent = 'Copied';
}

function fixOf(fix, apply) {
  const patch = JSON.stringify(fix.patch, null, 2);
  return element('div', { class: 'fix' },
    element('strong', {}, sentence(fix.summary)),
    element('div', {}, `before: ${measured(fix.before)}`),
    element('div', {}, `after: ${measured(fix.after)}`),
    element('details', {}, element('summary', {}, `Patch of ${fix.patch.length} operation${fix.patch.length > 1 ? 's' : ''} (JSON Patch)`), element('pre', {}, patch)),
    element('p', { class: 'actions' },
      element('button', { type: 'button', onclick: (event) => copy(event.target, patch) }, 'Copy the patch'),
      apply && element('button', { type: 'button', onclick: () => apply(fix) }, 'Apply it and diagnose again')));
}

/** `known` holds the patches that stand above: what cures two findings is shown once, and named again. */
function findingOf(finding, apply, known) {
  const fixes = (finding.fixes || []).filter((fix) => !known.has(JSON.stringify(fix.patch)));
  const again = (finding.fixes || []).filter((fix) => !fixes.includes(fix));
  for (const fix of fixes) known.add(JSON.stringify(fix.patch));
  return element('article', { class: `finding ${finding.severity}` },
    element('h4', {}, element('span', { class: `tag ${finding.severity}` }, finding.severity), ` ${finding.rule}`),
    finding.layers.length > 0 && element('div', { class: 'faint' }, `in ${some(finding.layers)}`),
    element('p', {}, sentence(finding.message)),
    finding.cause && element('p', {}, element('strong', {}, 'Cause: '), sentence(finding.cause)),
    element('p', { class: 'faint' }, `Evidence: ${measured(finding.evidence)}`),
    fixes.length > 0 && element('h5', {}, 'Fixes that were tried and measured'),
    fixes.map((fix) => fixOf(fix, apply)),
    again.length > 0 && element('p', {}, `A fix from above helps here too: ${again.map((fix) => `${fix.summary} (${measured(fix.after)})`).join('; ')}.`));
}

function layersOf(report) {
  const rows = report.layers.map((layer) => [
    layer.name, layer.type, layer.output_shape.join('×'), number(layer.output?.mean), number(layer.output?.std), number(layer.output_gradient?.norm),
    number(Object.values(layer.parameters).some((p) => p.gradient) ? Math.hypot(...Object.values(layer.parameters).map((p) => Number(p.gradient?.norm ?? 0))) : null),
    layer.flags.join(', '),
  ]);
  return table(['layer ', 'type ', 'shape', 'mean', 'std', '|gradient|', 'parameters’ |gradient|', 'findings '], rows, 'Layers');
}

const analysesOf = (report) => Object.entries(report.analyses || {}).filter(([name]) => !['exponents', 'fixes'].includes(name)).map(([name, result]) =>
  element('details', {}, element('summary', {}, name.replaceAll('_', ' ')), element('pre', { tabindex: 0 }, JSON.stringify(result, null, 2))));

/** The verdict in a line. */
export const verdict = (report) => element('p', { class: `verdict ${report.verdict}` },
  element('strong', {}, report.verdict), report.findings ? `: ${counted(report.summary.findings)}` : `: gradients are ${report.level}`);

const summary = (report) => facts(Object.entries(report.summary).filter(([name]) => name !== 'findings').map(([name, value]) => [name.replaceAll('_', ' '), value]));

function diagnosis(report, request, apply) {
  const picture = graph(request, report);
  const known = new Set();
  return [
    verdict(report), summary(report),
    element('h3', {}, 'Findings'),
    report.findings.length ? report.findings.map((finding) => findingOf(finding, apply, known)) : element('p', {}, 'None: forward and backward signals keep their size, and nothing else is amiss.'),
    element('h3', {}, 'Charts'), charts(report),
    picture && [element('h3', {}, 'Graph'), picture],
    element('h3', {}, 'Layers'), layersOf(report),
    element('h3', {}, 'Analyses'), analysesOf(report),
  ];
}

function check(report) {
  const rows = report.parameters.map((p) => [
    p.name, element('span', { class: `tag ${{ wrong: 'error', suspicious: 'warning' }[p.level] || 'info'}` }, p.level), p.source,
    number(p.relative_error), number(p.max_relative_error), `${p.checked} of ${p.count}`, p.skipped_at_kink, p.pattern || '',
    p.worst ? `[${p.worst.index.join(', ')}]: given ${number(p.worst.given)}, numerical ${number(p.worst.numerical)}` : '',
  ]);
  return [
    verdict(report),
    report.suspect_layers.length > 0 && element('p', {}, `Look at ${report.suspect_layers[0]} first: of the layers that are wrong it is the first that the backward pass meets.`),
    facts([['engine’s own gradients', report.engine.level], ['their greatest relative error', report.engine.max_relative_error]]),
    element('div', { class: 'charts' }, errors(report)),
    table(['parameter ', 'level ', 'source ', 'relative error', 'greatest', 'checked', 'at kinks', 'looks like ', 'worst element '], rows, 'Parameters'),
  ];
}

/** The whole view; `apply` (null: it can't be) runs the request again with a fix. */
export function view(report, request, apply) {
  return element('div', {}, report.parameters ? check(report) : diagnosis(report, request, apply));
}

/** Two reports beside each other. */
export function comparison(before, after, fix) {
  return element('div', {}, element('h3', {}, `With the fix: ${fix.summary}`),
    element('div', { class: 'compare' },
      element('div', {}, element('h4', {}, 'Before'), verdict(before), summary(before)),
      element('div', {}, element('h4', {}, 'After'), verdict(after), summary(after))));
}
