"""Names and values on their way through a real Kafka: what a file calls something is what its records call it."""

import json
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from clickstream.errors import ClickstreamError
from tests.integration.support import make_topic, produce, records
from tests.integration.tablesupport import (
    MINUTES,
    START,
    Rows,
    appended,
    at_work,
    click,
    engine_of,
    script,
    table,
    to_end,
    upsert,
)
from tests.support import PATIENCE


def source(name: str, columns: str, **options: str) -> str:
    """CREATE TABLE for the topic itself."""
    more = "".join(f", '{key}' = '{value}'" for key, value in {"format": "json", **options}.items())
    return (
        f"CREATE TABLE {name} ({columns}) WITH ('connector' = 'kafka', 'topic' = '{{topic}}', "
        "'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}', 'scan.startup.mode' = 'earliest-offset'"
        f"{more});\n"
    )


def put(kafka: str, topic: str, *records: tuple[bytes | None, bytes]) -> None:
    """Write records with keys of their own."""
    producer = Producer({"bootstrap.servers": kafka})
    for key, value in records:
        producer.produce(topic, value, key)
    assert producer.flush(30 * PATIENCE) == 0


def values(kafka: str, topic: str) -> list[dict[str, Any]]:
    return [json.loads(record.value() or b"null") for record in records(kafka, topic)]


def test_columns_that_differ_in_case_only_are_different(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [b'{"userId":1,"userid":2,"USERID":3,"$p":4,"$t":5,"a:b":6,"a:b:0":7}'])
    columns = "`userId` INT, userid INT, USERID INT, `$p` INT, `$t` INT, `a:b` INT, `a:b:0` INT"
    path = script(
        tmp_path,
        topic_name,
        source("s", columns),
        "CREATE VIEW v AS SELECT * FROM s;\n",
        appended("first_o", f"{columns}, total INT"),
        appended("second_o", "userid INT, `userId` INT"),
        "INSERT INTO first_o SELECT *, `userId` + userid * 10 + USERID * 100 FROM v;\n",
        "INSERT INTO second_o SELECT USERID, userid FROM v WHERE `userId` = 1 AND `$p` = 4;\n",
    )

    to_end(kafka, path)

    expected = {"userId": 1, "userid": 2, "USERID": 3, "$p": 4, "$t": 5, "a:b": 6, "a:b:0": 7, "total": 321}
    assert values(kafka, f"{topic_name}-first_o") == [expected]
    assert values(kafka, f"{topic_name}-second_o") == [{"userid": 3, "userId": 2}]


def test_tables_views_and_targets_that_differ_in_case_only_are_different(
    kafka: str, topic_name: str, tmp_path: Path
) -> None:
    """And a target `t` is nothing to targets `rows_t`, `T` and `final_t`; each keeps early rows and groups."""
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [click(1, ip="a"), click(2, ip="b"), click(61, ip="a")])
    names = ["t", "T", "rows_t", "early_t", "final_t"]
    statements = ["CREATE VIEW v AS SELECT ip, ts FROM clicks WHERE ip = 'a';\n"]
    statements.append("CREATE VIEW V AS SELECT ip, ts FROM clicks WHERE ip = 'b';\n")
    for number, name in enumerate(names):
        made = upsert(name, "window_start TIMESTAMP(3), hits BIGINT", "window_start")
        statements.append(made.replace(f"-{name}'", f"-{number}'"))
        statements.append(
            f"INSERT INTO {name} SELECT window_start, COUNT(*) * {number + 1} FROM TABLE(TUMBLE(TABLE "
            f"{'v' if number % 2 else 'V'}, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;\n"
        )

    to_end(kafka, script(tmp_path, topic_name, *statements), changes=True, early_interval=0.0)

    found: list[Rows] = [table(kafka, f"{topic_name}-{number}") for number in range(len(names))]
    hits = [sorted(row["hits"] for row in rows.values()) for rows in found]
    assert hits == [[1], [2, 2], [3], [4, 4], [5]]


def test_a_join_tells_columns_apart_that_differ_in_case_only(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    make_topic(kafka, f"{topic_name}-users", 1)
    put(kafka, f"{topic_name}-users", (b'{"userid":7}', b'{"userid":7,"Name":"X","name":"y"}'))
    produce(kafka, topic_name, [json.dumps({"userId": 7, "name": "z", "at": START * 1000}).encode()])
    path = script(
        tmp_path,
        topic_name,
        source("c", "`userId` INT, name STRING, `at` BIGINT, ts AS TO_TIMESTAMP_LTZ(`at`, 3), WATERMARK FOR ts AS ts"),
        "CREATE TABLE u (userid INT, `Name` STRING, name STRING, vt TIMESTAMP_LTZ(3) METADATA FROM 'timestamp', "
        "WATERMARK FOR vt AS TO_TIMESTAMP_LTZ(0, 3), PRIMARY KEY (userid) NOT ENFORCED) WITH ("
        "'connector' = 'upsert-kafka', 'topic' = '{topic}-users', 'properties.bootstrap.servers' = "
        "'${{BOOTSTRAP_SERVERS}}', 'key.format' = 'json', 'value.format' = 'json');\n",
        appended("o", "`userId` INT, userid INT, `Name` STRING, name STRING, `NAME` STRING"),
        "INSERT INTO o SELECT c.`userId`, u.userid, u.`Name`, u.name, c.name "
        "FROM c LEFT JOIN u FOR SYSTEM_TIME AS OF c.ts AS u ON c.`userId` = u.userid;\n",
    )

    to_end(kafka, path)

    found = values(kafka, f"{topic_name}-o")
    assert [(row["userId"], row["NAME"]) for row in found] == [(7, "z")]


def test_late_rows_have_the_names_of_the_file(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    minutes = MINUTES.replace("TABLE clicks", "TABLE v").replace("COUNT(*)", "COUNT(`Who`)")
    path = script(tmp_path, topic_name, "CREATE VIEW v AS SELECT ip AS `Who`, ts FROM clicks;\n", minutes)
    engine = engine_of(kafka, path, late_topic=f"{topic_name}-late")
    with at_work(engine) as work:
        produce(kafka, topic_name, [click(0), click(600), click(1, ip="late")])
        work.until(lambda: engine.totals()["late"] == 1, "the late row", 60)
        work.until(lambda: values(kafka, f"{topic_name}-late"), "its record", 60)

    (row,) = values(kafka, f"{topic_name}-late")
    assert row["Who"] == "late"
    assert not [name for name in row if ":" in name]


def test_a_null_in_a_key_is_told_by_the_names_of_the_target(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [click(1, ip=None)])
    path = script(
        tmp_path,
        topic_name,
        upsert("o", "`Who` STRING, n INT", "`Who`"),
        "INSERT INTO o SELECT UPPER(ip), status FROM clicks;\n",
    )

    with pytest.raises(ClickstreamError) as refused:
        to_end(kafka, path)

    assert 'Who of o must not be NULL: {"Who": null, "n": 200}' in str(refused.value)
    assert "EXPR" not in str(refused.value)
    assert "$p" not in str(refused.value)


@pytest.mark.parametrize("fields", ["id", "k, id"])
def test_a_raw_key_may_be_read_or_not(kafka: str, topic_name: str, tmp_path: Path, fields: str) -> None:
    make_topic(kafka, topic_name, 1)
    put(kafka, topic_name, (b"a", b'{"id":1}'), (None, b'{"id":2}'))
    options = {
        "key.format": "raw",
        "key.fields": "k",
        "value.format": "json",
        "value.fields-include": "EXCEPT_KEY",
    }
    path = script(
        tmp_path,
        topic_name,
        source("s", "k STRING, id INT", **options).replace("'format' = 'json', ", ""),
        appended("o", "k STRING, id INT"),
        f"INSERT INTO o ({fields}) SELECT {fields} FROM s;\n",
    )

    to_end(kafka, path)

    keys = ["a", None] if "k" in fields else [None, None]
    assert values(kafka, f"{topic_name}-o") == [{"k": keys[0], "id": 1}, {"k": keys[1], "id": 2}]


def test_json_in_json_is_a_text_that_json_value_reaches_into(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [b'{"page":{"path":"/a", "geo":{"city":"Rome"}},"tags":["x","y"]}'])
    path = script(
        tmp_path,
        topic_name,
        source("s", "page STRING, tags STRING"),
        appended("o", "page STRING, tags STRING, city STRING, tag STRING"),
        "INSERT INTO o SELECT page, tags, JSON_VALUE(page, '$.geo.city'), JSON_VALUE(tags, '$[0]') FROM s;\n",
    )

    to_end(kafka, path)

    page = '{"path":"/a","geo":{"city":"Rome"}}'
    assert values(kafka, f"{topic_name}-o") == [{"page": page, "tags": '["x","y"]', "city": "Rome", "tag": "x"}]


def test_of_equal_times_the_last_row_of_a_window_holds(kafka: str, topic_name: str, tmp_path: Path) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [click(1, ip=ip) for ip in ("first", "second", "third")])
    path = script(
        tmp_path,
        topic_name,
        appended("o", "ip STRING"),
        "INSERT INTO o SELECT ip FROM (SELECT ip, ROW_NUMBER() OVER (PARTITION BY window_start, window_end "
        "ORDER BY ts DESC) AS n FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) WHERE n = 1;\n",
    )

    to_end(kafka, path)

    assert values(kafka, f"{topic_name}-o") == [{"ip": "third"}]
