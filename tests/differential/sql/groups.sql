-- GROUP BY without a window: the last row of each key is what counts; and UNION ALL.

CREATE TABLE totals (
  ip STRING,
  statuses BIGINT, statuses_distinct BIGINT, status_sum INT, status_sum_distinct INT, status_avg INT, status_avg_distinct INT,
  status_min INT, status_max INT,
  bytes_sum BIGINT, bytes_sum_distinct BIGINT, bytes_avg BIGINT, bytes_avg_distinct BIGINT, bytes_min BIGINT, bytes_max BIGINT,
  price_sum DOUBLE, price_sum_distinct DOUBLE, price_avg DOUBLE, price_avg_distinct DOUBLE, price_min DOUBLE, price_max DOUBLE,
  PRIMARY KEY (ip) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'totals-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'key.format' = 'json', 'value.format' = 'json'
);

CREATE TABLE totals_others (
  userid INT, ok BOOLEAN,
  rows_ BIGINT, ips BIGINT, oks BIGINT, first_request STRING, last_request STRING, first_ TIMESTAMP_LTZ(3), last_ TIMESTAMP_LTZ(3),
  first_at TIMESTAMP(3), last_at TIMESTAMP(3), first_day DATE, last_day DATE, days BIGINT, good BIGINT, good_bytes BIGINT,
  bad_users BIGINT, half DOUBLE, whole BIGINT,
  PRIMARY KEY (userid, ok) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'totals-others-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'key.format' = 'json', 'value.format' = 'json'
);

CREATE TABLE big (
  ip STRING, `status` INT, n BIGINT, highest DOUBLE,
  PRIMARY KEY (ip, `status`) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'big-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'key.format' = 'json', 'value.format' = 'json'
);

CREATE TABLE quiet (
  userid INT, n BIGINT,
  PRIMARY KEY (userid) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'quiet-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'key.format' = 'json', 'value.format' = 'json'
);

CREATE TABLE by_name (
  name STRING, place BIGINT, n BIGINT, `bytes` BIGINT,
  PRIMARY KEY (name, place) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'by-name-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'key.format' = 'json', 'value.format' = 'json'
);

CREATE TABLE by_time (
  `day` DATE, minute_ TIMESTAMP_LTZ(3), at_ TIMESTAMP(3), half DOUBLE, n BIGINT,
  PRIMARY KEY (`day`, minute_, at_, half) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'by-time-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'key.format' = 'json', 'value.format' = 'json'
);

CREATE TABLE joined (
  what STRING, id BIGINT, amount DOUBLE, ts TIMESTAMP_LTZ(3)
) WITH (
  'connector' = 'kafka', 'topic' = 'joined-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE joined_windows (
  what STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3), n BIGINT, amount DOUBLE
) WITH (
  'connector' = 'kafka', 'topic' = 'joined-windows-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE joined_sessions (
  what STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3), n BIGINT
) WITH (
  'connector' = 'kafka', 'topic' = 'joined-sessions-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE latest (
  ip STRING, id BIGINT, status INT, src_offset BIGINT,
  PRIMARY KEY (ip) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'latest-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'key.format' = 'json', 'value.format' = 'json'
);

CREATE TEMPORARY VIEW everything AS
SELECT 'click' AS what, id, `bytes` AS amount, ts FROM timed WHERE ok
UNION ALL
SELECT 'error' AS what, id, price AS amount, ts FROM timed WHERE status >= 400
UNION ALL
SELECT ip AS what, id + 1000000 AS id, status AS amount, ts FROM timed WHERE userid IN (1, 2);

EXECUTE STATEMENT SET BEGIN

INSERT INTO totals
SELECT ip,
  COUNT(status), COUNT(DISTINCT status), SUM(status), SUM(DISTINCT status), AVG(status), AVG(DISTINCT status),
  MIN(status), MAX(status),
  SUM(`bytes`), SUM(DISTINCT `bytes`), AVG(`bytes`), AVG(DISTINCT `bytes`), MIN(`bytes`), MAX(`bytes`),
  SUM(price), SUM(DISTINCT price), AVG(price), AVG(DISTINCT price), MIN(price), MAX(price)
FROM clicks GROUP BY ip;

INSERT INTO totals_others
SELECT userid, ok,
  COUNT(*), COUNT(DISTINCT ip), COUNT(ok), MIN(request), MAX(request), MIN(ts), MAX(ts),
  MIN(`at`), MAX(`at`), MIN(`day`), MAX(`day`), COUNT(DISTINCT `day`), COUNT(*) FILTER (WHERE status < 400), SUM(`bytes`) FILTER (WHERE ok),
  COUNT(DISTINCT userid) FILTER (WHERE status >= 400), SUM(price / 2), MAX(id) - MIN(id)
FROM clicks GROUP BY userid, ok;

INSERT INTO big
SELECT ip, status, COUNT(*), MAX(price) FROM clicks GROUP BY ip, status HAVING COUNT(*) > 25;

-- Rows that a group loses again.
INSERT INTO quiet
SELECT userid, COUNT(*) FROM clicks GROUP BY userid HAVING COUNT(*) < 90 AND COUNT(DISTINCT request) < 6;

INSERT INTO by_name
SELECT UPPER(SUBSTRING(request, 2, 2)), MOD(id, 3), COUNT(*), SUM(`bytes`) FROM clicks
GROUP BY UPPER(SUBSTRING(request, 2, 2)), MOD(id, 3);

-- Keys of every type that is not a text or a whole number.
INSERT INTO by_time
SELECT `day`, FLOOR(ts TO MINUTE), FLOOR(`at` TO HOUR), status / 2E0, COUNT(*) FROM clicks
GROUP BY `day`, FLOOR(ts TO MINUTE), FLOOR(`at` TO HOUR), status / 2E0;

INSERT INTO joined SELECT * FROM everything;

INSERT INTO joined_windows
SELECT what, window_start, window_end, COUNT(*), SUM(amount)
FROM TABLE(TUMBLE(TABLE everything, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY what, window_start, window_end;

INSERT INTO joined_sessions
SELECT what, window_start, window_end, COUNT(*)
FROM TABLE(SESSION(TABLE everything PARTITION BY what, DESCRIPTOR(ts), INTERVAL '4' SECOND))
GROUP BY what, window_start, window_end;

-- Every row is its key's latest; with several partitions nobody knows which comes last.
INSERT INTO latest SELECT ip, id, status, src_offset FROM clicks WHERE src_partition = 0;

END;
