"""Tables to query, and refusals with their place marked: `[[` and `]]` stand around what the carets show."""

from clickstream.tables.sql.check import Checked, check
from clickstream.tables.sql.model import Insert, Plan

IN_WINDOW = "FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY"
UPSERT = "'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'key.format' = 'json', 'value.format' = 'json'"
SINK = "'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'format' = 'json'"
KAFKA = f"{SINK}, 'scan.startup.mode' = 'earliest-offset'"

TABLES = f"""
SET 'table.exec.sink.require-on-conflict' = 'false';
CREATE TABLE clicks (
  userid INT, ip STRING, request STRING, status INT, `bytes` BIGINT, price DOUBLE, ok BOOLEAN, day_ DATE,
  `_time` BIGINT,
  ts AS TO_TIMESTAMP_LTZ(`_time`, 3),
  src_partition INT METADATA FROM 'partition' VIRTUAL,
  headers MAP<STRING, BYTES> METADATA VIRTUAL,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'clicks', {KAFKA});
CREATE TABLE users (
  user_id INT, name STRING, level STRING, vt TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
  WATERMARK FOR vt AS TO_TIMESTAMP_LTZ(0, 3),
  PRIMARY KEY (user_id) NOT ENFORCED
) WITH ('connector' = 'upsert-kafka', 'topic' = 'users', {UPSERT});
"""


def sink(columns: str, key: str = "") -> str:
    """CREATE TABLE results: a kafka table, or with a key an upsert-kafka table."""
    if not key:
        return f"CREATE TABLE results ({columns}) WITH ('connector' = 'kafka', 'topic' = 'results', {SINK});\n"
    keyed = f"{columns}, PRIMARY KEY ({key}) NOT ENFORCED"
    return f"CREATE TABLE results ({keyed}) WITH ('connector' = 'upsert-kafka', 'topic' = 'results', {UPSERT});\n"


def checked(sql: str) -> Checked:
    """`sql` after TABLES."""
    return check(TABLES + sql)


def insert(sql: str) -> Insert:
    """The only INSERT of `sql`, which has no problems."""
    found = checked(sql)
    assert not found.problems, found.render()
    (made,) = found.program.inserts
    return made


def plan(sql: str) -> Plan:
    return insert(sql).plan


def problems(marked: str, *, alone: bool = False) -> list[tuple[str, str]]:
    """Messages and hints of what is wrong with the marked text; their places are those that are marked."""
    before = "" if alone else TABLES
    text = before + marked
    wanted = []
    while (start := text.find("[[")) >= 0:
        end = text.index("]]") - 2
        text = text[:start] + text[start + 2 : end + 2] + text[end + 4 :]
        wanted.append(text[start:end])
        line = text[:start].count("\n") + 1
        wanted[-1] = f"{line}:{start - text.rfind(chr(10), 0, start)}:{wanted[-1]}"
    found = check(text)
    lines = text.split("\n")
    places = [
        f"{one.line}:{one.column}:{lines[one.line - 1][one.column - 1 : one.column - 1 + one.length]}"
        for one in found.problems
    ]
    assert places == wanted, found.render()
    return [(one.message, one.hint) for one in found.problems]
