// Saved reports: the list, one of them by its link, and the trend of a model.
import { element, find } from './dom.js';
import { draw, trend } from './charts.js';
import { get } from './service.js';

let baseline = null;

/** Loss and gradient norm of the last reports of a model, oldest first. */
async function trendOf(model, entries) {
  const own = entries.filter((entry) => entry.model === model && entry.kind !== 'gradcheck').slice(0, 30).reverse();
  const points = await Promise.all(own.map(async (entry) => ({ ...entry, ...(await get(`/v1/reports/${entry.id}`)).summary, created: entry.created, id: entry.id })));
  return points.length > 1 ? trend(points, baseline) : element('p', { class: 'faint' }, 'A trend needs two saved reports of the model.');
}

function rowOf(entry, show) {
  return element('tr', {},
    element('td', {}, element('a', { href: `#/reports/${entry.id}` }, entry.name || entry.id)),
    element('td', { class: 'text' }, entry.model || '–'),
    element('td', { class: 'text' }, entry.verdict),
    element('td', {}, entry.created.replace('T', ' ').slice(0, 19)),
    element('td', {},
      element('button', { type: 'button', onclick: () => { baseline = entry.id; show(entry.model); } }, entry.id === baseline ? 'Baseline' : 'Make baseline'), ' ',
      element('button', { type: 'button', onclick: () => show(entry.model) }, 'Trend')));
}

/** Fills in the list; with a model, its trend below. */
export async function list(model) {
  let entries;
  try {
    ({ reports: entries } = await get('/v1/reports'));
  } catch (problem) {
    find('list').replaceChildren(element('p', {}, `They can’t be listed: ${problem.message}`));
    return;
  }
  if (!entries.length) {
    find('list').replaceChildren(element('p', { class: 'faint' }, 'None yet: give a name under “Analyses and options” and diagnose.'));
    return;
  }
  const place = element('div');
  find('list').replaceChildren(
    element('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Saved reports' },
      element('table', {},
        element('thead', {}, element('tr', {}, ['name', 'model', 'verdict', 'time (UTC)', ''].map((title, i) => element('th', { scope: 'col', class: i < 3 ? 'text' : '' }, title)))),
        element('tbody', {}, entries.map((entry) => rowOf(entry, list))))), place);
  if (model !== undefined) {
    place.append(await trendOf(model, entries));
    draw();
  }
}

/** The id in the page's address, or null. */
export const linked = () => /^#\/reports\/([\w-]+)$/.exec(location.hash)?.[1] ?? null;

