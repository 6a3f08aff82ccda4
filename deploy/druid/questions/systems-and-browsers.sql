-- Operating systems and browsers of the people of the last day.
SELECT
  COALESCE(os, 'unknown') AS os,
  COALESCE(browser, 'unknown') AS browser,
  APPROX_COUNT_DISTINCT_DS_HLL(visitor) AS visitors,
  COUNT(*) AS events
FROM "web-events"
WHERE __time >= CURRENT_TIMESTAMP - INTERVAL '1' DAY AND bot IS NULL
GROUP BY 1, 2
ORDER BY 4 DESC, 1, 2
LIMIT 20
