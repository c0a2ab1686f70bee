// What all charts have in common: a figure that is drawn once it is in the page, and again when its colours change.
import { element, plotted, shortened } from './dom.js';

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

const drawn = [];
const LONGEST_LABEL = 18;
const MOST_POINTS = 80; // beyond, a line has no points

/** A figure; `configure` returns what Chart.js draws, `told` is for those who don't see it. */
export function figure(title, caption, configure, told = '') {
  const canvas = element('canvas', { role: 'img', 'aria-label': `${title}. ${told}`.trim() });
  const draw = () => {
    Chart.defaults.color = colour('faint');
    Chart.defaults.borderColor = colour('line');
    const configuration = configure();
    return new Chart(canvas, {
      ...configuration,
      options: { animation: false, maintainAspectRatio: false, responsive: true, interaction: { mode: 'index', intersect: false }, ...configuration.options },
    });
  };
  drawn.push({ canvas, draw, chart: null });
  return element('figure', {}, element('h4', {}, title), element('div', { class: 'canvas' }, canvas), element('figcaption', {}, caption));
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

const clip = (value, low, high) => Math.min(Math.max(value, low), high);

/** Shades what lies between two values of an axis, and names it. */
export const band = (axis, from, to, label = '') => ({
  id: `band ${from} ${to} ${label}`,
  beforeDatasetsDraw({ ctx, chartArea: area, scales }) {
    const [least, greatest] = axis === 'y' ? [area.top, area.bottom] : [area.left, area.right];
    const ends = [from, to].map((value) => Math.min(Math.max(scales[axis].getPixelForValue(value), least), greatest));
    const [start, size] = [Math.min(...ends), Math.abs(ends[1] - ends[0])];
    if (size === 0) return;
    ctx.save();
    ctx.fillStyle = colour('band');
    if (axis === 'y') ctx.fillRect(area.left, start, area.right - area.left, size);
    else ctx.fillRect(start, area.top, size, area.bottom - area.top);
    ctx.fillStyle = colour('faint');
    ctx.fillText(label, (axis === 'y' ? area.left : start) + 5, (axis === 'y' ? start : area.top) + 14);
    ctx.restore();
  },
});

/** Marks what a logarithmic axis has no place for: crosses at the top for NaN and infinity, open circles at the bottom for 0. */
const marks = (rows) => ({
  id: 'marks',
  afterDatasetsDraw({ ctx, chartArea: area, scales }) {
    ctx.save();
    ctx.lineWidth = 2;
    rows.forEach(({ values, shade }, row) => values.forEach((value, i) => {
      const x = scales.x.getPixelForValue(i);
      ctx.beginPath();
      if (value === 0) {
        ctx.strokeStyle = colour(shade);
        ctx.arc(x, area.bottom - 5 - 9 * row, 3.5, 0, 7);
      } else if (value != null && !Number.isFinite(plotted(value))) {
        const y = area.top + 6 + 9 * row;
        ctx.strokeStyle = colour('error');
        for (const side of [-4, 4]) {
          ctx.moveTo(x - side, y - 4);
          ctx.lineTo(x + side, y + 4);
        }
      }
      ctx.stroke();
    }));
    ctx.restore();
  },
});

function tick(value) {
  const exponent = Math.log10(value);
  const decades = Math.log10(this.max / this.min);
  const mantissa = Math.round(value / 10 ** Math.floor(exponent + 1e-9));
  if (Math.abs(exponent - Math.round(exponent)) < 1e-9) return value.toExponential(0);
  return decades < 0.7 || (decades < 1.5 && [2, 5].includes(mantissa)) ? value.toExponential(decades < 0.7 ? 1 : 0) : '';
}

export const logarithmic = (title) => ({ type: 'logarithmic', title: { display: title !== '', text: title }, ticks: { callback: tick } });

/** An axis of names. */
export const named = () => ({ ticks: { callback(value) { return shortened(this.getLabelForValue(value), LONGEST_LABEL); } } });

export const positive = (value) => (plotted(value) > 0 && Number.isFinite(plotted(value)) ? plotted(value) : null);

export const series = (label, data, shade, more = {}) => ({
  label, data, borderColor: colour(shade), backgroundColor: colour(shade), borderWidth: 2, pointRadius: data.length > MOST_POINTS ? 0 : 2.5, ...more,
});

/** Rows {label, values, shade, more} over names, on a logarithmic axis, with bands [low, high, label]. */
export function byName(title, caption, names, rows, axis, bands = []) {
  const values = rows.flatMap((row) => row.values);
  const notes = [
    values.some((value) => value != null && !Number.isFinite(plotted(value))) ? ' A cross at the top is NaN or an infinity.' : '',
    values.includes(0) ? ' An open circle at the bottom is 0.' : ''];
  const [low, high] = bands[0] || [];
  return figure(title, caption + notes.join(''), () => ({
    type: 'line',
    data: { labels: names, datasets: rows.map((row) => series(row.label, row.values.map(positive), row.shade, row.more)) },
    plugins: [...bands.map((one) => band('y', ...one)), marks(rows)],
    options: { scales: { x: named(), y: logarithmic(axis) } },
  }), told(names, rows[0].values, low, high));
}

/** The first row in words: from where to where it goes, and what is outside of the band. */
function told(names, values, low, high) {
  const numbers = values.map(plotted);
  const finite = numbers.map((value, i) => [value, names[i]]).filter(([value]) => Number.isFinite(value)).sort(([a], [b]) => a - b);
  if (!finite.length) return 'No finite number.';
  const outside = low === undefined ? 0 : values.filter((value, i) => value != null && !(numbers[i] >= low && numbers[i] <= high)).length;
  const [[least, where], [greatest, there]] = [finite[0], finite.at(-1)];
  return `Least ${least.toPrecision(3)} at ${where}, greatest ${greatest.toPrecision(3)} at ${there}${outside ? `; ${outside} outside of the band` : ''}. A table in the report has all.`;
}
