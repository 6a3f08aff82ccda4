-- Where the people of the last day came from. Unknown: the collector was started without --geo-db.
SELECT
  COALESCE(country, 'unknown') AS country,
  APPROX_COUNT_DISTINCT_DS_HLL(visitor) AS visitors,
  COUNT(*) AS events
FROM "web-events"
WHERE __time >= CURRENT_TIMESTAMP - INTERVAL '1' DAY AND bot IS NULL
GROUP BY 1
ORDER BY 3 DESC, 1
LIMIT 20
