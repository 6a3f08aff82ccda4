-- How much of what each site sent in an hour arrived: the sums of what web-events.sql tells of each visitor or page.
-- Runs here (clickstream tables run) and, unchanged, on Apache Flink; ${NAME} is filled in from settings.

SET 'table.local-time-zone' = 'UTC';
-- A row whose key is unknown is left out of a table, not an error.
SET 'table.exec.sink.not-null-enforcer' = 'DROP';
-- Windows give every row once; Flink wants to hear that such rows may go where rows have keys.
SET 'table.exec.sink.require-on-conflict' = 'false';

-- ---------------------------------------------------------------- source

-- Its rows come hour by hour, so the next hour's close this one.
CREATE TABLE web_streams_per_hour (
  site STRING,
  `stream` STRING,
  window_start TIMESTAMP(3),
  sent BIGINT,
  received BIGINT,
  doubled BIGINT,
  WATERMARK FOR window_start AS window_start - INTERVAL '5' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'web_streams_per_hour',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.group.id' = '${GROUP_ID}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = '${BOUNDED}',
  'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

CREATE TEMPORARY VIEW hours AS
SELECT site, sent, received, doubled, window_start AS ts FROM web_streams_per_hour WHERE window_start IS NOT NULL;

-- ---------------------------------------------------------------- result

CREATE TABLE web_loss_per_hour (
  site STRING,
  window_start TIMESTAMP(3),
  window_end TIMESTAMP(3),
  streams BIGINT,
  sent BIGINT,
  received BIGINT,
  missing BIGINT,
  doubled BIGINT,
  PRIMARY KEY (site, window_start) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'web_loss_per_hour',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'key.format' = 'json',
  'value.format' = 'json'
);

INSERT INTO web_loss_per_hour
SELECT
  site,
  window_start,
  window_end,
  COUNT(*),
  SUM(sent),
  SUM(received),
  SUM(sent) - SUM(received),
  SUM(doubled)
FROM TABLE(TUMBLE(TABLE hours, DESCRIPTOR(ts), INTERVAL '1' HOUR))
GROUP BY site, window_start, window_end;
