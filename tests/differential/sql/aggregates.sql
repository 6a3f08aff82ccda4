-- Every aggregate, of every type, with DISTINCT and FILTER; HAVING; keys that are expressions.

CREATE TABLE numbers (
  ip STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3),
  statuses BIGINT, statuses_distinct BIGINT, status_sum INT, status_sum_distinct INT, status_avg INT, status_avg_distinct INT,
  status_min INT, status_max INT,
  bytes_sum BIGINT, bytes_sum_distinct BIGINT, bytes_avg BIGINT, bytes_avg_distinct BIGINT, bytes_min BIGINT, bytes_max BIGINT,
  price_sum DOUBLE, price_sum_distinct DOUBLE, price_avg DOUBLE, price_avg_distinct DOUBLE, price_min DOUBLE, price_max DOUBLE
) WITH (
  'connector' = 'kafka', 'topic' = 'numbers-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE numbers_filtered (
  userid INT, window_start TIMESTAMP(3), window_end TIMESTAMP(3),
  statuses BIGINT, statuses_distinct BIGINT, status_sum INT, status_sum_distinct INT, status_avg INT, status_avg_distinct INT,
  status_min INT, status_max INT,
  bytes_sum BIGINT, bytes_sum_distinct BIGINT, bytes_avg BIGINT, bytes_avg_distinct BIGINT, bytes_min BIGINT, bytes_max BIGINT,
  price_sum DOUBLE, price_sum_distinct DOUBLE, price_avg DOUBLE, price_avg_distinct DOUBLE, price_min DOUBLE, price_max DOUBLE
) WITH (
  'connector' = 'kafka', 'topic' = 'numbers-filtered-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE numbers_sessions (
  ip STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3),
  statuses BIGINT, statuses_distinct BIGINT, status_sum INT, status_sum_distinct INT, status_avg INT, status_avg_distinct INT,
  status_min INT, status_max INT,
  bytes_sum BIGINT, bytes_sum_distinct BIGINT, bytes_avg BIGINT, bytes_avg_distinct BIGINT, bytes_min BIGINT, bytes_max BIGINT,
  price_sum DOUBLE, price_sum_distinct DOUBLE, price_avg DOUBLE, price_avg_distinct DOUBLE, price_min DOUBLE, price_max DOUBLE,
  PRIMARY KEY (ip, window_start) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'numbers-sessions-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'key.format' = 'json', 'value.format' = 'json'
);

CREATE TABLE others (
  window_start TIMESTAMP(3), window_end TIMESTAMP(3),
  rows_ BIGINT, ips BIGINT, oks BIGINT, first_request STRING, last_request STRING, first_ TIMESTAMP_LTZ(3), last_ TIMESTAMP_LTZ(3),
  first_at TIMESTAMP(3), last_at TIMESTAMP(3), first_day DATE, last_day DATE, days BIGINT, good BIGINT, good_bytes BIGINT,
  bad_users BIGINT, half DOUBLE, whole BIGINT,
  PRIMARY KEY (window_start) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'others-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'key.format' = 'json', 'value.format' = 'json'
);

CREATE TABLE others_sessions (
  ip STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3),
  rows_ BIGINT, ips BIGINT, oks BIGINT, first_request STRING, last_request STRING, first_ TIMESTAMP_LTZ(3), last_ TIMESTAMP_LTZ(3),
  first_at TIMESTAMP(3), last_at TIMESTAMP(3), first_day DATE, last_day DATE, days BIGINT, good BIGINT, good_bytes BIGINT,
  bad_users BIGINT, half DOUBLE, whole BIGINT
) WITH (
  'connector' = 'kafka', 'topic' = 'others-sessions-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE others_cumulating (
  window_start TIMESTAMP(3), window_end TIMESTAMP(3),
  rows_ BIGINT, ips BIGINT, oks BIGINT, first_request STRING, last_request STRING, first_ TIMESTAMP_LTZ(3), last_ TIMESTAMP_LTZ(3),
  first_at TIMESTAMP(3), last_at TIMESTAMP(3), first_day DATE, last_day DATE, days BIGINT, good BIGINT, good_bytes BIGINT,
  bad_users BIGINT, half DOUBLE, whole BIGINT
) WITH (
  'connector' = 'kafka', 'topic' = 'others-cumulating-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE by_expression (
  class INT, network STRING, kind STRING, minute_ BIGINT, window_start TIMESTAMP(3), window_end TIMESTAMP(3), n BIGINT, share INT
) WITH (
  'connector' = 'kafka', 'topic' = 'by-expression-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

EXECUTE STATEMENT SET BEGIN

INSERT INTO numbers
SELECT ip, window_start, window_end,
  COUNT(status), COUNT(DISTINCT status), SUM(status), SUM(DISTINCT status), AVG(status), AVG(DISTINCT status),
  MIN(status), MAX(status),
  SUM(`bytes`), SUM(DISTINCT `bytes`), AVG(`bytes`), AVG(DISTINCT `bytes`), MIN(`bytes`), MAX(`bytes`),
  SUM(price), SUM(DISTINCT price), AVG(price), AVG(DISTINCT price), MIN(price), MAX(price)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '15' SECOND))
GROUP BY ip, window_start, window_end;

INSERT INTO numbers_filtered
SELECT userid, window_start, window_end,
  COUNT(status) FILTER (WHERE ok), COUNT(DISTINCT status) FILTER (WHERE ok), SUM(status) FILTER (WHERE ok), SUM(DISTINCT status) FILTER (WHERE ok), AVG(status) FILTER (WHERE ok), AVG(DISTINCT status) FILTER (WHERE ok),
  MIN(status) FILTER (WHERE ok), MAX(status) FILTER (WHERE ok),
  SUM(`bytes`) FILTER (WHERE ok), SUM(DISTINCT `bytes`) FILTER (WHERE ok), AVG(`bytes`) FILTER (WHERE ok), AVG(DISTINCT `bytes`) FILTER (WHERE ok), MIN(`bytes`) FILTER (WHERE ok), MAX(`bytes`) FILTER (WHERE ok),
  SUM(price) FILTER (WHERE ok), SUM(DISTINCT price) FILTER (WHERE ok), AVG(price) FILTER (WHERE ok), AVG(DISTINCT price) FILTER (WHERE ok), MIN(price) FILTER (WHERE ok), MAX(price) FILTER (WHERE ok)
FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND))
GROUP BY userid, window_start, window_end
HAVING COUNT(*) > 1 AND (SUM(price) > 100 OR MIN(status) IS NULL);

INSERT INTO numbers_sessions
SELECT ip, window_start, window_end,
  COUNT(status), COUNT(DISTINCT status), SUM(status), SUM(DISTINCT status), AVG(status), AVG(DISTINCT status),
  MIN(status), MAX(status),
  SUM(`bytes`), SUM(DISTINCT `bytes`), AVG(`bytes`), AVG(DISTINCT `bytes`), MIN(`bytes`), MAX(`bytes`),
  SUM(price), SUM(DISTINCT price), AVG(price), AVG(DISTINCT price), MIN(price), MAX(price)
FROM TABLE(SESSION(TABLE timed PARTITION BY ip, DESCRIPTOR(ts), INTERVAL '4' SECOND))
GROUP BY ip, window_start, window_end;

INSERT INTO others
SELECT window_start, window_end,
  COUNT(*), COUNT(DISTINCT ip), COUNT(ok), MIN(request), MAX(request), MIN(ts), MAX(ts),
  MIN(`at`), MAX(`at`), MIN(`day`), MAX(`day`), COUNT(DISTINCT `day`), COUNT(*) FILTER (WHERE status < 400), SUM(`bytes`) FILTER (WHERE ok),
  COUNT(DISTINCT userid) FILTER (WHERE status >= 400), SUM(price / 2), MAX(id) - MIN(id)
FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND))
GROUP BY window_start, window_end;

INSERT INTO others_sessions
SELECT ip, window_start, window_end,
  COUNT(*), COUNT(DISTINCT ip), COUNT(ok), MIN(request), MAX(request), MIN(ts), MAX(ts),
  MIN(`at`), MAX(`at`), MIN(`day`), MAX(`day`), COUNT(DISTINCT `day`), COUNT(*) FILTER (WHERE status < 400), SUM(`bytes`) FILTER (WHERE ok),
  COUNT(DISTINCT userid) FILTER (WHERE status >= 400), SUM(price / 2), MAX(id) - MIN(id)
FROM TABLE(SESSION(TABLE timed PARTITION BY ip, DESCRIPTOR(ts), INTERVAL '3' SECOND))
GROUP BY ip, window_start, window_end;

INSERT INTO others_cumulating
SELECT window_start, window_end,
  COUNT(*), COUNT(DISTINCT ip), COUNT(ok), MIN(request), MAX(request), MIN(ts), MAX(ts),
  MIN(`at`), MAX(`at`), MIN(`day`), MAX(`day`), COUNT(DISTINCT `day`), COUNT(*) FILTER (WHERE status < 400), SUM(`bytes`) FILTER (WHERE ok),
  COUNT(DISTINCT userid) FILTER (WHERE status >= 400), SUM(price / 2), MAX(id) - MIN(id)
FROM TABLE(CUMULATE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '20' SECOND))
GROUP BY window_start, window_end;

INSERT INTO by_expression
SELECT status / 100, SUBSTRING(ip, 1, 8), CASE WHEN ok THEN 'ok' WHEN NOT ok THEN 'not' ELSE 'unknown' END,
  MINUTE(ts), window_start, window_end, COUNT(*), CAST(COUNT(*) FILTER (WHERE userid > 3) * 100 / COUNT(*) AS INT)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '30' SECOND))
GROUP BY status / 100, SUBSTRING(ip, 1, 8), CASE WHEN ok THEN 'ok' WHEN NOT ok THEN 'not' ELSE 'unknown' END, MINUTE(ts),
  window_start, window_end;

END;
