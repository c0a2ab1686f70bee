// What analyses found, laid out: names with numbers, and a table for each list of objects.
import { element, number, table, words } from './dom.js';

const LISTED = 12; // values of a list
const ROWS = 200; // of a table

const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);
const isTable = (value) => Array.isArray(value) && value.length > 0 && value.every(isObject);

/** [name, value] of all that is no object, nested ones by dotted names. */
const flattened = (object, prefix = '') => Object.entries(object).flatMap(([name, value]) => (
  isObject(value) ? flattened(value, `${prefix}${name}.`) : [[prefix + name, value]]));

function phrase(value) {
  if (!Array.isArray(value)) return typeof value === 'boolean' ? (value ? 'yes' : 'no') : number(value);
  if (!value.length) return 'none';
  if (value.some((item) => item !== null && typeof item === 'object')) return `${value.length} values`;
  const listed = value.slice(0, LISTED).map(number).join(', ');
  return value.length > LISTED ? `${listed}, … (${value.length} values)` : listed;
}

function rowsOf(name, list) {
  const rows = list.slice(0, ROWS).map((item) => new Map(flattened(item)));
  const columns = [...new Set(rows.flatMap((row) => [...row.keys()]))];
  const textual = (column) => rows.some((row) => typeof row.get(column) === 'string' && !['NaN', 'Infinity', '-Infinity'].includes(row.get(column)));
  const caption = list.length > ROWS ? `${words(name)}: the first ${ROWS} of ${list.length}; the report as JSON has all` : words(name);
  return [element('p', { class: 'faint' }, caption),
    table(columns.map((column) => words(column) + (textual(column) ? ' ' : '')), rows.map((row) => columns.map((column) => phrase(row.get(column)))), words(name))];
}

function resultOf(result) {
  const members = flattened(result);
  const facts = members.filter(([, value]) => !isTable(value));
  return [
    facts.length > 0 && element('dl', { class: 'result' }, facts.map(([name, value]) => element('div', {}, element('dt', {}, words(name)), element('dd', {}, phrase(value))))),
    members.filter(([, value]) => isTable(value)).map(([name, value]) => rowsOf(name, value)),
  ];
}

/** Folded, one after the other; `without` are shown elsewhere. */
export const results = (analyses, without) => Object.entries(analyses || {}).filter(([name]) => !without.includes(name)).map(([name, result]) => {
  const details = element('details', { ontoggle: () => {
    if (details.open && details.children.length === 1) details.append(element('div', {}, isObject(result) ? resultOf(result) : phrase(result)));
  } }, element('summary', {}, words(name)));
  return details;
});
