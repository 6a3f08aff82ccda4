-- The product events of the heart, per minute and event name: how many, and of how many users.

SET 'table.local-time-zone' = 'UTC';
SET 'table.exec.sink.not-null-enforcer' = 'DROP';
-- Windows give every row once; Flink wants to hear that such rows may go where rows have keys.
SET 'table.exec.sink.require-on-conflict' = 'false';

CREATE TABLE events (
  `date` STRING,
  productId STRING,
  eventName STRING,
  userId STRING,
  ts AS TO_TIMESTAMP(`date`, 'yyyy-MM-dd''T''HH:mm:ss''UTC'''),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'event-topic',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.group.id' = '${GROUP_ID}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = '${BOUNDED}',
  'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

CREATE TABLE events_per_name (
  event_name STRING,
  window_start TIMESTAMP(3),
  window_end TIMESTAMP(3),
  events BIGINT,
  users BIGINT,
  PRIMARY KEY (event_name, window_start) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'events-per-name',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'key.format' = 'json',
  'value.format' = 'json'
);

INSERT INTO events_per_name
SELECT eventName, window_start, window_end, COUNT(*), COUNT(DISTINCT userId)
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY eventName, window_start, window_end;
