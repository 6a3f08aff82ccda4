-- The first rows of windows, over aggregates and over rows; their last rows by time; the first row of each key.

CREATE TABLE top_pages (
  window_start TIMESTAMP(3), window_end TIMESTAMP(3), request STRING, n BIGINT, place BIGINT
) WITH (
  'connector' = 'kafka', 'topic' = 'top-pages-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE top_keyed (
  window_start TIMESTAMP(3), window_end TIMESTAMP(3), request STRING, n BIGINT, place BIGINT,
  PRIMARY KEY (window_end, place) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'top-keyed-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'key.format' = 'json', 'value.format' = 'json'
);

CREATE TABLE top_sessions (
  window_start TIMESTAMP(3), window_end TIMESTAMP(3), ip STRING, n BIGINT, place BIGINT
) WITH (
  'connector' = 'kafka', 'topic' = 'top-sessions-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE dearest (
  ip STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3), id BIGINT, price DOUBLE, place BIGINT
) WITH (
  'connector' = 'kafka', 'topic' = 'dearest-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE first_in_window (
  ip STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3), id BIGINT, ts TIMESTAMP_LTZ(3)
) WITH (
  'connector' = 'kafka', 'topic' = 'first-in-window-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE cheapest (
  window_start TIMESTAMP(3), window_end TIMESTAMP(3), id BIGINT, price DOUBLE
) WITH (
  'connector' = 'kafka', 'topic' = 'cheapest-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE last_in_window (
  window_start TIMESTAMP(3), window_end TIMESTAMP(3), userid INT, id BIGINT, src_offset BIGINT
) WITH (
  'connector' = 'kafka', 'topic' = 'last-in-window-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE last_that_came (
  window_start TIMESTAMP(3), window_end TIMESTAMP(3), userid INT, id BIGINT, src_offset BIGINT
) WITH (
  'connector' = 'kafka', 'topic' = 'last-that-came-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE first_that_came (
  window_start TIMESTAMP(3), window_end TIMESTAMP(3), userid INT, id BIGINT, src_offset BIGINT
) WITH (
  'connector' = 'kafka', 'topic' = 'first-that-came-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE first_of_user (
  userid INT, id BIGINT, ip STRING, ts TIMESTAMP_LTZ(3)
) WITH (
  'connector' = 'kafka', 'topic' = 'first-of-user-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TABLE first_of_page (
  request STRING, status INT, src_offset BIGINT, ts TIMESTAMP_LTZ(3)
) WITH (
  'connector' = 'kafka', 'topic' = 'first-of-page-${RESULT}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'
);

CREATE TEMPORARY VIEW pages AS
SELECT request, window_start, window_end, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '20' SECOND))
GROUP BY request, window_start, window_end;

-- Of equal times the order of arrival decides: it is known within a partition.
CREATE TEMPORARY VIEW of_one_partition AS SELECT * FROM clicks WHERE src_partition = 0;

EXECUTE STATEMENT SET BEGIN

INSERT INTO top_pages
SELECT window_start, window_end, request, n, place FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY n DESC, request) AS place FROM pages
) WHERE place <= 3;

INSERT INTO top_keyed
SELECT window_start, window_end, request, n, place FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY n, request DESC) AS place FROM pages
) WHERE place < 3 AND n > 1;

INSERT INTO top_sessions
SELECT window_start, window_end, ip, n, place FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY n DESC, ip) AS place FROM (
    SELECT ip, window_start, window_end, COUNT(*) AS n
    FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '30' SECOND))
    GROUP BY ip, window_start, window_end
  )
) WHERE place <= 2;

INSERT INTO dearest
SELECT ip, window_start, window_end, id, price, place FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, ip ORDER BY price DESC, src_offset) AS place
  FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '30' SECOND))
) WHERE place <= 2;

INSERT INTO first_in_window
SELECT ip, window_start, window_end, id, ts FROM (
  SELECT ip, id, ts, window_start, window_end,
    ROW_NUMBER() OVER (PARTITION BY ip, window_start, window_end ORDER BY ts, src_partition, src_offset) AS place
  FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND))
) WHERE place = 1;

INSERT INTO cheapest
SELECT window_start, window_end, id, price FROM (
  SELECT id, price, window_start, window_end,
    ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY price, src_partition, src_offset) AS place
  FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '20' SECOND)) WHERE ok
) WHERE place <= 4;

INSERT INTO last_in_window
SELECT window_start, window_end, userid, id, src_offset FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, userid ORDER BY ts DESC) AS place
  FROM TABLE(TUMBLE(TABLE of_one_partition, DESCRIPTOR(ts), INTERVAL '20' SECOND))
) WHERE place = 1;

INSERT INTO last_that_came
SELECT window_start, window_end, userid, id, src_offset FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, userid ORDER BY window_time DESC) AS place
  FROM TABLE(TUMBLE(TABLE of_one_partition, DESCRIPTOR(ts), INTERVAL '20' SECOND))
) WHERE place = 1;

INSERT INTO first_that_came
SELECT window_start, window_end, userid, id, src_offset FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, userid ORDER BY window_time) AS place
  FROM TABLE(TUMBLE(TABLE of_one_partition, DESCRIPTOR(ts), INTERVAL '20' SECOND))
) WHERE place = 1;

INSERT INTO first_of_user
SELECT userid, id, ip, ts FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY userid ORDER BY ts) AS place FROM clicks WHERE src_partition = 0
) WHERE place = 1;

INSERT INTO first_of_page
SELECT request, status, src_offset, ts FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY request, status ORDER BY ts) AS place FROM clicks WHERE src_partition = 0
) WHERE place = 1;

END;
