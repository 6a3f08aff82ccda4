-- Visits of people within the last day, by site and hour, and how many pages one looks at.
SELECT
  TIME_FLOOR(__time, 'PT1H') AS "hour",
  site,
  APPROX_COUNT_DISTINCT_DS_HLL("session") AS visits,
  1.0 * COUNT(*) / APPROX_COUNT_DISTINCT_DS_HLL("session") AS pages_per_visit
FROM "web-events"
WHERE __time >= CURRENT_TIMESTAMP - INTERVAL '1' DAY
  AND event = 'pageview' AND bot IS NULL AND duplicate = 0 AND corrupt = 0 AND "session" IS NOT NULL
GROUP BY 1, 2
ORDER BY 1, 2
