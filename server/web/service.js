// The service's API: every request that may take long becomes a job, so that there is progress, and a way to stop.
import { find } from './dom.js';

const ENDED = ['succeeded', 'failed', 'cancelled'];
const TRIES = 5; // to reach a service that was there before
const PAUSE = 1000; // milliseconds before the next one

export class Problem extends Error {
  constructor(status, document, retryAfter = null) {
    super(document.detail || document.title || `status ${status}`);
    this.status = status;
    this.document = document;
    this.retryAfter = retryAfter;
  }
}

const authorization = () => (find('token').value ? { Authorization: `Bearer ${find('token').value}` } : {});

async function send(method, path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, method, headers: { ...authorization(), ...options.headers } });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem(0, { title: 'No answer', detail: 'The server can’t be reached: is it running, and is the network up?' });
  }
  if (response.ok || response.status === 412) return response;
  const text = await response.text();
  let document = { detail: text.slice(0, 500) };
  try {
    document = JSON.parse(text);
  } catch { /* not ours: a proxy's page */ }
  throw new Problem(response.status, document, response.headers.get('Retry-After'));
}

export const get = async (path) => (await send('GET', path)).json();
export const remove = (path) => send('DELETE', path);
export const getFile = async (path) => (await send('GET', path)).blob();

/** The body of a request: JSON, or a form where files go along. */
function bodyOf(request) {
  if (!request.weights && !request.model) return { body: request.text, headers: { 'Content-Type': 'application/json' } };
  const form = new FormData();
  form.append('request', new Blob([request.text], { type: 'application/json' }), 'request');
  for (const part of ['weights', 'model']) if (request[part]) form.append(part, request[part], part);
  return { body: form, headers: {} };
}

/** Yields [event, data] of a stream of server-sent events. */
async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let unread = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    unread += value;
    let end;
    while ((end = unread.indexOf('\n\n')) >= 0) {
      const fields = Object.fromEntries(unread.slice(0, end).split('\n').filter((line) => !line.startsWith(':')).map((line) => {
        const colon = line.indexOf(': ');
        return [line.slice(0, colon), line.slice(colon + 2)];
      }));
      unread = unread.slice(end + 2);
      if (fields.data) yield [fields.event, JSON.parse(fields.data)];
    }
  }
}

/** Follows a job's events to its end, or to the end of the stream; returns the job as it is then. */
async function follow(id, tell) {
  try {
    for await (const [, job] of eventsOf(await send('GET', `/v1/jobs/${id}/events`))) {
      tell(job);
      if (ENDED.includes(job.state)) return job;
    }
  } catch (error) {
    if (error.status) throw error;
  }
  for (let tries = 1; ; tries++) { // the stream broke off: the job may go on, or be begun again
    try {
      return await get(`/v1/jobs/${id}`);
    } catch (error) {
      if (error.status || tries === TRIES) throw error;
      tell({ state: 'waiting for the server', progress: {} });
      await new Promise((resolve) => { setTimeout(resolve, PAUSE); });
    }
  }
}

/**
 * Runs a request ({text, weights, model}) at `path`. `tell` hears of the job's state and progress; `started` gets a function that cancels it.
 * Resolves to {report, source, saved}, or null where it was cancelled; `source` is the path that has the report in all formats.
 */
export async function run(path, request, save, tell, started) {
  const { body, headers } = bodyOf(request);
  const query = save ? `?save=${encodeURIComponent(save)}` : '';
  const upload = new AbortController();
  started(() => upload.abort());
  let answer;
  try {
    answer = await send('POST', path + query, { body, headers: { ...headers, Prefer: 'respond-async' }, signal: upload.signal });
  } catch (error) {
    if (error.name === 'AbortError') return null;
    throw error;
  }
  let job = await answer.json();
  const id = job.id;
  const cancel = () => send('DELETE', `/v1/jobs/${id}`);
  started(cancel);
  if (upload.signal.aborted) await cancel();
  while (!ENDED.includes(job.state)) job = await follow(id, tell);
  if (job.state === 'cancelled') return null;
  if (job.state === 'failed') {
    job = await get(`/v1/jobs/${id}`); // with the problem, which events leave out
    throw new Problem(job.status, job.error);
  }
  const source = `/v1/jobs/${id}/result`;
  return { report: await get(source), source, saved: job.report };
}
