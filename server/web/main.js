// The page: files or an example become a request, the service runs it, the report is shown.
import { element, find } from './dom.js';
import { get, run, Problem } from './service.js';
import { patched } from './patch.js';
import { comparison, view } from './report.js';
import { draw } from './charts.js';
import { EXAMPLES } from './examples.js';
import { linked, list } from './saved.js';

/** Files that go along with the JSON, by part of the form. */
const attached = { weights: null, model: null };
/** Always worth having on this page, beside those that always run. */
const CHOSEN = ['fixes', 'exponents'];

// ---- the request ----

function showAttached() {
  find('attached').replaceChildren(...Object.entries(attached).filter(([, file]) => file).map(([part, file]) => element('li', {},
    `${file.name} (${(file.size / 1e6).toFixed(1)} MB) as ${part} `,
    element('button', { type: 'button', 'aria-label': `Remove ${file.name}`, onclick: () => { attached[part] = null; showAttached(); } }, 'Remove'))));
}

async function take(files) {
  for (const file of files) {
    if (file.name.endsWith('.safetensors')) attached.weights = file;
    else if (file.name.endsWith('.onnx')) attached.model = file;
    else find('text').value = await file.text();
  }
  showAttached();
}

/** The request's JSON with the page's analyses in it; where it is no JSON it goes as it is, and the service says what is wrong. */
function prepare(text, path) {
  let request;
  try {
    request = JSON.parse(text);
  } catch {
    return { text, request: null };
  }
  if (path === '/v1/diagnose' && request !== null && typeof request === 'object') {
    const names = [...find('analyses').querySelectorAll('input:checked')].map((box) => box.value);
    const given = request.options?.analyses ?? [];
    const analyses = Array.isArray(given) ? [...new Set([...given, ...names])] : { ...Object.fromEntries(names.map((name) => [name, {}])), ...given };
    request = { ...request, options: { ...request.options, analyses } };
  }
  return { text: JSON.stringify(request), request };
}

// ---- running it ----

function show(element_, shown) {
  element_.hidden = !shown;
}

function busy(is) {
  for (const id of ['diagnose', 'gradcheck']) find(id).disabled = is;
  show(find('work'), is);
  show(find('cancel'), false);
}

function tell(job) {
  const { stage, done, total } = job.progress;
  find('stage').textContent = job.state === 'running' && stage ? stage : job.state;
  if (total > 0) Object.assign(find('progress'), { max: total, value: done });
  else find('progress').removeAttribute('value');
}

function complain(problem) {
  const { pointer, line, column } = problem.document || {};
  const where = pointer ? `\nin the request at ${pointer}` : line ? `\nline ${line}, column ${column}` : '';
  const title = problem instanceof Problem && problem.status ? `${problem.document.title || 'Refused'} (${problem.status})\n` : '';
  find('problem').textContent = `${title}${problem.message}${where}`;
  show(find('problem'), true);
}

async function perform(path, text) {
  const { text: body, request } = prepare(text, path);
  show(find('problem'), false);
  busy(true);
  tell({ state: 'sending', progress: {} });
  try {
    const result = await run(path, { text: body, ...attached }, find('name').value.trim(), tell, (cancel) => {
      find('cancel').onclick = cancel;
      show(find('cancel'), true);
    });
    return result && { ...result, request };
  } catch (problem) {
    complain(problem);
    return null;
  } finally {
    busy(false);
  }
}

function present(...parts) {
  find('content').replaceChildren(...parts);
  show(find('report'), true);
  draw();
  find('report').focus();
}

/** A fix, applied to what the client sent: the new request is there to see and to post on. */
async function apply(before, sent, fix) {
  let changed;
  try {
    changed = patched(JSON.parse(sent), fix.patch);
  } catch (problem) {
    complain(problem);
    return;
  }
  const text = JSON.stringify(changed, null, 2);
  const result = await perform('/v1/diagnose', text);
  if (!result) return;
  find('text').value = text;
  present(comparison(before, result.report, fix), view(result.report, result.request, (next) => apply(result.report, text, next)));
}

async function start(path) {
  const text = find('text').value;
  const result = await perform(path, text);
  if (!result) return;
  const patchable = result.request && !attached.model;
  present(view(result.report, result.request, patchable ? (fix) => apply(result.report, text, fix) : null));
  if (result.saved) {
    history.replaceState(null, '', `#${result.saved.replace('/v1', '')}`);
    list();
  }
}

// ---- the rest of the page ----

async function showLinked() {
  const id = linked();
  if (!id) return;
  show(find('problem'), false);
  try {
    present(view(await get(`/v1/reports/${id}`), null, null));
  } catch (problem) {
    complain(problem);
  }
}

async function offerAnalyses() {
  const { analyses } = await get('/v1/rules');
  find('analyses').append(...analyses.filter((analysis) => !analysis.always).map((analysis) => element('label', { title: analysis.documentation },
    element('input', { type: 'checkbox', value: analysis.name, checked: CHOSEN.includes(analysis.name) }), ` ${analysis.name.replaceAll('_', ' ')}`)));
}

function listen() {
  find('diagnose').onclick = () => start('/v1/diagnose');
  find('gradcheck').onclick = () => start('/v1/gradcheck');
  find('files').onchange = (event) => take(event.target.files);
  find('example').append(...Object.keys(EXAMPLES).map((name) => element('option', { value: name }, name)));
  find('example').onchange = (event) => {
    if (!event.target.value) return;
    Object.assign(attached, { weights: null, model: null });
    showAttached();
    find('text').value = JSON.stringify(EXAMPLES[event.target.value], null, 2);
  };
  const drop = find('drop');
  for (const type of ['dragover', 'dragleave', 'drop']) {
    document.addEventListener(type, (event) => {
      event.preventDefault();
      drop.classList.toggle('over', type === 'dragover');
      if (type === 'drop') take(event.dataTransfer.files);
    });
  }
  addEventListener('hashchange', showLinked);
  addEventListener('unhandledrejection', (event) => complain(event.reason));
  find('token').onchange = () => { list(); offerAnalysesOnce(); };
}

/** The list needs a token where the service asks for one: it is tried again once there is one. */
async function offerAnalysesOnce() {
  if (find('analyses').querySelector('input')) return;
  try {
    await offerAnalyses();
  } catch (problem) {
    complain(problem);
  }
}

listen();
offerAnalysesOnce();
list();
showLinked();
