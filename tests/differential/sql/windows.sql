-- Every kind of window, into tables with keys and without.

CREATE TABLE tumbling (
  ip STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3), n BIGINT, total BIGINT,
  PRIMARY KEY (ip, window_start) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'tumbling-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'key.format' = 'json', 'value.format' = 'json'
);

CREATE TABLE tumbling_all (
  window_start TIMESTAMP(3), window_end TIMESTAMP(3), window_time TIMESTAMP_LTZ(3), n BIGINT
) WITH (
  'connector' = 'kafka', 'topic' = 'tumbling-all-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE hopping (
  userid INT, window_start TIMESTAMP(3), window_end TIMESTAMP(3), n BIGINT
) WITH (
  'connector' = 'kafka', 'topic' = 'hopping-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE hopping_often (
  ip STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3), n BIGINT,
  PRIMARY KEY (ip, window_end) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'hopping-often-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'key.format' = 'json', 'value.format' = 'json'
);

CREATE TABLE cumulating (
  ip STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3), n BIGINT, total BIGINT,
  PRIMARY KEY (ip, window_end) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'cumulating-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'key.format' = 'json', 'value.format' = 'json'
);

CREATE TABLE sessions_all (
  window_start TIMESTAMP(3), window_end TIMESTAMP(3), n BIGINT
) WITH (
  'connector' = 'kafka', 'topic' = 'sessions-all-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE sessions_ip (
  ip STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3), n BIGINT, total BIGINT, users BIGINT,
  PRIMARY KEY (ip, window_start) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'sessions-ip-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'key.format' = 'json', 'value.format' = 'json'
);

CREATE TABLE sessions_both (
  ip STRING, userid INT, window_start TIMESTAMP(3), window_end TIMESTAMP(3), n BIGINT, first_ TIMESTAMP_LTZ(3)
) WITH (
  'connector' = 'kafka', 'topic' = 'sessions-both-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE sessions_errors (
  ip STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3), n BIGINT
) WITH (
  'connector' = 'kafka', 'topic' = 'sessions-errors-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE sessions_filtered (
  ip STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3), n BIGINT
) WITH (
  'connector' = 'kafka', 'topic' = 'sessions-filtered-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TEMPORARY VIEW errors AS SELECT ip, status, ts FROM timed WHERE status >= 400;

EXECUTE STATEMENT SET BEGIN

INSERT INTO tumbling
SELECT ip, window_start, window_end, COUNT(*), SUM(`bytes`)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY ip, window_start, window_end;

INSERT INTO tumbling_all
SELECT window_start, window_end, window_time, COUNT(*)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' SECOND))
WHERE ok
GROUP BY window_start, window_end, window_time
HAVING COUNT(*) > 1;

INSERT INTO hopping
SELECT userid, window_start, window_end, COUNT(*)
FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '20' SECOND))
GROUP BY userid, window_start, window_end
HAVING COUNT(*) > 2 AND window_start > TIMESTAMP '2023-11-14 22:13:30';

INSERT INTO hopping_often
SELECT ip, window_start, window_end, COUNT(*)
FROM TABLE(HOP(TABLE errors, DESCRIPTOR(ts), INTERVAL '1' SECOND, INTERVAL '5' SECOND))
GROUP BY ip, window_start, window_end;

INSERT INTO cumulating
SELECT ip, window_start, window_end, COUNT(*), SUM(`bytes`)
FROM TABLE(CUMULATE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '30' SECOND))
GROUP BY ip, window_start, window_end;

INSERT INTO sessions_all
SELECT window_start, window_end, COUNT(*)
FROM TABLE(SESSION(TABLE timed, DESCRIPTOR(ts), INTERVAL '2' SECOND))
GROUP BY window_start, window_end;

INSERT INTO sessions_ip
SELECT ip, window_start, window_end, COUNT(*), SUM(`bytes`), COUNT(DISTINCT userid)
FROM TABLE(SESSION(TABLE timed PARTITION BY ip, DESCRIPTOR(ts), INTERVAL '4' SECOND))
GROUP BY ip, window_start, window_end;

INSERT INTO sessions_both
SELECT ip, userid, window_start, window_end, COUNT(*), MIN(ts)
FROM TABLE(SESSION(TABLE timed PARTITION BY (ip, userid), DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY ip, userid, window_start, window_end
HAVING COUNT(*) > 1;

INSERT INTO sessions_errors
SELECT ip, window_start, window_end, COUNT(*)
FROM TABLE(SESSION(TABLE errors PARTITION BY ip, DESCRIPTOR(ts), INTERVAL '8' SECOND))
GROUP BY ip, window_start, window_end;

INSERT INTO sessions_filtered
SELECT ip, window_start, window_end, COUNT(*)
FROM TABLE(SESSION(TABLE timed PARTITION BY ip, DESCRIPTOR(ts), INTERVAL '4' SECOND))
WHERE status >= 400
GROUP BY ip, window_start, window_end;

END;
