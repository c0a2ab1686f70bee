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

/** A number to draw, NaN where there is none. */
export function plotted(value) {
  if (typeof value === 'number') return value;
  return value === 'Infinity' ? Infinity : value === '-Infinity' ? -Infinity : NaN;
}

/** A table from column titles and rows of texts or elements; the columns whose titles end in ` ` hold texts. */
export function table(titles, rows, caption) {
  const kind = (i) => (titles[i].endsWith(' ') ? 'text' : '');
  return element('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': caption },
    element('table', {},
      element('caption', { class: 'faint' }, caption),
      element('thead', {}, element('tr', {}, titles.map((title, i) => element('th', { scope: 'col', class: kind(i) }, title.trim())))),
      element('tbody', {}, rows.map((row) => element('tr', {}, row.map((cell, i) => element('td', { class: kind(i) }, cell)))))));
}
