// The service's API: every request that may take long becomes a job, so that there is progress, and a way to stop.
import { find } from './dom.js';

export class Problem extends Error {
  constructor(status, document) {
    super(document.detail || document.title || `status ${status}`);
    this.status = status;
    this.document = document;
  }
}

const authorization = () => (find('token').value ? { Authorization: `Bearer ${find('token').value}` } : {});

async function send(method, path, options = {}) {
  const response = await fetch(path, { ...options, method, headers: { ...authorization(), ...options.headers } });
  if (response.ok || response.status === 412) return response;
  const text = await response.text();
  let document = { detail: text.slice(0, 500) };
  try {
    document = JSON.parse(text);
  } catch { /* not ours: a proxy's page */ }
  throw new Problem(response.status, document);
}

export const get = async (path) => (await send('GET', path)).json();
export const getText = async (path) => (await send('GET', path)).text();

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

async function follow(id, tell) {
  for await (const [, job] of eventsOf(await send('GET', `/v1/jobs/${id}/events`))) {
    tell(job);
    if (['succeeded', 'failed', 'cancelled'].includes(job.state)) return job;
  }
  return get(`/v1/jobs/${id}`); // the stream broke off
}

/**
 * Runs a request ({text, weights, model}) at `path`. `tell` hears of the job's state and progress; `started` gets a function that cancels it.
 * Resolves to {report, id, saved}, or null where it was cancelled.
 */
export async function run(path, request, save, tell, started) {
  const { body, headers } = bodyOf(request);
  const query = save ? `?save=${encodeURIComponent(save)}` : '';
  const answer = await send('POST', path + query, { body, headers: { ...headers, Prefer: 'respond-async' } });
  if (answer.status !== 202) return { report: await answer.json(), id: null, saved: answer.headers.get('Location') };
  let job = await answer.json();
  const id = job.id;
  started(() => send('DELETE', `/v1/jobs/${id}`));
  while (!['succeeded', 'failed', 'cancelled'].includes(job.state)) job = await follow(id, tell);
  if (job.state === 'cancelled') return null;
  if (job.state === 'failed') {
    job = await get(`/v1/jobs/${id}`); // with the problem, which events leave out
    throw new Problem(job.status, job.error);
  }
  return { report: await get(`/v1/jobs/${id}/result`), id, saved: job.report };
}
