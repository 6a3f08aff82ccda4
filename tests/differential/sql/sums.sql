-- Sums whose last digits depend on the order in which they are added.

-- Flink would first add what comes between two watermarks, and then these sums.
SET 'table.optimizer.agg-phase-strategy' = 'ONE_PHASE';

CREATE TABLE sums_tumbling (
  userid INT, window_start TIMESTAMP(3), window_end TIMESTAMP(3), total DOUBLE, mean DOUBLE, good DOUBLE,
  PRIMARY KEY (userid, window_end) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'sums-tumbling-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'key.format' = 'json', 'value.format' = 'json'
);

CREATE TABLE sums_hopping (
  userid INT, window_start TIMESTAMP(3), window_end TIMESTAMP(3), total DOUBLE, mean DOUBLE, good DOUBLE,
  PRIMARY KEY (userid, window_end) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'sums-hopping-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'key.format' = 'json', 'value.format' = 'json'
);

CREATE TABLE sums_cumulating (
  userid INT, window_start TIMESTAMP(3), window_end TIMESTAMP(3), total DOUBLE, mean DOUBLE, good DOUBLE,
  PRIMARY KEY (userid, window_end) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'sums-cumulating-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'key.format' = 'json', 'value.format' = 'json'
);

CREATE TABLE sums_sessions (
  userid INT, window_start TIMESTAMP(3), window_end TIMESTAMP(3), total DOUBLE, mean DOUBLE, good DOUBLE,
  PRIMARY KEY (userid, window_end) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'sums-sessions-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'key.format' = 'json', 'value.format' = 'json'
);

CREATE TABLE sums_ever (
  userid INT, total DOUBLE, mean DOUBLE, good DOUBLE, several DOUBLE,
  PRIMARY KEY (userid) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'sums-ever-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'key.format' = 'json', 'value.format' = 'json'
);

EXECUTE STATEMENT SET BEGIN

INSERT INTO sums_tumbling
SELECT userid, window_start, window_end, SUM(price / 7E0), AVG(price / 3E0), SUM(price / 7E0) FILTER (WHERE ok)
FROM TABLE(TUMBLE(TABLE timed, DESCRIPTOR(ts), INTERVAL '20' SECOND))
GROUP BY userid, window_start, window_end;

INSERT INTO sums_hopping
SELECT userid, window_start, window_end, SUM(price / 7E0), AVG(price / 3E0), SUM(price / 7E0) FILTER (WHERE ok)
FROM TABLE(HOP(TABLE timed, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '30' SECOND))
GROUP BY userid, window_start, window_end;

INSERT INTO sums_cumulating
SELECT userid, window_start, window_end, SUM(price / 7E0), AVG(price / 3E0), SUM(price / 7E0) FILTER (WHERE ok)
FROM TABLE(CUMULATE(TABLE timed, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '30' SECOND))
GROUP BY userid, window_start, window_end;

INSERT INTO sums_sessions
SELECT userid, window_start, window_end, SUM(price / 7E0), AVG(price / 3E0), SUM(price / 7E0) FILTER (WHERE ok)
FROM TABLE(SESSION(TABLE timed PARTITION BY userid, DESCRIPTOR(ts), INTERVAL '3' SECOND))
GROUP BY userid, window_start, window_end;

INSERT INTO sums_ever
SELECT userid, SUM(price / 7E0), AVG(price / 3E0), SUM(price / 7E0) FILTER (WHERE ok), SUM(DISTINCT price / 4E0) FROM clicks GROUP BY userid;

END;
