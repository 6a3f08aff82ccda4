-- Two tables in one query: each with its own delay, partitions and offsets.

CREATE TABLE taps (
  ip STRING,
  userid INT,
  `bytes` BIGINT,
  t BIGINT,
  ts AS TO_TIMESTAMP_LTZ(t, 3),
  WATERMARK FOR ts AS ts - INTERVAL '7' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'taps-${SOURCE}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = '${BOUNDED}',
  'scan.watermark.emit.strategy' = 'on-event',
  'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

CREATE TABLE both_windows (
  ip STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3), n BIGINT, total BIGINT,
  PRIMARY KEY (ip, window_start) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'both-windows-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'key.format' = 'json', 'value.format' = 'json'
);

CREATE TABLE both_hopping (
  window_start TIMESTAMP(3), window_end TIMESTAMP(3), taps BIGINT, n BIGINT
) WITH (
  'connector' = 'kafka', 'topic' = 'both-hopping-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE both_sessions (
  userid INT, window_start TIMESTAMP(3), window_end TIMESTAMP(3), n BIGINT
) WITH (
  'connector' = 'kafka', 'topic' = 'both-sessions-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE both_rows (
  what STRING, ip STRING, ts TIMESTAMP_LTZ(3)
) WITH (
  'connector' = 'kafka', 'topic' = 'both-rows-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TEMPORARY VIEW together AS
SELECT 'click' AS what, ip, userid, `bytes`, ts FROM timed
UNION ALL
SELECT 'tap' AS what, ip, userid, `bytes`, ts FROM taps WHERE t IS NOT NULL;

EXECUTE STATEMENT SET BEGIN

INSERT INTO both_windows
SELECT ip, window_start, window_end, COUNT(*), SUM(`bytes`)
FROM TABLE(TUMBLE(TABLE together, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY ip, window_start, window_end;

INSERT INTO both_hopping
SELECT window_start, window_end, COUNT(*) FILTER (WHERE what = 'tap'), COUNT(*)
FROM TABLE(HOP(TABLE together, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '20' SECOND))
GROUP BY window_start, window_end;

INSERT INTO both_sessions
SELECT userid, window_start, window_end, COUNT(*)
FROM TABLE(SESSION(TABLE together PARTITION BY userid, DESCRIPTOR(ts), INTERVAL '4' SECOND))
GROUP BY userid, window_start, window_end;

INSERT INTO both_rows SELECT what, ip, ts FROM together;

END;
