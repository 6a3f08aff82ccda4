// Questions over HTTP, for what a socket does not carry: exports, recounts, SQL.

import { takeToken } from './route.js';

/** Headers of a question: the token, if this tab has one, beside `more`. */
export function headers(more = {}) {
  const token = takeToken();
  return token ? { ...more, authorization: `Bearer ${token}` } : more;
}

/**
 * Asks with GET.
 * @param {string} path as '/api/recount'
 * @param {Object<string, string|number>} [params]
 * @returns {Promise<*>} the JSON of the answer; rejects with an Error that says why in words for people
 */
export function get(path, params = {}) {
  const query = new URLSearchParams(params).toString();
  return ask(query ? `${path}?${query}` : path, { headers: headers() });
}

/** Asks with POST, a JSON body; the same answers as `get`. */
export function post(path, body) {
  return ask(path, {
    method: 'POST',
    headers: headers({ 'content-type': 'application/json' }),
    body: JSON.stringify(body),
  });
}

async function ask(address, request) {
  return (await answerOf(address, request)).json();
}

/** The answer to a request, if it is one; rejects as `get` does. */
export async function answerOf(address, request) {
  let answer;
  try {
    answer = await fetch(address, request);
  } catch {
    throw new Error('The server does not answer.');
  }
  if (!answer.ok) {
    throw new Error(await refusalOf(answer));
  }
  return answer;
}

/**
 * Why an answer is none, in words for people. What is refused comes as {"error": words} from a question, and as plain
 * words from the layer in front of it; a page is a proxy's, and says no more than its status.
 */
export async function refusalOf(answer) {
  const isPage = answer.headers.get('content-type')?.startsWith('text/html');
  const body = isPage ? '' : await answer.text();
  let words = body;
  try {
    words = JSON.parse(body).error ?? body;
  } catch {
    // Plain words.
  }
  return String(words).trim().slice(0, 500) || `The server answered ${answer.status}.`;
}
