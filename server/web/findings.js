// Findings with their fixes: what was tried, what it measured, how to have it.
import { element, number, say, sentence, some, words } from './dom.js';
import { rule } from './rules.js';

const SHOWN = 3; // findings of one rule that are open

const measured = (values) => Object.entries(values || {}).filter(([, value]) => typeof value !== 'object' || value === null)
  .map(([name, value]) => `${words(name)} ${number(value)}`).join(', ');

/** Without a secure connection there is no clipboard but by selecting. */
async function copy(button, place) {
  try {
    await navigator.clipboard.writeText(place.textContent);
  } catch {
    place.parentElement.open = true;
    getSelection().selectAllChildren(place);
    if (!document.execCommand('copy')) {
      say('The patch is selected: copy it with the keyboard.');
      return;
    }
  }
  button.textContent = 'Copied';
  say('The patch was copied.');
}

/** What the fix measured: a row for each number, before beside after. */
function outcome(fix, verdict) {
  const before = { ...fix.before, verdict };
  const names = [...new Set([...Object.keys(fix.after || {}), ...Object.keys(fix.before || {})])].filter((name) => typeof (fix.after?.[name] ?? fix.before?.[name]) !== 'object');
  return element('table', { class: 'outcome' },
    element('caption', { class: 'unseen' }, `Measured: ${fix.summary}`),
    element('thead', {}, element('tr', {}, ['', 'before', 'after'].map((title) => (title ? element('th', { scope: 'col' }, title) : element('td', {}))))),
    element('tbody', {}, names.map((name) => element('tr', {}, element('th', { scope: 'row' }, words(name)), element('td', {}, number(before[name])), element('td', {}, number(fix.after?.[name]))))));
}

function fixOf(fix, verdict, apply) {
  const patch = element('pre', { tabindex: 0 }, JSON.stringify(fix.patch, null, 2));
  const count = `${fix.patch.length} operation${fix.patch.length > 1 ? 's' : ''}`;
  return element('div', { class: 'fix' },
    element('h5', {}, sentence(fix.summary)),
    outcome(fix, verdict),
    element('details', {}, element('summary', {}, `The patch: ${count} (JSON Patch)`), patch),
    element('p', { class: 'actions' },
      apply && element('button', { type: 'button', class: 'apply', onclick: () => apply(fix) }, 'Apply it and diagnose again'),
      element('button', { type: 'button', onclick: (event) => copy(event.target, patch) }, 'Copy the patch')));
}

function meaning(name) {
  const known = rule(name);
  return known && element('details', {}, element('summary', {}, `What ${name} means`),
    element('p', {}, sentence(known.documentation)), element('p', {}, `It is found where ${known.criterion}.`), element('p', { class: 'faint' }, `Source: ${known.source}.`));
}

/** `known` holds the patches that stand above: what cures several findings is shown once, and named again. */
function findingOf(finding, { report, apply }, known, first) {
  const fixes = (finding.fixes || []).filter((fix) => !known.has(JSON.stringify(fix.patch)));
  const again = (finding.fixes || []).filter((fix) => !fixes.includes(fix));
  for (const fix of fixes) known.add(JSON.stringify(fix.patch));
  return element('article', { class: `finding ${finding.severity}` },
    element('h4', {}, element('span', { class: `tag ${finding.severity}` }, finding.severity), ` ${finding.rule}`),
    finding.layers.length > 0 && element('div', { class: 'faint' }, `in ${some(finding.layers)}`),
    element('p', {}, sentence(finding.message)),
    finding.cause && element('p', {}, element('strong', {}, 'Cause: '), sentence(finding.cause)),
    measured(finding.evidence) && element('p', { class: 'faint' }, `Evidence: ${measured(finding.evidence)}`),
    first && meaning(finding.rule),
    fixes.length > 0 && element('p', {}, element('strong', {}, 'Fixes that were tried and measured')),
    fixes.map((fix) => fixOf(fix, report.verdict, apply)),
    first && again.length > 0 && element('p', {}, `From above, this helps here too: ${again.map((fix) => fix.summary).join('; ')}.`));
}

/** Many findings of one rule are folded behind the first few. */
export function findings(report, apply) {
  const known = new Set();
  const groups = new Map();
  for (const finding of report.findings) {
    const key = `${finding.severity} ${finding.rule}`;
    groups.set(key, [...(groups.get(key) || []), finding]);
  }
  const explained = new Set();
  return [...groups].map(([key, group]) => {
    const made = group.map((finding) => {
      const first = !explained.has(finding.rule);
      explained.add(finding.rule);
      return findingOf(finding, { report, apply }, known, first);
    });
    const rest = made.slice(SHOWN);
    return [made.slice(0, SHOWN), rest.length > 0 && element('details', { class: 'more' },
      element('summary', {}, `${rest.length} more: ${key}, in ${some(group.slice(SHOWN).flatMap((finding) => finding.layers.slice(0, 1)), 4)}`), rest)];
  });
}
