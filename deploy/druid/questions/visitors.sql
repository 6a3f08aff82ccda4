-- People who came within the last day, by the hour; whoever comes in two hours counts in both.
SELECT
  TIME_FLOOR(__time, 'PT1H') AS "hour",
  APPROX_COUNT_DISTINCT_DS_HLL(visitor) AS visitors
FROM "web-events"
WHERE __time >= CURRENT_TIMESTAMP - INTERVAL '1' DAY AND bot IS NULL
GROUP BY 1
ORDER BY 1
