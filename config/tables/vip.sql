-- Clicks of platinum users: every click gets the name and level that its user had at that time.
-- Runs here (clickstream tables run) and, unchanged, on Apache Flink; ${NAME} is filled in from settings.

SET 'table.local-time-zone' = 'UTC';
SET 'table.exec.sink.not-null-enforcer' = 'DROP';

-- The latest version of each user. Its watermark stands still, so that clicks never wait for users.
CREATE TABLE vip_users (
  user_id STRING NOT NULL,
  name STRING,
  level STRING,
  changed TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
  WATERMARK FOR changed AS TO_TIMESTAMP_LTZ(0, 3),
  PRIMARY KEY (user_id) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'vip-users',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.group.id' = '${GROUP_ID}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'scan.bounded.mode' = '${BOUNDED}',
  'scan.watermark.idle-timeout' = '${REF_IDLE}',
  'key.format' = 'json',
  'value.format' = 'json',
  'value.json.ignore-parse-errors' = 'true'
);

CREATE TABLE vip_clicks (
  user_id STRING,
  page INT,
  action STRING,
  event_time BIGINT,
  ts AS TO_TIMESTAMP_LTZ(event_time, 3),
  src_partition INT METADATA FROM 'partition' VIRTUAL,
  src_offset BIGINT METADATA FROM 'offset' VIRTUAL,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'vip-clicks',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.group.id' = '${GROUP_ID}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = '${BOUNDED}',
  'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

CREATE TABLE vip_action (
  user_id STRING,
  name STRING,
  page INT,
  action STRING,
  event_time TIMESTAMP_LTZ(3),
  src_partition INT,
  src_offset BIGINT
) WITH (
  'connector' = 'kafka',
  'topic' = 'vip-action',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'properties.security.protocol' = '${SECURITY_PROTOCOL}',
  'key.format' = 'json',
  'key.fields' = 'user_id',
  'value.format' = 'json'
);

-- Flink joins only rows that have a time.
CREATE TEMPORARY VIEW timed_clicks AS SELECT * FROM vip_clicks WHERE ts IS NOT NULL;

INSERT INTO vip_action
SELECT c.user_id, u.name, c.page, c.action, c.ts, c.src_partition, c.src_offset
FROM timed_clicks AS c
INNER JOIN vip_users FOR SYSTEM_TIME AS OF c.ts AS u ON c.user_id = u.user_id
WHERE u.level = 'PLATINUM';
