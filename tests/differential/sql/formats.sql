-- Keys, values and what stands beside them; every type; times as texts; expressions.

-- The event time is a text's.
CREATE TABLE clicks_at (
  ip STRING, `at` TIMESTAMP(3),
  WATERMARK FOR `at` AS `at` - INTERVAL '5' SECOND
) WITH (
  'connector' = 'kafka', 'topic' = 'clicks-${SOURCE}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = '${BOUNDED}', 'scan.watermark.emit.strategy' = 'on-event',
  'format' = 'json', 'json.ignore-parse-errors' = 'true'
);

-- The event time is the record's; what else there is to know about a record.
CREATE TABLE clicks_record (
  id BIGINT, topic STRING METADATA VIRTUAL, `partition` INT METADATA VIRTUAL, `offset` BIGINT METADATA VIRTUAL,
  `timestamp` TIMESTAMP(3) METADATA VIRTUAL, headers MAP<STRING, BYTES> METADATA VIRTUAL,
  WATERMARK FOR `timestamp` AS `timestamp` - INTERVAL '5' SECOND
) WITH (
  'connector' = 'kafka', 'topic' = 'clicks-${SOURCE}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = '${BOUNDED}', 'scan.watermark.emit.strategy' = 'on-event',
  'format' = 'json', 'json.ignore-parse-errors' = 'true'
);

CREATE TABLE clicks_raw_key (
  who STRING, userid INT, status INT, `_time` BIGINT, src_offset BIGINT METADATA FROM 'offset' VIRTUAL,
  src_partition BIGINT METADATA FROM 'partition' VIRTUAL
) WITH (
  'connector' = 'kafka', 'topic' = 'clickstream-${SOURCE}', 'key.format' = 'raw', 'key.fields' = 'who',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = '${BOUNDED}', 'scan.watermark.emit.strategy' = 'on-event',
  'value.format' = 'json', 'value.json.ignore-parse-errors' = 'true', 'value.fields-include' = 'EXCEPT_KEY'
);

CREATE TABLE changes (
  key_userid BIGINT, name STRING, changed TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL
) WITH (
  'connector' = 'kafka', 'topic' = 'users-${SOURCE}', 'key.format' = 'json', 'key.fields' = 'key_userid',
  'key.fields-prefix' = 'key_', 'key.json.ignore-parse-errors' = 'true',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = '${BOUNDED}', 'scan.watermark.emit.strategy' = 'on-event',
  'value.format' = 'json', 'value.json.ignore-parse-errors' = 'true', 'value.fields-include' = 'EXCEPT_KEY'
);

-- Of the last part of the log only.
CREATE TABLE clicks_recent (
  id BIGINT, `offset` BIGINT METADATA VIRTUAL
) WITH (
  'connector' = 'kafka', 'topic' = 'clicks-${SOURCE}', 'scan.startup.mode' = 'timestamp',
  'scan.startup.timestamp-millis' = '1700000200000', 'scan.bounded.mode' = '${BOUNDED}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json', 'json.ignore-parse-errors' = 'true'
);

CREATE TABLE everything (
  id BIGINT, ip STRING, userid INT, price DOUBLE, ok BOOLEAN, `at` TIMESTAMP(3), ts TIMESTAMP_LTZ(3), `day` DATE
) WITH (
  'connector' = 'kafka', 'topic' = 'everything-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE everything_iso (
  id BIGINT, ip STRING, userid INT, price DOUBLE, ok BOOLEAN, `at` TIMESTAMP(3), ts TIMESTAMP_LTZ(3), `day` DATE
) WITH (
  'connector' = 'kafka', 'topic' = 'everything-iso-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
  'json.encode.ignore-null-fields' = 'true'
);

CREATE TABLE keyed (
  id BIGINT, ip STRING, userid INT, price DOUBLE, ok BOOLEAN, `at` TIMESTAMP(3), ts TIMESTAMP_LTZ(3), `day` DATE
) WITH (
  'connector' = 'kafka', 'topic' = 'keyed-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'value.format' = 'json',
  'key.format' = 'json', 'key.fields' = 'ip;day;at'
);

CREATE TABLE keyed_raw (
  id BIGINT, ip STRING, userid INT, price DOUBLE, ok BOOLEAN, `at` TIMESTAMP(3), ts TIMESTAMP_LTZ(3), `day` DATE
) WITH (
  'connector' = 'kafka', 'topic' = 'keyed-raw-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'value.format' = 'json',
  'key.format' = 'raw', 'key.fields' = 'ip', 'value.fields-include' = 'EXCEPT_KEY'
);

CREATE TABLE keyed_prefix (
  k_userid INT, k_ip STRING, n BIGINT
) WITH (
  'connector' = 'kafka', 'topic' = 'keyed-prefix-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'value.format' = 'json',
  'key.format' = 'json', 'key.fields' = 'k_userid;k_ip', 'key.fields-prefix' = 'k_', 'value.fields-include' = 'EXCEPT_KEY'
);

CREATE TABLE except_key (
  ip STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3), n BIGINT,
  PRIMARY KEY (ip, window_start) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'except-key-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'key.format' = 'json', 'value.format' = 'json',
  'value.fields-include' = 'EXCEPT_KEY'
);

CREATE TABLE raw_key (
  ip STRING, n BIGINT, half DOUBLE,
  PRIMARY KEY (ip) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'raw-key-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'key.format' = 'raw', 'value.format' = 'json'
);

CREATE TABLE at_windows (
  ip STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3), window_time TIMESTAMP(3), n BIGINT
) WITH (
  'connector' = 'kafka', 'topic' = 'at-windows-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE about_records (
  id BIGINT, topic STRING, src_partition INT, src_offset BIGINT,
  written TIMESTAMP_LTZ(3) METADATA FROM 'timestamp', headers MAP<STRING, BYTES> METADATA
) WITH (
  'connector' = 'kafka', 'topic' = 'about-records-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE raw_keys (
  who STRING, status INT, userid INT, src_offset BIGINT, src_partition BIGINT
) WITH (
  'connector' = 'kafka', 'topic' = 'raw-keys-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE known_changes (
  userid BIGINT, name STRING, changed TIMESTAMP_LTZ(3)
) WITH (
  'connector' = 'kafka', 'topic' = 'known-changes-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE some_columns (
  a BIGINT, b STRING, c DOUBLE, d BIGINT
) WITH (
  'connector' = 'kafka', 'topic' = 'some-columns-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE calculated (
  id BIGINT, sum_ BIGINT, quotient INT, rest BIGINT, ratio DOUBLE, mixed DOUBLE, negative INT, text STRING, number_ INT,
  tried BIGINT, yes STRING, padded STRING, joined STRING, kind STRING, other STRING, first_ STRING, part STRING,
  hour_ BIGINT, minute_ TIMESTAMP_LTZ(3), shown STRING, later TIMESTAMP_LTZ(3), apart INT, day_ DATE, size_ INT, longest DOUBLE
) WITH (
  'connector' = 'kafka', 'topic' = 'calculated-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE conditions (
  what STRING, id BIGINT
) WITH (
  'connector' = 'kafka', 'topic' = 'conditions-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

EXECUTE STATEMENT SET BEGIN

INSERT INTO everything SELECT id, ip, userid, price, ok, `at`, ts, `day` FROM clicks;
INSERT INTO everything_iso SELECT id, ip, userid, price, ok, `at`, ts, `day` FROM clicks;
INSERT INTO keyed SELECT id, ip, userid, price, ok, `at`, ts, `day` FROM clicks;
INSERT INTO keyed_raw SELECT id, ip, userid, price, ok, `at`, ts, `day` FROM clicks;

INSERT INTO keyed_prefix SELECT userid, ip, id FROM clicks;

INSERT INTO except_key
SELECT ip, window_start, window_end, COUNT(*)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '30' SECOND))
GROUP BY ip, window_start, window_end;

INSERT INTO raw_key SELECT ip, COUNT(*), SUM(price) / 2 FROM clicks GROUP BY ip;

INSERT INTO at_windows
SELECT ip, window_start, window_end, window_time, COUNT(*)
FROM TABLE(HOP(TABLE clicks_at, DESCRIPTOR(`at`), INTERVAL '5' SECOND, INTERVAL '10' SECOND))
GROUP BY ip, window_start, window_end, window_time;

INSERT INTO about_records
SELECT id, topic, `partition`, `offset`, CAST(`timestamp` AS TIMESTAMP_LTZ(3)), headers FROM clicks_record;

INSERT INTO raw_keys SELECT who, status, userid, src_offset, src_partition FROM clicks_raw_key;

INSERT INTO known_changes SELECT key_userid, name, changed FROM changes WHERE key_userid <> 3;

INSERT INTO some_columns (d, b, c) SELECT userid, CAST(`offset` AS STRING), status
FROM (SELECT c.userid, c.status, c.src_offset AS `offset` FROM clicks AS c WHERE c.userid > 2)
UNION ALL
SELECT id, 'recent', `offset` FROM clicks_recent;

INSERT INTO calculated
SELECT id, status + `bytes`, status / 7, MOD(`bytes`, 11) - `bytes` % 3, price / 3, price * status - 1.5E0, -status,
  CAST(`bytes` AS STRING) || ':' || CAST(ok AS STRING), CAST(price AS INT), TRY_CAST(SUBSTRING(ip, 8) AS BIGINT),
  CASE WHEN ok IS NOT TRUE THEN 'no' WHEN price > 50 THEN 'dear' ELSE 'cheap' END,
  CONCAT('<', TRIM(BOTH '/' FROM request), '>'), CONCAT_WS('-', ip, CAST(userid AS STRING), request),
  CASE status WHEN 200 THEN 'fine' WHEN 404 THEN 'gone' END, COALESCE(ip, CAST(userid AS STRING), 'nobody'),
  SPLIT_INDEX(ip, '.', 3), REGEXP_EXTRACT(request, '([a-z]+)\.html', 1),
  HOUR(ts), FLOOR(ts TO MINUTE), DATE_FORMAT(ts, 'HH:mm:ss.SSS ''at'' dd.MM.yyyy'), ts + INTERVAL '90' SECOND,
  TIMESTAMPDIFF(SECOND, ts, TO_TIMESTAMP_LTZ(1700000100, 0)), TO_DATE(CAST(`day` AS STRING)), CHAR_LENGTH(LOWER(UPPER(request))),
  GREATEST(price, CAST(status AS DOUBLE), ABS(-100.25E0))
FROM clicks WHERE status <> 0 OR status IS NULL;

INSERT INTO conditions
SELECT 'and', id FROM clicks WHERE status >= 400 AND ok
UNION ALL SELECT 'or', id FROM clicks WHERE status >= 400 OR ok
UNION ALL SELECT 'not', id FROM clicks WHERE NOT (status >= 400 AND ok)
UNION ALL SELECT 'in', id FROM clicks WHERE status IN (200, 500)
UNION ALL SELECT 'not in', id FROM clicks WHERE status NOT IN (200, 500)
UNION ALL SELECT 'between', id FROM clicks WHERE price BETWEEN 10 AND 50.25E0
UNION ALL SELECT 'not between', id FROM clicks WHERE price NOT BETWEEN 10 AND 50
UNION ALL SELECT 'like', id FROM clicks WHERE request LIKE '/_n%l'
UNION ALL SELECT 'escaped', id FROM clicks WHERE request LIKE '%\%%' ESCAPE '\'
UNION ALL SELECT 'not like', id FROM clicks WHERE ip NOT LIKE '%.1'
UNION ALL SELECT 'not escaped', id FROM clicks WHERE request NOT LIKE '%!%%' ESCAPE '!'
UNION ALL SELECT 'distinct', id FROM clicks WHERE status IS DISTINCT FROM userid + 299
UNION ALL SELECT 'same', id FROM clicks WHERE ok IS NOT DISTINCT FROM (userid > 3)
UNION ALL SELECT 'is false', id FROM clicks WHERE (price > 20) IS FALSE
UNION ALL SELECT 'nothing', id FROM clicks WHERE ip IS NULL OR ok IS NULL
UNION ALL SELECT 'day', id FROM clicks WHERE `day` = DATE '2023-11-15' AND `at` < TIMESTAMP '2023-11-14 22:16:00.5'
UNION ALL SELECT 'text', id FROM clicks WHERE request > '/b' AND request <> ''
UNION ALL SELECT 'whole', id FROM clicks WHERE status / 100 = 4 AND price > userid
UNION ALL SELECT 'null', id FROM clicks WHERE NULLIF(status, 404) IS NULL AND IF(ok, 1, 2) = 2;

END;
