"""Files that are right here: some fail on Flink, with what is said of it, and some do not."""

TABLE = """
CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json',
  'properties.bootstrap.servers' = 'k'{});
"""
EXACTLY = ", 'sink.delivery-guarantee' = 'exactly-once'"
PREFIX = ", 'sink.transactional-id-prefix' = 'x'"
CHECKPOINTS = "SET 'execution.checkpointing.interval' = '10 s';"
TIMEOUT = ", 'properties.transaction.timeout.ms' = '900000'"

TROUBLES: list[tuple[str, str]] = [
    ("SET 'parallelism.default' = '0';", "parallelism.default is '0', a number above 0 is expected"),
    ("SET 'execution.checkpointing.interval' = 'often';", "a duration such as 10 s is expected"),
    ("SET 'execution.checkpointing.mode' = 'twice';", "one of exactly_once, at_least_once is expected"),
    ("SET 'restart-strategy.type' = 'maybe';", "restart-strategy.type is 'maybe'"),
    ("SET 'table.exec.mini-batch.enabled' = 'yes';", "true or false is expected"),
    (
        "SET 'table.exec.mini-batch.enabled' = 'true'; SET 'table.exec.mini-batch.size' = '10';",
        "table.exec.mini-batch.enabled needs table.exec.mini-batch.allow-latency",
    ),
    (
        TABLE.format(", 'scan.watermark.alignment.group' = 'g'"),
        "t: scan.watermark.alignment.group needs scan.watermark.alignment.max-drift",
    ),
    (
        TABLE.format(", 'scan.watermark.alignment.max-drift' = '1 s'"),
        "t: scan.watermark.alignment.max-drift needs scan.watermark.alignment.group",
    ),
    (CHECKPOINTS + TABLE.format(EXACTLY + TIMEOUT), "t: exactly-once needs sink.transactional-id-prefix"),
    (TABLE.format(EXACTLY + PREFIX + TIMEOUT), "t: exactly-once shows its rows at checkpoints only"),
    (CHECKPOINTS + TABLE.format(EXACTLY + PREFIX), "t: exactly-once asks brokers for transactions of an hour"),
]
FINE: list[str] = [
    CHECKPOINTS + TABLE.format(EXACTLY + PREFIX + TIMEOUT),
    "SET 'parallelism.default' = '4'; SET 'execution.checkpointing.mode' = 'EXACTLY_ONCE';",
    "SET 'table.exec.mini-batch.enabled' = 'true'; SET 'table.exec.mini-batch.size' = '10';"
    "SET 'table.exec.mini-batch.allow-latency' = '1 s';",
    TABLE.format(", 'scan.watermark.alignment.group' = 'g', 'scan.watermark.alignment.max-drift' = '1 s'"),
]
