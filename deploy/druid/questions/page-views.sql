-- Page views by people within the last day: each minute's, and all up to it.
SELECT
  TIME_FLOOR(__time, 'PT1M') AS "minute",
  COUNT(*) AS page_views,
  SUM(COUNT(*)) OVER (ORDER BY TIME_FLOOR(__time, 'PT1M') ROWS UNBOUNDED PRECEDING) AS total
FROM "web-events"
WHERE __time >= CURRENT_TIMESTAMP - INTERVAL '1' DAY
  AND event = 'pageview' AND bot IS NULL AND duplicate = 0 AND corrupt = 0
GROUP BY 1
ORDER BY 1
