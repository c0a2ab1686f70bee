// Elements from plain descriptions; text is always text, never markup.

export const find = (id) => document.getElementById(id);

/** An element with attributes (on… are listeners) and children: elements, texts, lists of them; null and false are left out. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, '');
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return made;
}

export function drawing(name, attributes = {}, ...children) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A number of a report for people; those that are not finite come as texts. */
export function number(value) {
  if (value == null) return '–';
  if (typeof value !== 'number') return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return String(value);
  return Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5 ? String(Number(value.toPrecision(4))) : value.toExponential(2);
}

/** JSON to be read and edited: lists of numbers stay on a line. */
export const written = (value) => JSON.stringify(value, null, 2).replace(/\[\n[-\d.eE+,\s]+\]/g, (list) => list.replace(/\s+/g, ' ').replace('[ ', '[').replace(' ]', ']'));

/** A number to draw, NaN where there is none. */
export function plotted(value) {
  if (typeof value === 'number') return value;
  return value === 'Infinity' ? Infinity : value === '-Infinity' ? -Infinity : NaN;
}

/** The L2 norm of numbers of a report, as one of its numbers; null: there are none. */
export function joined(norms) {
  const numbers = norms.map(plotted);
  if (!numbers.length) return null;
  return numbers.some(Number.isNaN) ? 'NaN' : Number.isFinite(Math.hypot(...numbers)) ? Math.hypot(...numbers) : 'Infinity';
}

export const words = (name) => name.replaceAll('_', ' ');
export const sentence = (text) => `${/^[a-z]+[ ,]/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text}${/[.!?]$/.test(text) ? '' : '.'}`;
export const some = (names, most = 8) => (names.length > most ? `${names.slice(0, most).join(', ')} and ${names.length - most} more` : names.join(', '));

/** A long name for a narrow place: its middle is left out. */
export const shortened = (text, most) => (text.length > most ? `${text.slice(0, Math.floor((most - 1) / 2))}…${text.slice(-Math.ceil((most - 1) / 2))}` : text);

/** Says something to those who listen to the page. */
export function say(text) {
  find('said').textContent = text;
}

const LONG = 32; // characters that stay on one line

/** A table from column titles and rows of texts or elements; the columns whose titles end in ` ` hold texts. */
export function table(titles, rows, caption) {
  const kind = (i) => (titles[i].endsWith(' ') ? 'text' : '');
  const length = (cell) => (String(cell).length > LONG ? ' long' : '');
  return element('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': caption },
    element('table', {},
      element('caption', { class: 'unseen' }, caption),
      element('thead', {}, element('tr', {}, titles.map((title, i) => element('th', { scope: 'col', class: kind(i) }, title.trim())))),
      element('tbody', {}, rows.map((row) => element('tr', {}, row.map((cell, i) => (
        i === 0 ? element('th', { scope: 'row', class: kind(0) + length(cell) }, cell) : element('td', { class: kind(i) + length(cell) }, cell))))))));
}
