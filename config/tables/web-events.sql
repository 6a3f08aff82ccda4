-- What the collector hears, as live tables: visits, traffic of sites and pages, where visitors come from, and how much
-- of what was sent arrived.
-- Runs here (clickstream tables run) and, unchanged, on Apache Flink; ${NAME} is filled in from settings.

SET 'table.local-time-zone' = 'UTC';
-- A row whose key is unknown (an event of nobody) is left out of a table, not an error.
SET 'table.exec.sink.not-null-enforcer' = 'DROP';
-- Windows give every row once; Flink wants to hear that such rows may go where rows have keys.
SET 'table.exec.sink.require-on-conflict' = 'false';

-- ---------------------------------------------------------------- sources

-- A tag sends what it has every few seconds, so events come as late as that.
CREATE TABLE web_events (
  id STRING,
  event STRING,
  site STRING,
  url STRING,
  visitor STRING,
  `time` BIGINT,
  referrer_class STRING,
  device STRING,
  bot STRING,
  country STRING,
  ts AS TO_TIMESTAMP_LTZ(`time`, 3),
  WATERMARK FOR ts AS ts - INTERVAL '30' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'web-events',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.group.id' = '${GROUP_ID}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = '${BOUNDED}',
  'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

-- The same, for what is missing: a tag tries for minutes to send what it could not, and what comes late is not lost.
CREATE TABLE numbered_events (
  site STRING,
  `stream` STRING,
  sequence BIGINT,
  `time` BIGINT,
  ts AS TO_TIMESTAMP_LTZ(`time`, 3),
  WATERMARK FOR ts AS ts - INTERVAL '10' MINUTE
) WITH (
  'connector' = 'kafka',
  'topic' = 'web-events',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.group.id' = '${GROUP_ID}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = '${BOUNDED}',
  'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

-- Flink's windows take only rows that have a time.
CREATE TEMPORARY VIEW timed_events AS SELECT * FROM web_events WHERE ts IS NOT NULL;

CREATE TEMPORARY VIEW people AS
SELECT id, event, site, visitor, country, device, ts FROM timed_events WHERE bot IS NULL AND visitor IS NOT NULL;

-- A page is the path of its address.
CREATE TEMPORARY VIEW page_views AS
SELECT
  id,
  site,
  visitor,
  referrer_class,
  COALESCE(NULLIF(REGEXP_EXTRACT(url, '^[^:]+://[^/?#]*([^?#]*)', 1), ''), '/') AS page,
  ts
FROM timed_events
WHERE event = 'pageview' AND bot IS NULL;

CREATE TEMPORARY VIEW numbered AS
SELECT site, `stream`, sequence, ts FROM numbered_events
WHERE ts IS NOT NULL AND `stream` IS NOT NULL AND sequence IS NOT NULL;

-- ---------------------------------------------------------------- results
-- An event that was sent again has the same id: distinct ids are what happened.

CREATE TABLE web_sessions (
  site STRING,
  visitor STRING,
  window_start TIMESTAMP(3),
  window_end TIMESTAMP(3),
  events BIGINT,
  page_views BIGINT,
  country STRING,
  device STRING,
  PRIMARY KEY (site, visitor, window_start) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'web_sessions',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'key.format' = 'json',
  'value.format' = 'json'
);

CREATE TABLE web_traffic_per_min (
  site STRING,
  window_start TIMESTAMP(3),
  window_end TIMESTAMP(3),
  events BIGINT,
  page_views BIGINT,
  visitors BIGINT,
  bot_events BIGINT,
  PRIMARY KEY (site, window_start) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'web_traffic_per_min',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'key.format' = 'json',
  'value.format' = 'json'
);

CREATE TABLE web_pages_per_min (
  site STRING,
  page STRING,
  window_start TIMESTAMP(3),
  window_end TIMESTAMP(3),
  page_views BIGINT,
  visitors BIGINT,
  PRIMARY KEY (site, page, window_start) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'web_pages_per_min',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'key.format' = 'json',
  'value.format' = 'json'
);

CREATE TABLE web_referrers_per_min (
  site STRING,
  referrer_class STRING,
  window_start TIMESTAMP(3),
  window_end TIMESTAMP(3),
  page_views BIGINT,
  visitors BIGINT,
  PRIMARY KEY (site, referrer_class, window_start) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'web_referrers_per_min',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'key.format' = 'json',
  'value.format' = 'json'
);

-- Rows are appended, once each: web-events-loss.sql sums them.
CREATE TABLE web_streams_per_hour (
  site STRING,
  `stream` STRING,
  window_start TIMESTAMP(3),
  sent BIGINT,
  received BIGINT,
  doubled BIGINT
) WITH (
  'connector' = 'kafka',
  'topic' = 'web_streams_per_hour',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'key.format' = 'raw',
  'key.fields' = 'site',
  'value.format' = 'json'
);

-- ---------------------------------------------------------------- everything at once

EXECUTE STATEMENT SET BEGIN

-- Visits: they end after half an hour without an event.
INSERT INTO web_sessions
SELECT
  site,
  visitor,
  window_start,
  window_end,
  COUNT(DISTINCT id),
  COUNT(DISTINCT id) FILTER (WHERE event = 'pageview'),
  MAX(country),
  MAX(device)
FROM TABLE(SESSION(TABLE people PARTITION BY (site, visitor), DESCRIPTOR(ts), INTERVAL '30' MINUTE))
GROUP BY site, visitor, window_start, window_end;

INSERT INTO web_traffic_per_min
SELECT
  site,
  window_start,
  window_end,
  COUNT(DISTINCT id) FILTER (WHERE bot IS NULL),
  COUNT(DISTINCT id) FILTER (WHERE bot IS NULL AND event = 'pageview'),
  COUNT(DISTINCT visitor) FILTER (WHERE bot IS NULL),
  COUNT(DISTINCT id) FILTER (WHERE bot IS NOT NULL)
FROM TABLE(TUMBLE(TABLE timed_events, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY site, window_start, window_end;

INSERT INTO web_pages_per_min
SELECT site, page, window_start, window_end, COUNT(DISTINCT id), COUNT(DISTINCT visitor)
FROM TABLE(TUMBLE(TABLE page_views, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY site, page, window_start, window_end;

INSERT INTO web_referrers_per_min
SELECT site, referrer_class, window_start, window_end, COUNT(DISTINCT id), COUNT(DISTINCT visitor)
FROM TABLE(TUMBLE(TABLE page_views, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY site, referrer_class, window_start, window_end;

-- Numbers run on without a gap within a stream: what is between the first and the last of an hour was sent.
INSERT INTO web_streams_per_hour
SELECT
  site,
  `stream`,
  window_start,
  MAX(sequence) - MIN(sequence) + 1,
  COUNT(DISTINCT sequence),
  COUNT(*) - COUNT(DISTINCT sequence)
FROM TABLE(TUMBLE(TABLE numbered, DESCRIPTOR(ts), INTERVAL '1' HOUR))
GROUP BY site, `stream`, window_start, window_end;

END;
