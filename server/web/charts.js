// Charts of a report, drawn by Chart.js; each has a caption, and a table of the same numbers stands in the report.
import { element, plotted, number } from './dom.js';

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const drawn = [];

/** The acceptable range of a gradient's norm, where the request doesn't set another. */
const ACCEPTABLE = [1e-6, 1e3];
/** Binary exponents of float16: the least subnormal number, the least normal one, the greatest. */
const FLOAT16 = { least: -24, normal: -14, greatest: 15 };

/** Shades what lies between two values of an axis. */
const band = (axis, from, to, label) => ({
  id: 'band',
  beforeDatasetsDraw(chart) {
    const { ctx, chartArea: area, scales } = chart;
    const [a, b] = [from, to].map((value) => scales[axis].getPixelForValue(value));
    const clip = (value, low, high) => Math.min(Math.max(value, low), high);
    ctx.save();
    ctx.fillStyle = colour('band');
    if (axis === 'y') {
      const [top, bottom] = [clip(Math.min(a, b), area.top, area.bottom), clip(Math.max(a, b), area.top, area.bottom)];
      ctx.fillRect(area.left, top, area.right - area.left, bottom - top);
    } else {
      const [left, right] = [clip(Math.min(a, b), area.left, area.right), clip(Math.max(a, b), area.left, area.right)];
      ctx.fillRect(left, area.top, right - left, area.bottom - area.top);
    }
    ctx.fillStyle = colour('faint');
    ctx.fillText(label, area.left + 6, area.top + 12);
    ctx.restore();
  },
});

function figure(title, caption, configuration) {
  const canvas = element('canvas', { role: 'img', 'aria-label': title });
  const made = element('figure', {}, element('h3', {}, title), element('div', { class: 'canvas' }, canvas), element('figcaption', {}, caption));
  const draw = () => {
    Chart.defaults.color = colour('faint');
    Chart.defaults.borderColor = colour('line');
    return new Chart(canvas, {
      ...configuration,
      options: { animation: false, maintainAspectRatio: false, responsive: true, interaction: { mode: 'index', intersect: false }, ...configuration.options },
    });
  };
  drawn.push({ canvas, draw, chart: null });
  return made;
}

/** Draws all figures that have been made, once they are in the page: a canvas without a size can't be drawn on. */
export function draw() {
  for (const entry of [...drawn]) {
    entry.chart?.destroy();
    entry.chart = null;
    if (entry.canvas.isConnected) entry.chart = entry.draw();
    else drawn.splice(drawn.indexOf(entry), 1);
  }
}
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);

const logarithmic = (title) => ({
  type: 'logarithmic', title: { display: true, text: title }, ticks: { callback: (value) => (Number.isInteger(Math.log10(value)) ? value.toExponential(0) : '') },
});
const positive = (value) => (plotted(value) > 0 && Number.isFinite(plotted(value)) ? plotted(value) : null);
const series = (label, data, shade, more = {}) => ({
  label, data, borderColor: colour(shade), backgroundColor: colour(shade), borderWidth: 2, pointRadius: data.length > 80 ? 0 : 2.5, spanGaps: false, ...more,
});

function byLayer(title, caption, labels, datasets, axis, plugins = []) {
  return figure(title, caption, { type: 'line', data: { labels, datasets }, plugins, options: { scales: { y: logarithmic(axis) } } });
}

function missing(layers, value) {
  const without = layers.filter((layer) => !['–', '0'].includes(number(value(layer))) && positive(value(layer)) === null).map((layer) => layer.name);
  return without.length ? ` Not finite, so not drawn: ${without.slice(0, 8).join(', ')}${without.length > 8 ? ' …' : ''}.` : '';
}

function variances(report) {
  const value = (layer) => layer.output?.variance;
  return byLayer('Variance of activations by layer', `Constant is good.${missing(report.layers, value)}`, report.layers.map((layer) => layer.name),
    [series('variance of the output', report.layers.map((layer) => positive(value(layer))), 'accent')], 'variance');
}

function gradients(report) {
  const value = (layer) => layer.output_gradient?.norm;
  const parameters = (layer) => {
    const norms = Object.values(layer.parameters).filter((parameter) => parameter.gradient).map((parameter) => plotted(parameter.gradient.norm));
    return norms.length ? positive(Math.hypot(...norms)) : null;
  };
  return byLayer('Gradient norm by layer', `The band is the acceptable range, ${ACCEPTABLE[0]} to ${ACCEPTABLE[1]}.${missing(report.layers, value)}`,
    report.layers.map((layer) => layer.name),
    [series('of the output', report.layers.map((layer) => positive(value(layer))), 'accent'),
      series('of the parameters', report.layers.map(parameters), 'warning', { showLine: false, pointRadius: 3 })],
    'norm', [band('y', ...ACCEPTABLE, 'acceptable')]);
}

function updates(report) {
  const rows = report.layers.flatMap((layer) => Object.entries(layer.parameters)
    .filter(([, parameter]) => parameter.update_ratio != null).map(([name, parameter]) => [`${layer.name}.${name}`, positive(parameter.update_ratio)]));
  if (!rows.length) return null;
  return byLayer('Update ratio by parameter', 'What one step of SGD changes, relative to the parameter: around 1e-3 is usual.',
    rows.map(([name]) => name), [series('|step| / |parameter|', rows.map(([, ratio]) => ratio), 'accent', { showLine: false, pointRadius: 3 })],
    'ratio', [band('y', 1e-5, 1e-1, 'usual')]);
}

function histogram(tensor) {
  const [low, high] = [Math.min(tensor.first, FLOAT16.least) - 1, Math.max(tensor.first + tensor.counts.length, FLOAT16.greatest + 1) + 1];
  const exponents = Array.from({ length: high - low }, (_, i) => low + i);
  const outside = tensor.counts.filter((_, i) => tensor.first + i < FLOAT16.least || tensor.first + i > FLOAT16.greatest).reduce((a, b) => a + b, 0);
  const total = tensor.counts.reduce((a, b) => a + b, 0);
  return figure(`Binary exponents: ${nameOf(tensor)}`,
    `Elements by exponent e, 2^e ≤ |x| < 2^(e+1). The band is float16's normal range; ${outside} of ${total} lie outside of all its numbers.`,
    {
      type: 'bar', plugins: [band('x', FLOAT16.normal - low, FLOAT16.greatest - low, 'float16')],
      data: { labels: exponents, datasets: [series('elements', exponents.map((e) => tensor.counts[e - tensor.first] || 0), 'accent')] },
    });
}

const nameOf = (tensor) => `${tensor.layer}, ${tensor.tensor}${tensor.pass === 'backward' ? ', gradient' : ''}`;

function exponents(report) {
  const tensors = report.analyses?.exponents?.tensors;
  if (!tensors?.length) return null;
  const place = element('div');
  const show = (tensor) => {
    place.replaceChildren(histogram(tensor));
    draw();
  };
  const select = element('select', { onchange: () => show(tensors[select.selectedIndex]) }, tensors.map((tensor) => element('option', {}, nameOf(tensor))));
  const first = tensors.findIndex((tensor) => tensor.pass === 'backward');
  select.selectedIndex = Math.max(first, 0);
  place.append(histogram(tensors[select.selectedIndex]));
  return element('div', {}, element('label', {}, 'Tensor ', select), place);
}

function training(report) {
  const result = report.analyses?.training;
  if (!result?.losses) return null;
  const labels = result.losses.map((_, i) => i);
  return figure('Steps of training', `${result.message}.`, {
    type: 'line',
    data: {
      labels,
      datasets: [series('loss', result.losses.map(plotted), 'accent', { yAxisID: 'y' }),
        series('gradient norm', result.gradient_norms.map(positive), 'warning', { yAxisID: 'norm' })],
    },
    options: { scales: { y: { title: { display: true, text: 'loss' } }, norm: { ...logarithmic('gradient norm'), position: 'right', grid: { drawOnChartArea: false } } } },
  });
}

/** All charts of a diagnosis. */
export const charts = (report) =>
  element('div', { class: 'charts' }, [variances, gradients, updates, exponents, training].map((make) => make(report)));

/** Relative errors of a gradient check. */
export function errors(report) {
  const shade = { correct: 'good', acceptable: 'accent', suspicious: 'warning', wrong: 'error' };
  const data = report.parameters.map((parameter) => Math.max(plotted(parameter.relative_error) || 0, 1e-16));
  return figure('Relative error by parameter', 'Below 1e-7 correct, below 1e-4 acceptable, below 1e-2 suspicious, else wrong.', {
    type: 'bar',
    data: {
      labels: report.parameters.map((parameter) => parameter.name),
      datasets: [series('relative error', data, 'accent', { backgroundColor: report.parameters.map((parameter) => colour(shade[parameter.level])) })],
    },
    options: { scales: { y: { ...logarithmic('relative error'), min: 1e-16 } } },
  });
}

/** Gradient norms and losses of saved reports over time; the baseline is marked. */
export function trend(points, baseline) {
  const radius = points.map((point) => (point.id === baseline ? 8 : 3));
  return figure('Trend', 'Saved reports of one model, oldest first; the baseline is the large point.', {
    type: 'line',
    data: {
      labels: points.map((point) => point.created.replace('T', ' ').slice(0, 19)),
      datasets: [series('gradient norm', points.map((point) => positive(point.gradient_norm)), 'accent', { pointRadius: radius }),
        series('loss', points.map((point) => positive(point.loss)), 'warning', { pointRadius: radius })],
    },
    options: { scales: { y: logarithmic('') } },
  });
}
