// Saved reports: the list, one of them by its link, and the trend of a model.
import { element, find, say } from './dom.js';
import { trend } from './charts.js';
import { draw } from './plot.js';
import { get, remove } from './service.js';

const POINTS = 30; // of a trend
const listed = { entries: [], next: null, model: null };

const keyOf = (model) => `stabilityd baseline ${model}`;

/** The id of a model's baseline, which this browser remembers; null: none. */
export function baselineOf(model) {
  try {
    return localStorage.getItem(keyOf(model));
  } catch {
    return null; // storage is turned off
  }
}

function setBaseline(model, id) {
  try {
    if (id) localStorage.setItem(keyOf(model), id);
    else localStorage.removeItem(keyOf(model));
  } catch { /* storage is turned off: there are no baselines */ }
}

/** Loss and gradient norm of the last reports of a model, oldest first. */
async function trendOf(model) {
  const query = model === null ? '' : `&model=${encodeURIComponent(model)}`;
  const { reports } = await get(`/v1/reports?limit=${POINTS}${query}`);
  const own = reports.filter((entry) => entry.kind !== 'gradcheck' && entry.model === model).reverse();
  if (own.length < 2) return element('p', { class: 'faint' }, 'A trend needs two saved diagnoses of the model.');
  const points = await Promise.all(own.map(async (entry) => ({ ...(await get(`/v1/reports/${entry.id}`)).summary, ...entry })));
  return trend(points, baselineOf(model));
}

async function showTrend(model) {
  listed.model = { name: model };
  find('trend').replaceChildren(element('h3', {}, `Trend of ${model || 'the model without a name'}`), await trendOf(model));
  draw();
}

async function toggleBaseline(entry) {
  const is = baselineOf(entry.model) === entry.id;
  setBaseline(entry.model, is ? null : entry.id);
  showList();
  find('list').querySelector(`[data-baseline="${entry.id}"]`)?.focus();
  say(is ? `${entry.model || 'The model'} has no baseline now.` : `${entry.name} is the baseline of ${entry.model || 'its model'}.`);
  await showTrend(entry.model);
}

async function forget(entry) {
  if (!confirm(`Delete the saved report ${entry.name || entry.id}?`)) return;
  await remove(`/v1/reports/${entry.id}`);
  if (baselineOf(entry.model) === entry.id) setBaseline(entry.model, null);
  find('saved').focus();
  say('It was deleted.');
  await list();
}

function rowOf(entry) {
  const name = entry.name || entry.id;
  const is = baselineOf(entry.model) === entry.id;
  return element('tr', {},
    element('th', { scope: 'row', class: 'text' }, element('a', { href: `#/reports/${entry.id}` }, name)),
    element('td', { class: 'text' }, entry.model || '–'),
    element('td', { class: 'text' }, element('span', { class: `tag ${{ unstable: 'error', fail: 'error', warning: 'warning' }[entry.verdict] || 'good'}` }, entry.verdict),
      entry.kind === 'gradcheck' ? ' (gradients)' : ''),
    element('td', {}, entry.created.replace('T', ' ').slice(0, 19)),
    element('td', { class: 'buttons' }, entry.kind !== 'gradcheck' && [
      element('button', { type: 'button', 'data-baseline': entry.id, 'aria-pressed': String(is), 'aria-label': `Baseline: ${name}`, onclick: () => toggleBaseline(entry) }, is ? '◆ Baseline' : 'Make baseline'), ' ',
      element('button', { type: 'button', 'aria-label': `Trend of ${entry.model || 'the model'}`, onclick: () => showTrend(entry.model) }, 'Trend'), ' '],
    element('button', { type: 'button', 'aria-label': `Delete ${name}`, onclick: () => forget(entry) }, 'Delete')));
}

function showList() {
  if (!listed.entries.length) {
    find('list').replaceChildren(element('p', { class: 'faint' }, 'None yet: give a name under “Analyses and options” and diagnose.'));
    return;
  }
  const titles = ['name', 'model', 'verdict', 'time (UTC)'].map((title, i) => element('th', { scope: 'col', class: i < 3 ? 'text' : '' }, title));
  find('list').replaceChildren(
    element('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Saved reports' },
      element('table', {}, element('thead', {}, element('tr', {}, titles, element('td', {}))), element('tbody', {}, listed.entries.map(rowOf)))),
    ...(listed.next ? [element('p', {}, element('button', { type: 'button', onclick: () => more() }, 'Older ones'))] : []));
}

async function more() {
  const { reports, next } = await get(`/v1/reports?after=${listed.next}`);
  listed.entries.push(...reports);
  listed.next = next;
  showList();
}

/** Fills in the list; a trend that is shown follows. */
export async function list() {
  try {
    ({ reports: listed.entries, next: listed.next } = await get('/v1/reports'));
  } catch (problem) {
    find('list').replaceChildren(element('p', {}, `They can’t be listed: ${problem.message}`));
    return;
  }
  showList();
  if (listed.model) await showTrend(listed.model.name);
}

/** The id in the page's address, or null. */
export const linked = () => /^#\/reports\/([\w-]+)$/.exec(location.hash)?.[1] ?? null;
