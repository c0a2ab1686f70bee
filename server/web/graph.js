// The graph of layers: a layer stands below all that it reads, and what is long goes on in the next column.
import { drawing, element, shortened } from './dom.js';

const WIDTH = 140, HEIGHT = 38, GAP_X = 14, GAP_Y = 20, GUTTER = 46;
const LONGEST = 19;
const LEAST_ROWS = 8; // of a column, before the next one begins
const ROOM = 1120; // columns beside each other take about so much
const SEVERITIES = ['info', 'warning', 'error'];

/** "lstm.h_n" is an output of the layer lstm. */
const producer = (name, layers) => (layers.has(name) ? name : layers.has(name.slice(0, name.lastIndexOf('.'))) ? name.slice(0, name.lastIndexOf('.')) : name);

/** What each layer reads: [name, [names]], with the model's inputs, which nothing else tells of, in front. */
function nodesOf(report) {
  const layers = new Set(report.layers.map((layer) => layer.name));
  const nodes = report.layers.map((layer) => ({ name: layer.name, type: layer.type, sources: [...new Set(layer.inputs.map((name) => producer(name, layers)))] }));
  const inputs = new Set(nodes.flatMap((node) => node.sources).filter((name) => !layers.has(name)));
  return [...[...inputs].map((name) => ({ name, type: 'input', sources: [] })), ...nodes];
}

function severities(report) {
  const worst = new Map();
  for (const finding of report.findings) {
    for (const name of finding.layers) {
      if (SEVERITIES.indexOf(finding.severity) > SEVERITIES.indexOf(worst.get(name))) worst.set(name, finding.severity);
    }
  }
  return worst;
}

/** Gives each node a row, and its place in that row. */
function arrange(nodes) {
  const places = new Map();
  const widths = [];
  for (const { name, type, sources } of nodes) {
    const row = sources.length ? 1 + Math.max(...sources.map((source) => places.get(source)?.row ?? -1)) : 0;
    widths[row] = (widths[row] || 0) + 1;
    places.set(name, { row, column: widths[row] - 1, type });
  }
  const most = Math.max(...widths);
  const block = most * (WIDTH + GAP_X) - GAP_X + GUTTER;
  const rows = Math.max(LEAST_ROWS, Math.ceil(widths.length / Math.max(1, Math.floor(ROOM / block))));
  for (const at of places.values()) {
    at.block = Math.floor(at.row / rows);
    at.x = GUTTER / 2 + at.block * block + at.column * (WIDTH + GAP_X) + (most - widths[at.row]) * (WIDTH + GAP_X) / 2;
    at.y = 4 + (at.row % rows) * (HEIGHT + GAP_Y);
  }
  const blocks = Math.ceil(widths.length / rows);
  return [places, blocks * block, Math.min(rows, widths.length) * (HEIGHT + GAP_Y), block];
}

function edge(from, to, block) {
  const [x0, y0, x1, y1] = [from.x + WIDTH / 2, from.y + HEIGHT, to.x + WIDTH / 2, to.y];
  if (from.block !== to.block) { // along the gutter in front of the column
    const gutter = to.block * block + 9;
    return `M${x0} ${y0} v${GAP_Y / 2} H${gutter} V${y1 - 3} H${x1} V${y1}`;
  }
  const bend = to.row - from.row > 1 ? WIDTH / 2 + 40 : 0; // past what stands between
  return `M${x0} ${y0} C${x0 + bend} ${y0 + GAP_Y} ${x1 + bend} ${y1 - GAP_Y} ${x1} ${y1}`;
}

/** What all names begin with, up to a dot or slash: it tells nothing apart. */
function commonPrefix(names) {
  const [first, last] = [names.reduce((a, b) => (a < b ? a : b)), names.reduce((a, b) => (a > b ? a : b))];
  let length = 0;
  while (length < first.length && first[length] === last[length]) length++;
  return Math.max(first.lastIndexOf('.', length - 1), first.lastIndexOf('/', length - 1)) + 1;
}

function box(name, at, severity, prefix) {
  const title = drawing('title');
  title.textContent = `${name}: ${at.type}${severity ? `, ${severity}` : ''}`;
  const label = drawing('text', { x: 7, y: 16 });
  label.textContent = shortened(at.type === 'input' ? name : name.slice(prefix), LONGEST);
  const type = drawing('text', { x: 7, y: 31, class: 'type' });
  type.textContent = shortened(at.type, severity ? 12 : LONGEST) + (severity ? ` · ${severity}` : '');
  return drawing('g', { class: severity || '', transform: `translate(${at.x} ${at.y})` }, title,
    drawing('rect', { width: WIDTH, height: HEIGHT, rx: 5 }), drawing('svg', { width: WIDTH - 4, height: HEIGHT }, label, type));
}

/** The figure, or null for a report that doesn't say what its layers read. */
export function graph(report) {
  if (!report.layers.length || !report.layers[0].inputs) return null;
  const nodes = nodesOf(report);
  const [places, width, height, block] = arrange(nodes);
  const worst = severities(report);
  const prefix = nodes.length > 2 ? commonPrefix(report.layers.map((layer) => layer.name)) : 0;
  const edges = nodes.flatMap(({ name, sources }) => sources.map((source) => drawing('path', { d: edge(places.get(source), places.get(name), block) })));
  const named = SEVERITIES.map((severity) => [severity, [...worst.values()].filter((one) => one === severity).length]).filter(([, count]) => count).reverse();
  const svg = drawing('svg', {
    width, height, role: 'img', 'aria-label': `Graph of ${report.layers.length} layers. ${named.map(([severity, count]) => `${severity}: ${count}`).join(', ')}`,
  }, ...edges, ...[...places].map(([name, at]) => box(name, at, worst.get(name), prefix)));
  return element('figure', { class: 'graph' },
    element('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Graph of the layers' }, svg),
    element('figcaption', {}, 'Layers, coloured by the most severe finding that names them',
      named.length ? [': ', named.map(([severity, count]) => [element('span', { class: `tag ${severity}` }, `${count} ${severity}`), ' '])] : '. None is named.'));
}
