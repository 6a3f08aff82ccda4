// A search at the server: it tells its progress as it goes, and ends there when it is given up here.

import { headers, refusalOf } from '../../api.js';

/**
 * @param {string} topic
 * @param {Object<string, string|string[]>} params see api/questions.py
 * @param {AbortSignal} signal gives it up
 * @param {function({read: number, found: number, total: number})} onProgress
 * @returns {Promise<{rows: Object[], end: string, progress: Object, places: string|null}>}
 */
export async function search(topic, params, signal, onProgress) {
  const address = `/api/topics/${encodeURIComponent(topic)}/records?${query(params)}`;
  const answer = await fetch(address, { headers: headers(), signal });
  if (!answer.ok) {
    throw new Error(await refusalOf(answer));
  }
  for await (const line of lines(answer.body)) {
    const message = JSON.parse(line);
    if (message.error != null) {
      throw new Error(message.error);
    }
    if (message.answer) {
      return message.answer;
    }
    onProgress(message.progress);
  }
  throw new Error('The search broke off. Try it again.');
}

/** The parameters as the part of an address behind the question mark; lists are repeated. */
export function query(params) {
  const made = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one != null && one !== '') {
        made.append(name, one);
      }
    }
  }
  return made.toString();
}

/** The lines of an answer, as they come. */
export async function* lines(body) {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    rest += decoder.decode(value, { stream: !done });
    const whole = rest.split('\n');
    rest = whole.pop();
    yield* whole;
    if (done) {
      return;
    }
  }
}
