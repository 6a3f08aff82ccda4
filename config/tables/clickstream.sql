-- Web clicks as live tables: hits per user and page, errors, sessions, suspicious visitors.
-- Runs here (clickstream tables run) and, unchanged, on Apache Flink; ${NAME} is filled in from settings.

SET 'table.local-time-zone' = 'UTC';
-- A row whose key is unknown (a click of nobody) is left out of a table, not an error.
SET 'table.exec.sink.not-null-enforcer' = 'DROP';
-- Windows give every row once; Flink wants to hear that such rows may go where rows have keys.
SET 'table.exec.sink.require-on-conflict' = 'false';

-- ---------------------------------------------------------------- sources

CREATE TABLE clickstream (
  ip STRING,
  userid INT,
  remote_user STRING,
  `time` STRING,
  `_time` BIGINT,
  request STRING,
  status INT,
  `bytes` BIGINT,
  referrer STRING,
  agent STRING,
  ts AS TO_TIMESTAMP_LTZ(`_time`, 3),
  src_partition INT METADATA FROM 'partition' VIRTUAL,
  src_offset BIGINT METADATA FROM 'offset' VIRTUAL,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'clickstream',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.group.id' = '${GROUP_ID}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = '${BOUNDED}',
  'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

-- References. Their watermarks stand still, so that clicks never wait for them.

CREATE TABLE clickstream_codes (
  code INT NOT NULL,
  definition STRING,
  changed TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
  WATERMARK FOR changed AS TO_TIMESTAMP_LTZ(0, 3),
  PRIMARY KEY (code) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'clickstream_codes',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.group.id' = '${GROUP_ID}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'scan.bounded.mode' = '${BOUNDED}',
  'scan.watermark.idle-timeout' = '${REF_IDLE}',
  'key.format' = 'json',
  'value.format' = 'json',
  'value.json.ignore-parse-errors' = 'true'
);

CREATE TABLE clickstream_users (
  user_id INT NOT NULL,
  registered_at BIGINT,
  username STRING,
  first_name STRING,
  last_name STRING,
  city STRING,
  level STRING,
  changed TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
  WATERMARK FOR changed AS TO_TIMESTAMP_LTZ(0, 3),
  PRIMARY KEY (user_id) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'clickstream_users',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.group.id' = '${GROUP_ID}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'scan.bounded.mode' = '${BOUNDED}',
  'scan.watermark.idle-timeout' = '${REF_IDLE}',
  'key.format' = 'json',
  'value.format' = 'json',
  'value.json.ignore-parse-errors' = 'true'
);

-- ---------------------------------------------------------------- clicks with what is known about them

-- Flink joins only rows that have a time.
CREATE TEMPORARY VIEW timed_clicks AS SELECT * FROM clickstream WHERE ts IS NOT NULL;

CREATE TEMPORARY VIEW clicks_with_user AS
SELECT c.userid, u.username, c.ip, u.city, c.request, c.status, c.`bytes`, c.ts, c.src_partition, c.src_offset
FROM timed_clicks AS c
LEFT JOIN clickstream_users FOR SYSTEM_TIME AS OF c.ts AS u ON c.userid = u.user_id;

CREATE TEMPORARY VIEW clicks_with_code AS
SELECT k.code, k.definition, c.ip, c.ts, c.src_partition, c.src_offset
FROM timed_clicks AS c
LEFT JOIN clickstream_codes FOR SYSTEM_TIME AS OF c.ts AS k ON c.status = k.code;

-- ---------------------------------------------------------------- results: streams

CREATE TABLE user_clickstream (
  userid INT,
  username STRING,
  ip STRING,
  city STRING,
  request STRING,
  status INT,
  `bytes` BIGINT,
  ts TIMESTAMP_LTZ(3),
  src_partition INT,
  src_offset BIGINT
) WITH (
  'connector' = 'kafka',
  'topic' = 'user_clickstream',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'key.format' = 'raw',
  'key.fields' = 'ip',
  'value.format' = 'json'
);

CREATE TABLE enriched_error_codes (
  code INT,
  definition STRING,
  ip STRING,
  ts TIMESTAMP_LTZ(3),
  src_partition INT,
  src_offset BIGINT
) WITH (
  'connector' = 'kafka',
  'topic' = 'enriched_error_codes',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'key.format' = 'raw',
  'key.fields' = 'ip',
  'value.format' = 'json'
);

-- ---------------------------------------------------------------- results: tables

CREATE TABLE events_per_min (
  userid INT,
  window_start TIMESTAMP(3),
  window_end TIMESTAMP(3),
  events BIGINT,
  PRIMARY KEY (userid, window_start) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'events_per_min',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'key.format' = 'json',
  'value.format' = 'json'
);

CREATE TABLE pages_per_min (
  userid INT,
  window_start TIMESTAMP(3),
  window_end TIMESTAMP(3),
  pages BIGINT,
  PRIMARY KEY (userid, window_start) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'pages_per_min',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'key.format' = 'json',
  'value.format' = 'json'
);

CREATE TABLE click_user_sessions (
  username STRING,
  window_start TIMESTAMP(3),
  window_end TIMESTAMP(3),
  hits BIGINT,
  `bytes` BIGINT,
  PRIMARY KEY (username, window_start) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'click_user_sessions',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'key.format' = 'json',
  'value.format' = 'json'
);

CREATE TABLE errors_per_min_alert (
  status INT,
  window_start TIMESTAMP(3),
  window_end TIMESTAMP(3),
  errors BIGINT,
  PRIMARY KEY (status, window_start) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'errors_per_min_alert',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'key.format' = 'json',
  'value.format' = 'json'
);

CREATE TABLE errors_per_min (
  status INT,
  window_start TIMESTAMP(3),
  window_end TIMESTAMP(3),
  errors BIGINT,
  PRIMARY KEY (status, window_start) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'errors_per_min',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'key.format' = 'json',
  'value.format' = 'json'
);

CREATE TABLE enriched_error_codes_count (
  code INT,
  definition STRING,
  window_start TIMESTAMP(3),
  window_end TIMESTAMP(3),
  hits BIGINT,
  PRIMARY KEY (code, definition, window_start) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'enriched_error_codes_count',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'key.format' = 'json',
  'value.format' = 'json'
);

CREATE TABLE user_ip_activity (
  username STRING,
  ip STRING,
  city STRING,
  window_start TIMESTAMP(3),
  window_end TIMESTAMP(3),
  hits BIGINT,
  PRIMARY KEY (username, ip, city, window_start) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'user_ip_activity',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'key.format' = 'json',
  'value.format' = 'json'
);

CREATE TABLE malicious_user_sessions (
  username STRING,
  ip STRING,
  window_start TIMESTAMP(3),
  window_end TIMESTAMP(3),
  hits BIGINT,
  `bytes` BIGINT,
  PRIMARY KEY (username, ip, window_start) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'malicious_user_sessions',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'key.format' = 'json',
  'value.format' = 'json'
);

CREATE TABLE traffic_per_min (
  window_start TIMESTAMP(3),
  window_end TIMESTAMP(3),
  hits BIGINT,
  visitors BIGINT,
  `bytes` BIGINT,
  errors BIGINT,
  PRIMARY KEY (window_start) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'traffic_per_min',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'key.format' = 'json',
  'value.format' = 'json'
);

-- ---------------------------------------------------------------- everything at once: each source is read once

EXECUTE STATEMENT SET BEGIN

INSERT INTO user_clickstream SELECT * FROM clicks_with_user;

INSERT INTO enriched_error_codes
SELECT code, definition, ip, ts, src_partition, src_offset FROM clicks_with_code;

INSERT INTO events_per_min
SELECT userid, window_start, window_end, COUNT(*)
FROM TABLE(TUMBLE(TABLE clickstream, DESCRIPTOR(ts), INTERVAL '60' SECOND))
GROUP BY userid, window_start, window_end;

INSERT INTO pages_per_min
SELECT userid, window_start, window_end, COUNT(*)
FROM TABLE(HOP(TABLE clickstream, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '60' SECOND))
WHERE request LIKE '%html%'
GROUP BY userid, window_start, window_end;

INSERT INTO click_user_sessions
SELECT username, window_start, window_end, COUNT(*), SUM(`bytes`)
FROM TABLE(SESSION(TABLE clicks_with_user PARTITION BY username, DESCRIPTOR(ts), INTERVAL '30' SECOND))
GROUP BY username, window_start, window_end;

INSERT INTO errors_per_min_alert
SELECT status, window_start, window_end, COUNT(*)
FROM TABLE(HOP(TABLE clickstream, DESCRIPTOR(ts), INTERVAL '20' SECOND, INTERVAL '60' SECOND))
WHERE status > 400
GROUP BY status, window_start, window_end
HAVING COUNT(*) > 5;

INSERT INTO errors_per_min
SELECT status, window_start, window_end, COUNT(*)
FROM TABLE(HOP(TABLE clickstream, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '60' SECOND))
WHERE status > 400
GROUP BY status, window_start, window_end;

INSERT INTO enriched_error_codes_count
SELECT code, definition, window_start, window_end, COUNT(*)
FROM TABLE(TUMBLE(TABLE clicks_with_code, DESCRIPTOR(ts), INTERVAL '30' SECOND))
GROUP BY code, definition, window_start, window_end
HAVING COUNT(*) > 1;

INSERT INTO user_ip_activity
SELECT username, ip, city, window_start, window_end, COUNT(*)
FROM TABLE(TUMBLE(TABLE clicks_with_user, DESCRIPTOR(ts), INTERVAL '60' SECOND))
GROUP BY username, ip, city, window_start, window_end
HAVING COUNT(*) > 1;

INSERT INTO malicious_user_sessions
SELECT username, ip, window_start, window_end, COUNT(*), SUM(`bytes`)
FROM TABLE(SESSION(TABLE clicks_with_user PARTITION BY (username, ip), DESCRIPTOR(ts), INTERVAL '30' SECOND))
GROUP BY username, ip, window_start, window_end
HAVING SUM(`bytes`) > 500000;

INSERT INTO traffic_per_min
SELECT window_start, window_end, COUNT(*), COUNT(DISTINCT ip), SUM(`bytes`), COUNT(*) FILTER (WHERE status >= 400)
FROM TABLE(TUMBLE(TABLE clickstream, DESCRIPTOR(ts), INTERVAL '60' SECOND))
GROUP BY window_start, window_end;

END;
