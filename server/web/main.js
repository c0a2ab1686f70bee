// The page: files or an example become a request, the service runs it, the report is shown.
import { element, find, say, sentence, words } from './dom.js';
import { get, getFile, run } from './service.js';
import { comparison, outcome, view } from './report.js';
import { begin, change, edited, prepare, take, unpatchable } from './request.js';
import { baselineOf, linked, list } from './saved.js';
import { EXAMPLES } from './examples.js';
import { draw } from './plot.js';
import { load } from './rules.js';
import { placeOf } from './place.js';

/** Always worth having on this page, beside those that always run. */
const CHOSEN = ['fixes', 'exponents'];
const FORMATS = { json: 'json', html: 'html', markdown: 'md', text: 'txt', sarif: 'sarif', junit: 'xml' };

let busy = false;

// ---- what is wrong ----

/** Lines, columns and pointers refer to the text of the request: what to select there, or null. */
function placeIn(text, { pointer, offset }) {
  if (Number.isInteger(offset)) return [Math.min(offset, Math.max(text.length - 1, 0)), offset + 1];
  if (!pointer) return null;
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  return placeOf(text, pointer);
}

function select([start, end]) {
  const area = find('text');
  const line = area.value.slice(0, start).split('\n').length;
  area.focus();
  area.setSelectionRange(start, end);
  area.scrollTop = (line - 3) * Number.parseFloat(getComputedStyle(area).lineHeight);
}

function complain(problem) {
  const document = problem.document || {};
  const title = document.title && `${document.title}${problem.status ? ` (${problem.status})` : ''}`;
  const place = edited() && placeIn(edited(), document);
  find('problem').replaceChildren(...[
    title && element('strong', {}, title),
    element('p', {}, sentence(problem.message)),
    document.pointer && element('p', {}, 'In the request at ', element('code', {}, document.pointer), '.'),
    problem.retryAfter && element('p', {}, `Try again in ${problem.retryAfter} s.`),
    problem.status === 401 && element('p', {}, 'Give the token under “Analyses and options”.'),
    place && element('button', { type: 'button', onclick: () => select(place) }, 'Show the place'),
  ].filter(Boolean));
  find('problem').hidden = false;
  if (problem.status === 401) find('options').open = true;
}

// ---- running it ----

function work(is) {
  busy = is;
  for (const id of ['diagnose', 'gradcheck']) find(id).setAttribute('aria-disabled', is);
  find('work').hidden = !is;
  find('cancel').hidden = !is;
}

function tell(job) {
  const { stage, done, total } = job.progress;
  const text = job.state === 'running' && stage ? stage : job.state;
  if (find('stage').textContent !== text) find('stage').textContent = text;
  if (total > 0) Object.assign(find('progress'), { max: total, value: done });
  else find('progress').removeAttribute('value');
}

/** {report, source, saved}, or null: it was refused or cancelled, and that was said. */
async function perform(path) {
  find('problem').hidden = true;
  const starter = document.activeElement;
  work(true);
  tell({ state: 'sending', progress: {} });
  try {
    const request = await prepare(path);
    const result = await run(path, request, find('name').value.trim(), tell, (cancel) => { find('cancel').onclick = cancel; });
    if (!result) say('Cancelled.');
    return result;
  } catch (problem) {
    complain(problem);
    return null;
  } finally {
    if (document.activeElement === find('cancel')) (starter.isConnected ? starter : find('diagnose')).focus();
    work(false);
  }
}

async function download(source, format) {
  const link = element('a', { href: URL.createObjectURL(await getFile(`${source}?format=${format}`)), download: `report.${FORMATS[format]}` });
  link.click();
  URL.revokeObjectURL(link.href);
}

const downloads = (source) => element('p', { class: 'actions', id: 'downloads' }, 'Download as',
  Object.keys(FORMATS).map((format) => element('button', { type: 'button', 'aria-label': `Download as ${format}`, onclick: () => download(source, format) }, format)));

function present(report, ...parts) {
  find('content').replaceChildren(...parts);
  find('report').hidden = false;
  draw();
  find('report').focus();
  say(`Report. ${outcome(report)}.`);
  document.title = `${report.verdict}${report.summary?.model ? `: ${report.summary.model}` : ''} – stabilityd`;
}

/** Beside the model's baseline, where there is one that is another report. */
async function besideBaseline(report, id) {
  const baseline = report.summary ? baselineOf(report.summary.model) : null;
  if (!baseline || baseline === id) return [];
  try {
    return [comparison(await get(`/v1/reports/${baseline}`), report, ['Compared with the baseline', 'Baseline', 'This report'])];
  } catch {
    return []; // it is gone
  }
}

function addressOf(result) {
  history.replaceState(null, '', result.saved ? `#${result.saved.replace('/v1', '')}` : location.pathname);
  if (result.saved) list();
}

/** A fix, applied to what the client sent: the new request is there to see and to post on. */
async function apply(before, fix) {
  if (busy) return;
  let undo;
  try {
    undo = await change(fix.patch);
  } catch (problem) {
    complain(problem);
    return;
  }
  const result = await perform('/v1/diagnose');
  if (!result) {
    undo();
    return;
  }
  const back = element('button', { type: 'button', onclick: () => { undo(); back.disabled = true; say('The request is as it was.'); } }, 'Take the change back');
  show(result, [comparison(before, result.report, [`With the fix: ${fix.summary}`, 'Before', 'After']), element('p', { class: 'actions' }, back)]);
}

function show(result, parts) {
  const why = unpatchable();
  present(result.report, ...parts, view(result.report, { why, apply: why ? null : (fix) => apply(result.report, fix) }), downloads(result.source));
  addressOf(result);
}

async function start(path) {
  if (busy) return;
  const result = await perform(path);
  if (result) show(result, await besideBaseline(result.report, null));
}

// ---- the rest of the page ----

async function showLinked() {
  const id = linked();
  if (!id) return;
  find('problem').hidden = true;
  try {
    const source = `/v1/reports/${id}`;
    const report = await get(source);
    present(report, ...await besideBaseline(report, id), view(report), downloads(source));
  } catch (problem) {
    complain(problem);
  }
}

/** Needs a token where the service asks for one: it is tried again once there is one. */
async function offerAnalyses() {
  try {
    const analyses = await load();
    find('analyses').replaceChildren(find('analyses').firstElementChild, ...analyses.filter((analysis) => !analysis.always).map((analysis) => element('label', { title: analysis.documentation },
      element('input', { type: 'checkbox', value: analysis.name, checked: CHOSEN.includes(analysis.name) }), ` ${words(analysis.name)}`)));
  } catch (problem) {
    complain(problem);
  }
}

async function takeAll(files) {
  find('problem').hidden = true;
  try {
    await take(files);
  } catch (problem) {
    complain(problem);
  }
}

function listen() {
  find('diagnose').onclick = () => start('/v1/diagnose');
  find('gradcheck').onclick = () => start('/v1/gradcheck');
  find('text').onkeydown = (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) start('/v1/diagnose');
  };
  find('files').onchange = async (event) => {
    await takeAll([...event.target.files]);
    event.target.value = ''; // the same file may be taken again
  };
  find('example').append(...Object.keys(EXAMPLES).map((name) => element('option', { value: name }, name)));
  find('example').onchange = (event) => {
    find('hint').textContent = '';
    find('problem').hidden = true;
    if (event.target.value) begin(EXAMPLES[event.target.value]);
  };
  for (const type of ['dragover', 'dragleave', 'drop']) {
    document.addEventListener(type, (event) => {
      if (![...event.dataTransfer.types].includes('Files')) return; // text is dropped into the text
      event.preventDefault();
      find('drop').classList.toggle('over', type === 'dragover');
      if (type === 'drop') takeAll([...event.dataTransfer.files]);
    });
  }
  addEventListener('hashchange', showLinked);
  addEventListener('unhandledrejection', (event) => complain(event.reason));
  find('token').onchange = async () => {
    find('problem').hidden = true;
    await offerAnalyses();
    list();
    showLinked();
  };
}

listen();
await offerAnalyses();
list();
showLinked();
