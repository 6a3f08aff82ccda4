-- What the other files read: stands before each of them.

SET 'table.local-time-zone' = 'UTC';
SET 'table.exec.sink.not-null-enforcer' = 'DROP';
SET 'table.exec.sink.require-on-conflict' = 'false';

CREATE TABLE clicks (
  id BIGINT,
  ip STRING,
  userid INT,
  status INT,
  `bytes` BIGINT,
  price DOUBLE,
  ok BOOLEAN,
  request STRING,
  t BIGINT,
  `at` TIMESTAMP(3),
  `day` DATE,
  ts AS TO_TIMESTAMP_LTZ(t, 3),
  src_partition INT METADATA FROM 'partition' VIRTUAL,
  src_offset BIGINT METADATA FROM 'offset' VIRTUAL,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'clicks-${SOURCE}',
  'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = '${BOUNDED}',
  'scan.watermark.emit.strategy' = 'on-event',
  'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

-- For sessions and joins, where a click without a time would end Flink's job.
CREATE TEMPORARY VIEW timed AS SELECT * FROM clicks WHERE t IS NOT NULL;
