"""A file of SQL that reads clicks in Avro and writes a result in Avro of each kind: for our engine, and for Flink."""

from collections import Counter
from pathlib import Path

from clickstream.avro.wire import HEADER_BYTES, is_framed
from tests.integration.support import records

_SERVERS = "'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}'"
_FILE = """
SET 'table.exec.sink.require-on-conflict' = 'false';
CREATE TABLE clicks (
  ip STRING, userid BIGINT, status INT, `bytes` BIGINT, `_time` TIMESTAMP(3),
  p INT METADATA FROM 'partition' VIRTUAL, o BIGINT METADATA FROM 'offset' VIRTUAL,
  WATERMARK FOR `_time` AS `_time` - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = '{source}', {servers}, 'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = '${{BOUNDED}}', 'format' = 'avro-confluent', 'avro-confluent.url' = '{url}');
CREATE TABLE placed (p INT, o BIGINT, ip STRING) WITH ({stream}-placed', 'format' = 'avro-confluent',
  'avro-confluent.url' = '{url}');
CREATE TABLE bare (ip STRING, size DOUBLE, `_time` TIMESTAMP(3), `day` DATE) WITH ({stream}-bare', {value});
CREATE TABLE minutes (window_start TIMESTAMP(3), ip STRING, hits BIGINT, size DOUBLE) WITH ({stream}-minutes', {value});
CREATE TABLE latest (ip STRING, window_start TIMESTAMP(3), hits BIGINT NOT NULL,
  PRIMARY KEY (ip, window_start) NOT ENFORCED) WITH ({table}-latest', 'key.format' = 'json', {value});
CREATE TABLE totals (ip STRING, hits BIGINT, size BIGINT, PRIMARY KEY (ip) NOT ENFORCED) WITH ({table}-totals',
  'key.format' = 'avro-confluent', 'key.avro-confluent.url' = '{url}', {value});
INSERT INTO placed SELECT p, o, ip FROM clicks;
INSERT INTO bare SELECT ip, `bytes` / 7E0, `_time`, CAST(`_time` AS DATE) FROM clicks WHERE status <> 200;
INSERT INTO minutes SELECT window_start, ip, COUNT(*), AVG(CAST(`bytes` AS DOUBLE))
  FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(`_time`), INTERVAL '10' SECOND)) GROUP BY ip, window_start, window_end;
INSERT INTO latest SELECT ip, window_start, COUNT(*) FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(`_time`),
  INTERVAL '10' SECOND, INTERVAL '20' SECOND)) GROUP BY ip, window_start, window_end HAVING COUNT(*) < 20;
INSERT INTO totals SELECT ip, COUNT(*), SUM(`bytes`) FROM clicks GROUP BY ip HAVING MOD(COUNT(*), 3) > 0;
"""
STREAMS, TABLES = ("placed", "bare", "minutes"), ("latest", "totals")
Texts = tuple[bytes | None, bytes | None]
Rows = dict[str, Counter[Texts] | dict[bytes | None, bytes | None]]


def file_of(path: Path, source: str, results: str, url: str) -> Path:
    """The file at that path, which reads topic `source` and writes topics `<results>-...`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    begin = f"{_SERVERS}, 'topic' = '{results}"
    path.write_text(
        _FILE.format(
            source=source,
            servers=_SERVERS,
            url=url,
            stream=f"'connector' = 'kafka', {begin}",
            table=f"'connector' = 'upsert-kafka', {begin}",
            value=f"'value.format' = 'avro-confluent', 'value.avro-confluent.url' = '{url}'",
        )
    )
    return path


def copy_of(path: Path, source: str, target: str, url: str) -> Path:
    """A file that copies the rows of `minutes` from a topic, and writes them as JSON."""
    columns = "window_start TIMESTAMP(3), ip STRING, hits BIGINT, size DOUBLE"
    path.write_text(
        f"""
        CREATE TABLE minutes ({columns}) WITH ('connector' = 'kafka', {_SERVERS}, 'topic' = '{source}',
          'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = '${{BOUNDED}}',
          'format' = 'avro-confluent', 'avro-confluent.url' = '{url}');
        CREATE TABLE copied ({columns}) WITH ('connector' = 'kafka', {_SERVERS}, 'topic' = '{target}',
          'format' = 'json');
        INSERT INTO copied SELECT window_start, ip, hits, size FROM minutes;
        """
    )
    return path


def body(octets: bytes | None) -> bytes | None:
    """What is behind a schema's id: a subject of another name may have another one."""
    return octets[HEADER_BYTES:] if octets is not None and is_framed(octets) else octets


def stream(kafka: str, topic: str) -> Counter[Texts]:
    """The records of an append-only topic."""
    found = records(kafka, topic)
    assert all(is_framed(record.value()) for record in found)
    return Counter((body(record.key()), body(record.value())) for record in found)


def table(kafka: str, topic: str) -> dict[bytes | None, bytes | None]:
    """The latest record of each key that was not deleted. None may be an early one."""
    last = {record.key(): record for record in records(kafka, topic)}
    left = {key: record for key, record in last.items() if record.value() is not None}
    assert not [key for key, record in left.items() if record.headers()]
    return {body(key): body(record.value()) for key, record in left.items()}


def rows(kafka: str, results: str) -> Rows:
    """Those of all results, by their names."""
    streams = {name: stream(kafka, f"{results}-{name}") for name in STREAMS}
    return {**streams, **{name: table(kafka, f"{results}-{name}") for name in TABLES}}
