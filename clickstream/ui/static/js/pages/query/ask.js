// Questions in SQL: they tell how far they are, and end at the server when they are given up here.

import { headers, refusalOf } from '../../api.js';
import { lines } from '../topic/search.js';

function request(body, signal) {
  const sent = headers({ 'content-type': 'application/json' });
  return { method: 'POST', headers: sent, signal, body: JSON.stringify(body) };
}

async function answerOf(path, body, signal) {
  const answer = await fetch(path, request(body, signal));
  if (!answer.ok) {
    throw new Error(await refusalOf(answer));
  }
  return answer;
}

/**
 * @param {string} path '/api/ask/query' or '/api/ask/preview'
 * @param {{sql: string, records: number, to: number|null}} body
 * @param {AbortSignal} signal gives it up
 * @param {function({doing: string, done: number, total: number})} onProgress
 * @returns {Promise<{answer?: Object, check?: Object}>} the last line
 */
export async function ask(path, body, signal, onProgress = () => {}) {
  const answer = await answerOf(path, body, signal);
  for await (const line of lines(answer.body)) {
    const message = typeof line === 'string' ? JSON.parse(line) : line;
    if (message.error != null) {
      throw new Error(message.error);
    }
    if (!message.progress) {
      return message;
    }
    onProgress(message.progress);
  }
  throw new Error('The question broke off. Ask it again.');
}

/** The findings of `tables check`, and the tables of the text. */
export async function check(sql, signal) {
  return (await answerOf('/api/ask/check', { sql }, signal)).json();
}

/** The rows as a file. */
export async function exported(body, signal) {
  return (await answerOf('/api/ask/export', body, signal)).blob();
}
