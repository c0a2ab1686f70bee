// A report as people want to see it: verdict, findings with their fixes, graph, charts, tables.
import { element, number, table } from './dom.js';
import { beside, charts, errors, parametersNorm } from './charts.js';
import { findings } from './findings.js';
import { graph } from './graph.js';
import { results } from './results.js';

const LABELS = { model: 'model', loss: 'loss', gradient_norm: 'gradient norm', parameter_count: 'parameters', batch_size: 'batch', flops: 'operations', planned_bytes: 'memory' };
const UNITS = { flops: ['', ' thousand', ' million', ' billion', ' trillion'], planned_bytes: [' bytes', ' kB', ' MB', ' GB', ' TB'] };

function scaled(value, units) {
  const step = Math.min(Math.floor(Math.log10(Math.max(value, 1)) / 3), units.length - 1);
  return `${Number((value / 1000 ** step).toPrecision(3))}${units[step]}`;
}

const facts = (pairs) => element('dl', {}, pairs.map(([name, value]) => element('div', {}, element('dt', {}, name), element('dd', {}, number(value)))));

const summary = (report, names = Object.keys(LABELS)) => facts(Object.entries(LABELS).filter(([name]) => names.includes(name) && report.summary[name] != null)
  .map(([name, label]) => [label, UNITS[name] && typeof report.summary[name] === 'number' ? scaled(report.summary[name], UNITS[name]) : report.summary[name]]));

function counted(counts) {
  const parts = ['error', 'warning', 'info'].filter((severity) => counts[severity]).map((severity) => `${counts[severity]} ${severity}${counts[severity] > 1 && severity !== 'info' ? 's' : ''}`);
  return parts.join(', ') || 'no findings';
}

const phrase = (report) => (report.findings ? counted(report.summary.findings) : `gradients are ${report.level}`);

/** The verdict as a sentence. */
export const outcome = (report) => `${report.verdict}: ${phrase(report)}`;

const verdict = (report) => element('p', { class: `verdict ${report.verdict}` }, element('strong', {}, report.verdict), `: ${phrase(report)}`);

function layersOf(report) {
  const rows = report.layers.map((layer) => [
    layer.name, layer.type, layer.output_shape.join('×'), number(layer.output?.mean), number(layer.output?.std), number(layer.output_gradient?.norm),
    number(parametersNorm(layer)), layer.flags.join(', '),
  ]);
  return table(['layer ', 'type ', 'shape', 'mean', 'std', '|gradient|', '|gradient| of parameters', 'findings '], rows, 'Layers');
}

function diagnosis(report, { apply, why }) {
  const picture = graph(report);
  const folded = results(report.analyses, ['exponents', 'fixes']);
  return [
    verdict(report), summary(report),
    report.ignored_weights?.length > 0 && element('p', {}, `Weights that no layer has, ignored: ${report.ignored_weights.join(', ')}.`),
    element('h3', {}, 'Findings'),
    report.findings.length ? findings(report, apply) : element('p', {}, 'None: forward and backward signals keep their size, and nothing else is amiss.'),
    why && report.findings.some((finding) => finding.fixes?.length) && element('p', { class: 'faint' }, why),
    picture && [element('h3', {}, 'Graph'), picture],
    element('h3', {}, 'Charts'), charts(report),
    element('h3', {}, 'Layers'), layersOf(report),
    folded.length > 0 && [element('h3', {}, 'Analyses'), folded],
  ];
}

function check(report) {
  const rows = report.parameters.map((p) => [
    p.name, element('span', { class: `tag ${{ wrong: 'error', suspicious: 'warning' }[p.level] || 'good'}` }, p.level), p.source,
    number(p.relative_error), number(p.max_relative_error), `${p.checked} of ${p.count}`, p.within_uncertainty ?? '–', p.skipped_at_kink, p.pattern || '',
    p.worst ? `[${p.worst.index.join(', ')}]: given ${number(p.worst.given)}, numerical ${number(p.worst.numerical)}` : '',
  ]);
  const own = report.parameters.some((p) => p.source === 'client');
  return [
    verdict(report),
    report.suspect_layers.length > 0 && element('p', {}, `Look at ${report.suspect_layers[0]} first: of the layers that are wrong it is the first that the backward pass meets.`),
    !own && element('p', {}, 'The request brought no gradients of its own (gradients), so these are the engine’s, against numerical ones.'),
    facts([['engine’s own gradients', report.engine.level], ['their greatest relative error', report.engine.max_relative_error]]),
    element('h3', {}, 'Errors'), element('div', { class: 'charts' }, errors(report)),
    element('h3', {}, 'Parameters'),
    table(['parameter ', 'level ', 'gradient of ', 'relative error', 'greatest', 'checked', 'within uncertainty', 'at kinks', 'looks like ', 'worst element '], rows, 'Parameters'),
  ];
}

/** The whole view; `apply` (null: it can't be, and `why`) runs the request again with a fix. */
export function view(report, { apply = null, why = null } = {}) {
  return element('div', {}, report.parameters ? check(report) : diagnosis(report, { apply, why }));
}

/** Rules of findings that one report has and the other lacks, counted. */
function missing(report, other) {
  const there = new Set(other.findings.map((finding) => finding.fingerprint));
  const counts = new Map();
  for (const { fingerprint, rule } of report.findings) if (!there.has(fingerprint)) counts.set(rule, (counts.get(rule) || 0) + 1);
  return [...counts].map(([rule, count]) => (count > 1 ? `${rule} (${count})` : rule)).join(', ');
}

/** Two reports of a model beside each other: [title, before's name, after's name]. */
export function comparison(before, after, [title, old, now]) {
  const changes = [['Gone', missing(before, after)], ['New', missing(after, before)]].filter(([, rules]) => rules);
  return element('section', { class: 'comparison' }, element('h3', {}, title),
    element('div', { class: 'compare' },
      [[old, before], [now, after]].map(([name, report]) => element('div', {}, element('h4', {}, name), verdict(report), summary(report, ['loss', 'gradient_norm', 'parameter_count'])))),
    changes.map(([name, rules]) => element('p', {}, element('strong', {}, `${name}: `), rules)),
    element('div', { class: 'charts' }, beside(before, after, [old, now].map((name) => name.toLowerCase()))));
}
