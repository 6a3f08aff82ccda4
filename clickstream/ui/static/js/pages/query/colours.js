// SQL in colours: a tokenizer over the text, so that it stays exactly as it was written.

import { h } from '../../dom.js';

const TOKEN =
  /(--[^\n]*|\/\*[^]*?(?:\*\/|$))|('(?:[^']|'')*(?:'|$))|("(?:[^"]|"")*(?:"|$)|`(?:[^`]|``)*(?:`|$))|(\b\d+(?:\.\d+)?(?:[eE][-+]?\d+)?\b)|([A-Za-z_][\w$]*)/g;

const KEYWORDS = new Set(
  (
    'ALL AND AS ASC BEGIN BETWEEN BY CASE CAST CREATE CROSS CUMULATE DELETE DESC DESCRIBE DESCRIPTOR DISTINCT DO ELSE ' +
    'END ENFORCED ESCAPE EXCEPT EXECUTE EXISTS EXTRACT FALSE FILTER FOR FROM FULL GROUP GROUPING HAVING HOP IF IN ' +
    'INNER INSERT INTERSECT INTERVAL INTO IS JOIN KEY LEFT LIKE LIMIT METADATA NOT NULL NULLS OF OFFSET ON OR ORDER ' +
    'OUTER OVER PARTITION PRIMARY QUALIFY RIGHT ROW ROWS SELECT SESSION SET STATEMENT SUMMARIZE SYSTEM_TIME TABLE ' +
    'TEMPORARY THEN TRUE TUMBLE UNION UNNEST USING VALUES VIEW VIRTUAL WATERMARK WHEN WHERE WINDOW WITH ' +
    'BIGINT BOOLEAN DATE DECIMAL DOUBLE FLOAT INT INTEGER STRING TIMESTAMP TIMESTAMP_LTZ TINYINT VARCHAR ' +
    'SECOND MINUTE HOUR DAY MONTH YEAR SECONDS MINUTES HOURS DAYS'
  ).split(' '),
);

/**
 * @param {string} sql
 * @returns {Node[]} comments are `z`, strings `s`, numbers `n`, keywords `k`
 */
export function coloured(sql) {
  const found = [];
  let at = 0;
  const plain = (end) => {
    if (end > at) {
      found.push(document.createTextNode(sql.slice(at, end)));
    }
  };
  for (const match of sql.matchAll(TOKEN)) {
    const cls = classOf(match);
    if (cls) {
      plain(match.index);
      found.push(h(`span.${cls}`, {}, match[0]));
      at = match.index + match[0].length;
    }
  }
  plain(sql.length);
  return found;
}

function classOf([, comment, string, _name, number, word]) {
  if (comment) {
    return 'z';
  }
  if (string) {
    return 's';
  }
  if (number) {
    return 'n';
  }
  return word && KEYWORDS.has(word.toUpperCase()) ? 'k' : null;
}
