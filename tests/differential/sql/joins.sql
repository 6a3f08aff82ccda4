-- Clicks beside what was known at their time: references that change, lose rows, or have none.

CREATE TABLE users (
  userid INT,
  name STRING,
  city STRING,
  changed TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
  WATERMARK FOR changed AS TO_TIMESTAMP_LTZ(0, 3),
  PRIMARY KEY (userid) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'users-${SOURCE}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'scan.bounded.mode' = '${BOUNDED}',
  'scan.watermark.idle-timeout' = '${REF_IDLE}', 'key.format' = 'json', 'value.format' = 'json',
  'value.json.ignore-parse-errors' = 'true'
);

-- Its versions have times of their own.
CREATE TABLE codes (
  code INT,
  definition STRING,
  since BIGINT,
  valid_from AS TO_TIMESTAMP_LTZ(since, 3),
  WATERMARK FOR valid_from AS TO_TIMESTAMP_LTZ(0, 3),
  PRIMARY KEY (code) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'codes-${SOURCE}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'scan.bounded.mode' = '${BOUNDED}',
  'scan.watermark.idle-timeout' = '${REF_IDLE}', 'key.format' = 'json', 'value.format' = 'json',
  'value.json.ignore-parse-errors' = 'true'
);

CREATE TABLE nobody (
  userid INT,
  name STRING,
  changed TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
  WATERMARK FOR changed AS TO_TIMESTAMP_LTZ(0, 3),
  PRIMARY KEY (userid) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'nobody-${SOURCE}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'scan.bounded.mode' = '${BOUNDED}',
  'scan.watermark.idle-timeout' = '${REF_IDLE}', 'key.format' = 'json', 'value.format' = 'json',
  'value.json.ignore-parse-errors' = 'true'
);

CREATE TABLE named (
  id BIGINT, userid INT, name STRING, city STRING, since TIMESTAMP_LTZ(3), ts TIMESTAMP_LTZ(3), src_partition INT, src_offset BIGINT
) WITH (
  'connector' = 'kafka', 'topic' = 'named-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE known (
  id BIGINT, name STRING, definition STRING, ts TIMESTAMP_LTZ(3)
) WITH (
  'connector' = 'kafka', 'topic' = 'known-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE chained (
  id BIGINT, name STRING, city STRING, definition STRING, other STRING, ts TIMESTAMP_LTZ(3)
) WITH (
  'connector' = 'kafka', 'topic' = 'chained-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE never (
  id BIGINT, name STRING
) WITH (
  'connector' = 'kafka', 'topic' = 'never-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE cities (
  city STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3), n BIGINT
) WITH (
  'connector' = 'kafka', 'topic' = 'cities-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE city_sessions (
  city STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3), n BIGINT, `bytes` BIGINT,
  PRIMARY KEY (city, window_start) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'city-sessions-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'key.format' = 'json', 'value.format' = 'json'
);

CREATE TABLE per_definition (
  definition STRING, n BIGINT,
  PRIMARY KEY (definition) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'per-definition-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'key.format' = 'json', 'value.format' = 'json'
);

CREATE TEMPORARY VIEW clicks_of_users AS
SELECT c.id, c.userid, u.name, u.city, u.changed AS since, c.status, c.`bytes`, c.ts, c.src_partition, c.src_offset
FROM timed AS c
LEFT JOIN users FOR SYSTEM_TIME AS OF c.ts AS u ON c.userid = u.userid;

CREATE TEMPORARY VIEW chain AS
SELECT c.id, u.name, u.city, k.definition, n.name AS other, c.ts
FROM timed AS c
LEFT JOIN users FOR SYSTEM_TIME AS OF c.ts AS u ON u.userid = c.userid
LEFT JOIN codes FOR SYSTEM_TIME AS OF c.ts AS k ON c.status = k.code
LEFT JOIN nobody FOR SYSTEM_TIME AS OF c.ts AS n ON c.userid = n.userid;

EXECUTE STATEMENT SET BEGIN

INSERT INTO named SELECT id, userid, name, city, since, ts, src_partition, src_offset FROM clicks_of_users;

INSERT INTO known
SELECT c.id, u.name, k.definition, c.ts
FROM timed AS c
JOIN users FOR SYSTEM_TIME AS OF c.ts AS u ON c.userid = u.userid
JOIN codes FOR SYSTEM_TIME AS OF c.ts AS k ON c.status = k.code
WHERE c.ok;

INSERT INTO chained SELECT id, name, city, definition, other, ts FROM chain;

INSERT INTO never
SELECT c.id, n.name FROM timed AS c JOIN nobody FOR SYSTEM_TIME AS OF c.ts AS n ON c.userid = n.userid;

INSERT INTO cities
SELECT city, window_start, window_end, COUNT(*)
FROM TABLE(TUMBLE(TABLE clicks_of_users, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY city, window_start, window_end;

INSERT INTO city_sessions
SELECT city, window_start, window_end, COUNT(*), SUM(`bytes`)
FROM TABLE(SESSION(TABLE clicks_of_users PARTITION BY city, DESCRIPTOR(ts), INTERVAL '2' SECOND))
GROUP BY city, window_start, window_end;

INSERT INTO per_definition SELECT definition, COUNT(*) FROM chain GROUP BY definition;

END;
