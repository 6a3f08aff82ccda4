-- Requests of the last day that failed, and their share of all, by the minute.
SELECT
  TIME_FLOOR(__time, 'PT1M') AS "minute",
  COUNT(*) AS requests,
  COUNT(*) FILTER (WHERE status >= 400) AS errors,
  100.0 * COUNT(*) FILTER (WHERE status >= 400) / COUNT(*) AS error_percent,
  APPROX_COUNT_DISTINCT_DS_HLL(ip) AS visitors
FROM "clickstream"
WHERE __time >= CURRENT_TIMESTAMP - INTERVAL '1' DAY
GROUP BY 1
ORDER BY 1
