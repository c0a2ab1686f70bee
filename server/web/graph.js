// The graph of layers, drawn in rows: a layer stands below all that it reads.
import { drawing, element } from './dom.js';

const WIDTH = 150, HEIGHT = 44, GAP_X = 20, GAP_Y = 26;
const SEVERITIES = ['info', 'warning', 'error'];

/** What each layer of a request reads: [name, [names]]. */
function edgesOf(model) {
  const inputs = model.inputs || ['input'];
  const known = new Set(inputs);
  let before = inputs[0];
  return (model.layers || []).map((layer) => {
    known.add(layer.name);
    const sources = (layer.inputs || [before]).map((name) => (known.has(name) ? name : name.slice(0, name.lastIndexOf('.'))));
    before = layer.name;
    return [layer.name, ['Parameter', 'Constant'].includes(layer.type) && !layer.inputs ? [] : sources];
  });
}

function severityOf(report) {
  const worst = new Map();
  for (const finding of report.findings) {
    for (const name of finding.layers) {
      if (SEVERITIES.indexOf(finding.severity) > SEVERITIES.indexOf(worst.get(name))) worst.set(name, finding.severity);
    }
  }
  return worst;
}

const shortened = (text) => (text.length > 20 ? `${text.slice(0, 9)}…${text.slice(-10)}` : text);

function place(model, layers) {
  const places = new Map((model.inputs || ['input']).map((name, i) => [name, { row: 0, column: i, type: 'input' }]));
  const widths = [places.size];
  const types = new Map(layers.map((layer) => [layer.name, layer.type]));
  for (const [name, sources] of edgesOf(model)) {
    const row = 1 + Math.max(-1, ...sources.map((source) => places.get(source)?.row ?? -1));
    widths[row] = (widths[row] || 0) + 1;
    places.set(name, { row, column: widths[row] - 1, type: types.get(name) || '' });
  }
  return [places, widths];
}

/** The figure, or null where the request's layers are not at hand (ONNX, a saved report). */
export function graph(request, report) {
  const model = request?.model;
  if (!model?.layers?.length) return null;
  const [places, widths] = place(model, report.layers);
  const most = Math.max(...widths);
  const x = (at) => at.column * (WIDTH + GAP_X) + (most - widths[at.row]) * (WIDTH + GAP_X) / 2 + 4;
  const y = (at) => at.row * (HEIGHT + GAP_Y) + 4;
  const svg = drawing('svg', {
    width: most * (WIDTH + GAP_X) + 8, height: widths.length * (HEIGHT + GAP_Y) + 8, role: 'img',
    'aria-label': `graph of ${report.layers.length} layers`,
  });
  for (const [name, sources] of edgesOf(model)) {
    const to = places.get(name);
    for (const source of sources) {
      const from = places.get(source);
      if (!from) continue;
      const [x0, y0, x1, y1] = [x(from) + WIDTH / 2, y(from) + HEIGHT, x(to) + WIDTH / 2, y(to)];
      const bend = to.row - from.row > 1 ? WIDTH * 0.7 : 0; // past what stands between
      svg.append(drawing('path', { d: `M${x0} ${y0} C${x0 + bend} ${y0 + GAP_Y} ${x1 + bend} ${y1 - GAP_Y} ${x1} ${y1}` }));
    }
  }
  const worst = severityOf(report);
  for (const [name, at] of places) {
    const title = drawing('title');
    title.textContent = `${name}: ${at.type}${worst.has(name) ? `, ${worst.get(name)}` : ''}`;
    const label = drawing('text', { x: x(at) + 8, y: y(at) + 18 });
    label.textContent = shortened(name);
    const type = drawing('text', { x: x(at) + 8, y: y(at) + 35, class: 'type' });
    type.textContent = shortened(at.type);
    svg.append(drawing('g', { class: worst.get(name) || '' }, title,
      drawing('rect', { x: x(at), y: y(at), width: WIDTH, height: HEIGHT, rx: 5 }), label, type));
  }
  return element('figure', { class: 'graph' },
    element('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'graph of the layers' }, svg),
    element('figcaption', {}, 'Layers, framed by the most severe finding that names them.'));
}
