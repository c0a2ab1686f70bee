// Charts of a report, drawn by Chart.js; each has a caption, and a table of the same numbers stands in the report.
import { element, joined, number, plotted } from './dom.js';
import { band, byName, colour, draw, figure, logarithmic, named, positive, series } from './plot.js';
import { threshold } from './rules.js';

/** Binary exponents of float16: the least subnormal number, the least normal one, the greatest. */
const FLOAT16 = { least: -24, normal: -14, greatest: 15 };
const LEAST_ERROR = 1e-16; // of the axis

export const parametersNorm = (layer) => joined(Object.values(layer.parameters).filter((parameter) => parameter.gradient).map((parameter) => parameter.gradient.norm));

function variances(report) {
  const [low, high] = [threshold(report, 'vanishing-activation', 'rms'), threshold(report, 'exploding-activation', 'rms')];
  return byName('Variance of activations by layer',
    `A network that trains well keeps it about constant from one layer to the next of its kind. The band is the square of the acceptable root mean square, ${number(low)} to ${number(high)}.`,
    report.layers.map((layer) => layer.name),
    [{ label: 'variance of the output', values: report.layers.map((layer) => layer.output?.variance ?? null), shade: 'accent' }],
    'variance', [[low ** 2, high ** 2, 'acceptable']]);
}

const gradientBand = (report) => [threshold(report, 'vanishing-gradient', 'gradient_norm'), threshold(report, 'exploding-gradient', 'gradient_norm')];

function gradients(report) {
  const [low, high] = gradientBand(report);
  return byName('Gradient norm by layer', `The band is the acceptable range, ${number(low)} to ${number(high)}.`, report.layers.map((layer) => layer.name), [
    { label: 'of the output', values: report.layers.map((layer) => layer.output_gradient?.norm ?? null), shade: 'accent' },
    { label: 'of the parameters', values: report.layers.map(parametersNorm), shade: 'second', more: { showLine: false, pointRadius: 3 } },
  ], 'norm', [[low, high, 'acceptable']]);
}

function updates(report) {
  const rows = report.layers.flatMap((layer) => Object.entries(layer.parameters)
    .filter(([, parameter]) => parameter.update_ratio != null).map(([name, parameter]) => [`${layer.name}.${name}`, parameter.update_ratio]));
  if (!rows.length) return null;
  return byName('Update ratio by parameter', 'What one step of SGD changes, relative to the parameter: around 1e-3 is usual.', rows.map(([name]) => name),
    [{ label: '|step| / |parameter|', values: rows.map(([, ratio]) => ratio), shade: 'accent', more: { showLine: false, pointRadius: 3 } }],
    'ratio', [[threshold(report, 'learning-rate', 'ratio_low'), threshold(report, 'learning-rate', 'ratio_high'), 'acceptable']]);
}

const nameOf = (tensor) => `${tensor.layer}, ${tensor.tensor}${tensor.pass === 'backward' ? ', gradient' : ''}`;

function histogram(tensor) {
  const [low, high] = [Math.min(tensor.first, FLOAT16.least) - 1, Math.max(tensor.first + tensor.counts.length, FLOAT16.greatest + 1) + 1];
  const exponents = Array.from({ length: high - low }, (_, i) => low + i);
  const outside = tensor.counts.filter((_, i) => tensor.first + i < FLOAT16.least || tensor.first + i > FLOAT16.greatest).reduce((a, b) => a + b, 0);
  const total = tensor.counts.reduce((a, b) => a + b, 0);
  const caption = `Elements by exponent e, 2^e ≤ |x| < 2^(e+1), zeros left out. The band is float16’s normal range, its paler part the subnormal one; ${outside} of ${total} lie outside of both.`;
  return figure(`Binary exponents: ${nameOf(tensor)}`, caption, () => ({
    type: 'bar',
    plugins: [band('x', FLOAT16.least - low - 0.5, FLOAT16.greatest - low + 0.5), band('x', FLOAT16.normal - low - 0.5, FLOAT16.greatest - low + 0.5, 'float16')],
    data: { labels: exponents, datasets: [series('elements', exponents.map((e) => tensor.counts[e - tensor.first] || 0), 'accent')] },
    options: { scales: { x: { title: { display: true, text: 'exponent' } } } },
  }), caption);
}

function exponents(report) {
  const tensors = report.analyses?.exponents?.tensors;
  if (!tensors?.length) return null;
  const place = element('div');
  const show = (tensor) => {
    place.replaceChildren(histogram(tensor));
    draw();
  };
  const select = element('select', { onchange: () => show(tensors[select.selectedIndex]) }, tensors.map((tensor) => element('option', {}, nameOf(tensor))));
  select.selectedIndex = Math.max(tensors.findIndex((tensor) => tensor.pass === 'backward'), 0);
  place.append(histogram(tensors[select.selectedIndex]));
  return element('div', {}, place, element('label', {}, 'Tensor ', select));
}

function training(report) {
  const result = report.analyses?.training;
  if (!result?.losses) return null;
  return figure('Steps of training', `${result.optimizer}, learning rate ${number(result.learning_rate)}: ${result.message}.`, () => ({
    type: 'line',
    data: {
      labels: result.losses.map((_, i) => i),
      datasets: [series('loss', result.losses.map(plotted), 'accent', { yAxisID: 'y' }),
        series('gradient norm', result.gradient_norms.map(positive), 'second', { yAxisID: 'norm' })],
    },
    options: {
      scales: {
        x: { title: { display: true, text: 'step' } }, y: { title: { display: true, text: 'loss' } },
        norm: { ...logarithmic('gradient norm'), position: 'right', grid: { drawOnChartArea: false } },
      },
    },
  }), `${result.message}.`);
}

function rates(report) {
  const result = report.analyses?.learning_rate;
  if (!result?.range?.length) return null;
  const caption = `Loss after ${result.steps} steps of ${result.optimizer}; it begins at ${number(result.initial_loss)}.${result.suggested ? ` Suggested: ${number(result.suggested.rate)}.` : ''}`;
  return byName('Loss by learning rate', caption, result.range.map(({ rate }) => number(rate)),
    [{ label: 'loss', values: result.range.map(({ loss }) => loss), shade: 'accent' }], 'loss');
}

/** All charts of a diagnosis. */
export const charts = (report) =>
  element('div', { class: 'charts' }, [gradients, variances, updates, exponents, training, rates].map((make) => make(report)));

/** Gradient norms of two reports of a model, by what they are called; a layer that only one has is in its place. */
export function beside(before, after, [beforeName, afterName]) {
  const norms = (report) => new Map(report.layers.map((layer) => [layer.name, layer.output_gradient?.norm ?? null]));
  const [old, now] = [norms(before), norms(after)];
  const names = [...(now.size >= old.size ? now : old).keys()];
  return byName('Gradient norm by layer', 'Of the layers’ outputs; the band is the acceptable range.', names, [
    { label: afterName, values: names.map((name) => now.get(name) ?? null), shade: 'accent', more: { spanGaps: true } },
    { label: beforeName, values: names.map((name) => old.get(name) ?? null), shade: 'second', more: { spanGaps: true, borderDash: [5, 4] } },
  ], 'norm', [[...gradientBand(after), 'acceptable']]);
}

/** Relative errors of a gradient check. */
export function errors(report) {
  const shade = { correct: 'good', acceptable: 'accent', suspicious: 'warning', wrong: 'error' };
  const counts = Object.keys(shade).map((level) => [level, report.parameters.filter((parameter) => parameter.level === level).length]).filter(([, count]) => count);
  return figure('Relative error by parameter', 'Below 1e-7 correct, below 1e-4 acceptable, below 1e-2 suspicious, else wrong. Grey: no larger than the uncertainty of the numerical gradient itself.', () => ({
    type: 'bar',
    data: {
      labels: report.parameters.map((parameter) => parameter.name),
      datasets: [{
        label: 'relative error', data: report.parameters.map((parameter) => Math.max(plotted(parameter.relative_error) || 0, LEAST_ERROR)),
        backgroundColor: report.parameters.map((parameter) => colour(parameter.within_uncertainty === parameter.checked ? 'faint' : shade[parameter.level])),
      }],
    },
    options: { plugins: { legend: { display: false } }, scales: { x: named(), y: { ...logarithmic('relative error'), min: LEAST_ERROR, max: 1 } } },
  }), counts.map(([level, count]) => `${count} ${level}`).join(', '));
}

/** Gradient norms and losses of saved reports over time; the baseline is marked. */
export function trend(points, baseline) {
  const large = { pointRadius: points.map((point) => (point.id === baseline ? 8 : 3)), pointStyle: points.map((point) => (point.id === baseline ? 'rectRot' : 'circle')) };
  return byName('Gradient norm and loss', `Saved reports, oldest first${points.some((point) => point.id === baseline) ? '; the diamond is the baseline' : ''}.`,
    points.map((point) => point.created.slice(5, 16).replace('T', ' ')), [
      { label: 'gradient norm', values: points.map((point) => point.gradient_norm), shade: 'accent', more: large },
      { label: 'loss', values: points.map((point) => point.loss), shade: 'second', more: large },
    ], '');
}
