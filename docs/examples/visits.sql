-- Hits and visitors of each page, minute by minute.
SET 'table.exec.sink.require-on-conflict' = 'false';  -- Flink asks for it where windows go to a table with a key

CREATE TABLE visits (
  visitor STRING,
  page STRING,                                        -- a nested object, as JSON text
  `at` BIGINT,                                        -- ms since 1970
  ts AS TO_TIMESTAMP_LTZ(`at`, 3),                    -- computed
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND        -- ts is the event time; records may be 5 s out of order
) WITH (
  'connector' = 'kafka',
  'topic' = 'visits',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

CREATE TABLE page_hits (
  path STRING,
  window_start TIMESTAMP(3),
  hits BIGINT,
  visitors BIGINT,
  PRIMARY KEY (path, window_start) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'page-hits',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'key.format' = 'json',
  'value.format' = 'json'
);

CREATE TEMPORARY VIEW timed AS
SELECT visitor, JSON_VALUE(page, '$.path') AS path, ts FROM visits WHERE ts IS NOT NULL;

INSERT INTO page_hits
SELECT path, window_start, COUNT(*) AS hits, COUNT(DISTINCT visitor) AS visitors
FROM TABLE(TUMBLE(TABLE timed, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
WHERE path IS NOT NULL
GROUP BY path, window_start, window_end;
