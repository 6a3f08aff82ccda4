-- Page views by people, and how many more or fewer they are than in the hour before that had any, in percent.
SELECT
  TIME_FLOOR(__time, 'PT1H') AS "hour",
  COUNT(*) AS page_views,
  100.0 * (COUNT(*) - LAG(COUNT(*)) OVER (ORDER BY TIME_FLOOR(__time, 'PT1H')))
    / LAG(COUNT(*)) OVER (ORDER BY TIME_FLOOR(__time, 'PT1H')) AS growth
FROM "web-events"
WHERE __time >= CURRENT_TIMESTAMP - INTERVAL '1' DAY
  AND event = 'pageview' AND bot IS NULL AND duplicate = 0 AND corrupt = 0
GROUP BY 1
ORDER BY 1
