"""The text of a file that others may see."""

import pytest

from clickstream.tables.run import without_secrets

JAAS = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="hidden";'


@pytest.mark.parametrize(
    "option",
    [
        f"'properties.sasl.jaas.config' = '{JAAS}'",
        "'properties.ssl.key.password'='hid''hidden'",
        "'properties.SSL.KeyStore.Key' =\n  'hidden'",
        "'properties.sasl.oauthbearer.client.secret' = 'hidden'",
        "'value.avro-confluent.basic-auth.user-info' = 'ann:hidden'",
    ],
)
def test_secrets_are_left_out(option: str) -> None:
    shown = without_secrets(f"CREATE TABLE a (b INT) WITH ('topic' = 't', {option}, 'format' = 'json');")
    assert "hidden" not in shown
    assert "'***', 'format' = 'json');" in shown
    assert "'topic' = 't'" in shown


def test_logins_are_left_out_of_urls() -> None:
    options = "'avro-confluent.url'='http://ann:h@idden@host:8081','topic'='a@b'"
    assert without_secrets(options) == "'avro-confluent.url'='http://***@host:8081','topic'='a@b'"


@pytest.mark.parametrize("text", ["SELECT 'password' FROM t WHERE a = 'b';", "'key.format' = 'json'", "-- a 'secret'"])
def test_all_else_stays(text: str) -> None:
    assert without_secrets(text) == text
