// What stands in the editor at first.

export const ASK = `-- Which pages are asked for most, and how much of it fails?
SELECT page,
       count(*) AS hits,
       sum(bytes) AS bytes,
       round(100.0 * count(*) FILTER (status >= 400) / count(*), 2) AS errors_pct
FROM clicks
GROUP BY page
ORDER BY hits DESC
LIMIT 14`;

export const CHECK = `-- Clicks by status and minute: tried here, it writes no topic.
CREATE TABLE clickstream (
  status INT,
  \`bytes\` BIGINT,
  _time BIGINT,
  ts AS TO_TIMESTAMP_LTZ(_time, 3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'clickstream',
  'properties.bootstrap.servers' = '\${BOOTSTRAP_SERVERS}',
  'format' = 'json',
  'scan.startup.mode' = 'earliest-offset'
);

CREATE TABLE status_per_min (
  status INT,
  window_start TIMESTAMP(3),
  hits BIGINT,
  \`bytes\` BIGINT
) WITH (
  'connector' = 'kafka',
  'topic' = 'status-per-min',
  'properties.bootstrap.servers' = '\${BOOTSTRAP_SERVERS}',
  'format' = 'json'
);

INSERT INTO status_per_min
SELECT status, window_start, COUNT(*), SUM(\`bytes\`)
FROM TABLE(TUMBLE(TABLE clickstream, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY status, window_start, window_end;`;
