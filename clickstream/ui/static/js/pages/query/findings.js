// What is wrong with a text, word for word as `tables check` prints it; each leads to its place.

import { h } from '../../dom.js';
import { nodes } from '../../json.js';

/**
 * @param {Array<Object>} findings see api/preview.Finding
 * @param {function(Object)} onPick the place of one was clicked
 */
export function findingsList(findings, onPick) {
  return h('div', {}, findings.map((finding) => item(finding, onPick)));
}

function item(finding, onPick) {
  const [, line, below] = finding.shown.split('\n');
  const edge = below.indexOf('|') + 1;
  const go = h(
    'button.where',
    { type: 'button', title: 'Go there', onclick: () => onPick(finding) },
    `line ${finding.line}, column ${finding.column}`,
  );
  const place = h(
    'pre',
    { tabindex: '0' },
    nodes(`${line}\n${below.slice(0, edge)}`),
    h('span.caret', {}, below.slice(edge)),
  );
  const hint = finding.hint ? h('p', {}, nodes(finding.hint)) : null;
  return h('div.prob', {}, go, h('b', {}, nodes(finding.message)), place, hint);
}
