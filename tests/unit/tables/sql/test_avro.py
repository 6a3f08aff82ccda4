"""Tables of Avro: which options they have, and what is refused."""

import json

import pytest

from clickstream.tables.sql.avro import schema_of
from clickstream.tables.sql.check import check
from clickstream.tables.sql.model import Table
from clickstream.tables.sql.onflink import troubles
from clickstream.tables.sql.options import AvroOptions
from tests.unit.tables.sql.support import problems

BEGIN = "'topic' = 't', 'properties.bootstrap.servers' = 'x'"
URL = "http://registry:8081"


def table(options: str, columns: str = "a INT, k STRING") -> Table:
    found = check(f"CREATE TABLE t ({columns}) WITH ({BEGIN}, {options});")
    assert not found.problems, found.render()
    return found.program.tables["t"]


def test_the_format_of_values_in_each_way_to_write_it() -> None:
    expected = AvroOptions(URL, "t-value", None)
    plain = table(f"'connector' = 'kafka', 'format' = 'avro-confluent', 'avro-confluent.url' = '{URL}'")
    valued = table(f"'connector' = 'kafka', 'value.format' = 'avro-confluent', 'value.avro-confluent.url' = '{URL}'")
    upsert = table(
        f"'connector' = 'upsert-kafka', 'key.format' = 'json', 'value.format' = 'avro-confluent', "
        f"'value.avro-confluent.url' = '{URL}', 'value.avro-confluent.subject' = 's', "
        "'value.avro-confluent.basic-auth.credentials-source' = 'USER_INFO', "
        "'value.avro-confluent.basic-auth.user-info' = 'ann:pw', "
        "'value.avro-confluent.ssl.truststore.location' = 'ca.pem'",
        "a INT, k STRING, PRIMARY KEY (k) NOT ENFORCED",
    )
    assert [plain.avro(), valued.avro()] == [expected, expected]
    assert upsert.avro() == AvroOptions(URL, "s", "ann:pw", "ca.pem")
    assert [one.avro("key") for one in (plain, valued, upsert)] == [None] * 3


def test_keys_have_a_registry_of_their_own() -> None:
    found = table(
        "'connector' = 'kafka', 'format' = 'json', 'key.fields' = 'k', 'key.format' = 'avro-confluent', "
        f"'key.avro-confluent.url' = '{URL}'"
    )
    assert (found.avro(), found.avro("key")) == (None, AvroOptions(URL, "t-key", None))


@pytest.mark.parametrize(
    ("marked", "message", "hint"),
    [
        (
            f"CREATE TABLE [[t]] (a INT) WITH ({BEGIN}, 'connector' = 'kafka', 'format' = 'avro-confluent');",
            "The option avro-confluent.url is missing.",
            "'avro-confluent.url' = '...'",
        ),
        (
            f"CREATE TABLE t (a INT) WITH ({BEGIN}, 'connector' = 'kafka', 'format' = [['avro']]);",
            "format cannot be 'avro'.",
            "json, avro-confluent",
        ),
        (
            f"CREATE TABLE t (a INT) WITH ({BEGIN}, 'connector' = 'kafka', 'format' = 'avro-confluent', "
            "'avro-confluent.url' = [['localhost:8081']]);",
            "avro-confluent.url cannot be 'localhost:8081'.",
            "http://",
        ),
        (
            f"CREATE TABLE t (seen TIMESTAMP_LTZ(3)) WITH ({BEGIN}, 'connector' = 'kafka', "
            f"'format' = 'avro-confluent', 'avro-confluent.url' = '{URL}');\n"
            "INSERT INTO [[t]] SELECT 1 AS a FROM clicks;",
            "t: seen is TIMESTAMP_LTZ(3), which avro-confluent does not have.",
            "TIMESTAMP(3)",
        ),
        (
            f"CREATE TABLE t (`a-b` INT) WITH ({BEGIN}, 'connector' = 'kafka', 'format' = 'avro-confluent', "
            f"'avro-confluent.url' = '{URL}');\nINSERT INTO [[t]] SELECT 1 AS a FROM clicks;",
            "t: a-b cannot be a field's name in Avro.",
            "letters, digits and _",
        ),
    ],
)
def test_refusals(marked: str, message: str, hint: str) -> None:
    ((said, instead),) = problems(marked)
    assert said == message
    assert hint in instead


def test_flink_has_no_zone_in_avro() -> None:
    def found(kind: str) -> list[str]:
        sql = (
            f"CREATE TABLE t (a {kind}) WITH ({BEGIN}, 'connector' = 'kafka', 'format' = 'avro-confluent', "
            f"'avro-confluent.url' = '{URL}');"
        )
        return [one.words for one in troubles(check(sql))]

    assert found("TIMESTAMP(3)") == []
    assert found("TIMESTAMP_LTZ(3)") == ["t: a is TIMESTAMP_LTZ(3), which avro-confluent does not have"]


VALUE = "'connector' = 'upsert-kafka', 'key.format' = 'json', 'value.format' = 'avro-confluent', "


def test_the_schema_is_the_one_that_flink_derives() -> None:
    """tests/integration/test_avro_on_flink.py compares such schemas with those that Flink registers."""
    columns = (
        "k STRING, yes BOOLEAN, small INT, big BIGINT, size DOUBLE NOT NULL, at_ TIMESTAMP(3), `day` DATE, "
        "sent TIMESTAMP_LTZ(3) METADATA FROM 'timestamp', PRIMARY KEY (k) NOT ENFORCED"
    )
    found = table(
        "'connector' = 'upsert-kafka', 'key.format' = 'avro-confluent', 'value.format' = 'avro-confluent', "
        f"'key.avro-confluent.url' = '{URL}', 'value.avro-confluent.url' = '{URL}'",
        columns,
    )
    assert schema_of(found, "value") == (
        '{"type":"record","name":"record","namespace":"org.apache.flink.avro.generated","fields":['
        '{"name":"k","type":"string"},'
        '{"name":"yes","type":["null","boolean"],"default":null},'
        '{"name":"small","type":["null","int"],"default":null},'
        '{"name":"big","type":["null","long"],"default":null},'
        '{"name":"size","type":"double"},'
        '{"name":"at_","type":["null",{"type":"long","logicalType":"timestamp-millis"}],"default":null},'
        '{"name":"day","type":["null",{"type":"int","logicalType":"date"}],"default":null}]}'
    )
    assert schema_of(found, "key") == (
        '{"type":"record","name":"record","namespace":"org.apache.flink.avro.generated","fields":['
        '{"name":"k","type":"string"}]}'
    )


def test_what_the_key_has_is_left_out_of_the_value_where_the_table_says_so() -> None:
    found = table(
        f"{VALUE} 'value.avro-confluent.url' = '{URL}', 'key.fields-prefix' = 'k_', "
        "'value.fields-include' = 'EXCEPT_KEY'",
        "k_a STRING, n INT, PRIMARY KEY (k_a) NOT ENFORCED",
    )
    assert [one["name"] for one in json.loads(schema_of(found, "value"))["fields"]] == ["n"]
    assert [one["name"] for one in json.loads(schema_of(found, "key"))["fields"]] == ["a"]
