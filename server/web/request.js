// The request at hand: the text, files that go along with it, what is chosen beside.
import { element, find, say, written } from './dom.js';
import { requestFor, withoutTensors } from './files.js';
import { patched } from './patch.js';

/** Files by part of the form; a request too long to be edited here is one of them. */
const attached = { request: null, weights: null, model: null };
const LONGEST = 1_000_000; // characters that are edited
const WEIGHTS = '/weights/';

export const edited = () => find('text').value;
const text = () => attached.request?.text() ?? Promise.resolve(edited());

function show() {
  const long = attached.request !== null;
  find('attached').replaceChildren(...Object.entries(attached).filter(([, file]) => file).map(([part, file]) => element('li', {},
    `${file.name} (${file.size < 1e5 ? `${(file.size / 1e3).toFixed(1)} kB` : `${(file.size / 1e6).toFixed(1)} MB`}) as ${part} `,
    element('button', { type: 'button', 'aria-label': `Remove ${file.name}`, onclick: () => { attach({ [part]: null }); find('files').focus(); } }, 'Remove'))));
  find('text').disabled = long;
  if (long) find('text').value = '';
}

function attach(parts) {
  Object.assign(attached, parts);
  show();
}

/** Another text; a long one is a file. */
function write(json, name) {
  attach({ request: json.length > LONGEST ? new File([json], name, { type: 'application/json' }) : null });
  if (!attached.request) find('text').value = json;
}

/** Another request, that brings no files. */
export function begin(request) {
  attach({ request: null, weights: null, model: null });
  write(written(request), 'request.json');
}

async function takeModel(file) {
  attach({ model: file });
  if (edited().trim() || attached.request) return;
  const request = await requestFor(file).catch(() => null);
  if (!request) return;
  write(written(request), 'request.json');
  find('hint').textContent = `The request below was written for ${file.name}: random data, and a loss that fits its output. Change it to yours.`;
}

/** Takes files by their names; the error names those that are none of the three kinds. */
export async function take(files) {
  find('hint').textContent = '';
  const unknown = [];
  const ordered = [...files].sort((a, b) => a.name.endsWith('.onnx') - b.name.endsWith('.onnx')); // after the request
  for (const file of ordered) {
    if (/\.safetensors$/i.test(file.name)) attach({ weights: file });
    else if (/\.onnx$/i.test(file.name)) await takeModel(file);
    else if (/\.json$/i.test(file.name) || file.type === 'application/json') write(await file.text(), file.name);
    else unknown.push(file.name);
  }
  say(ordered.map((file) => file.name).filter((name) => !unknown.includes(name)).map((name) => `${name} is attached.`).join(' '));
  if (unknown.length) throw new Error(`${unknown.join(', ')}: expected a request (.json), weights (.safetensors) or a model (.onnx)`);
}

/** What is missing before it can be sent, or null. */
function lacking(json) {
  if (json.trim()) return null;
  if (attached.model) return `${attached.model.name} is a model: the request beside it says what it is fed (data) and which loss it has (model.loss).`;
  if (attached.weights) return `${attached.weights.name} has weights only: the request says which layers they belong to.`;
  return 'There is no request yet: drop one, write one, or pick an example.';
}

/**
 * What is sent: {text, weights, model}, with the page's analyses in it, and `request`, the same parsed (null: it is no JSON; it goes as it
 * is, and the service says what is wrong). An error tells what is missing.
 */
export async function prepare(path) {
  const sent = await text();
  const missing = lacking(sent);
  if (missing) throw new Error(missing);
  const files = { weights: attached.weights, model: attached.model };
  let request;
  try {
    request = JSON.parse(sent);
  } catch {
    return { ...files, text: sent, request: null };
  }
  if (path === '/v1/diagnose' && request !== null && typeof request === 'object') {
    const names = [...find('analyses').querySelectorAll('input:checked')].map((box) => box.value);
    const given = request.options?.analyses ?? [];
    const analyses = Array.isArray(given) ? [...new Set([...given, ...names])] : { ...Object.fromEntries(names.map((name) => [name, {}])), ...given };
    request = { ...request, options: { ...request.options, analyses } };
  }
  return { ...files, text: JSON.stringify(request), request };
}

/** Why a fix can't be applied here, or null. */
export const unpatchable = () => (attached.model ? 'The model is an ONNX file, which the page doesn’t change: apply a fix where the network is made. Patches count the layers as the report lists them.' : null);

/** The request at hand with a fix; a tensor that the patch removes may be in the file of weights. */
export async function change(patch) {
  const request = JSON.parse(await text());
  const unescaped = (path) => path.slice(WEIGHTS.length).replaceAll('~1', '/').replaceAll('~0', '~');
  const inFile = ({ op, path }) => attached.weights && op === 'remove' && path.startsWith(WEIGHTS) && !Object.hasOwn(request.weights ?? {}, unescaped(path));
  const changed = patched(request, patch.filter((step) => !inFile(step)));
  const keys = patch.filter(inFile).map(({ path }) => unescaped(path));
  const weights = keys.length ? await withoutTensors(attached.weights, keys) : attached.weights;
  const before = { ...attached, text: edited() };
  write(written(changed), attached.request?.name ?? 'request.json');
  attach({ weights });
  return () => { // takes it back
    const { text: old, ...files } = before;
    attach(files);
    if (!files.request) find('text').value = old;
  };
}
