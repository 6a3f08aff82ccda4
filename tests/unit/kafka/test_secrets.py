"""What is a secret among properties and settings, and is not shown."""

import pytest

from clickstream.kafka import properties


@pytest.mark.parametrize(
    "name",
    [
        "sasl.password",
        "ssl.key.password",
        "ssl.key.pem",
        "ssl.keystore.password",
        "ssl.truststore.password",
        "ssl.keystore.key",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.client.credentials.client.secret",
        "sasl.oauthbearer.config",
        "sasl.oauthbearer.assertion.private.key.pem",
        "sasl.oauthbearer.assertion.private.key.passphrase",
        "sasl.jaas.config",
        "basic.auth.user.info",
        "my.PASSWORD.file",
    ],
)
def test_secrets_are_hidden(name: str) -> None:
    assert properties.redact({name: "hunter2"}) == {name: "[hidden]"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("https://me:hunter2@idp/token", "https://[hidden]@idp/token"),
        ("https://me:hunt/e@r2@idp/token", "https://[hidden]@idp/token"),
        ("https://idp/token", "https://idp/token"),
        ("SASL_SSL://a:9092,SASL_SSL://b:9092", "SASL_SSL://a:9092,SASL_SSL://b:9092"),
        ("me@example.com", "me@example.com"),
    ],
)
def test_logins_inside_urls_are_hidden(value: str, shown: str) -> None:
    assert properties.redact({"sasl.oauthbearer.token.endpoint.url": value}) == {
        "sasl.oauthbearer.token.endpoint.url": shown
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("host=db password=hunter2 user=me", "host=db password=[hidden] user=me"),
        (r"password = 'hun\'ter 2' user=me", "password = [hidden] user=me"),
        (r"password=hun\ ter2", "password=[hidden]"),
        ("password='never closed", "password=[hidden]"),
        ("sslpassword=hunter2", "sslpassword=[hidden]"),
        ("postgresql://db/shop?user=me&PASSWORD=hunter2", "postgresql://db/shop?user=me&PASSWORD=[hidden]"),
        ("postgresql://me:hunter2@db/shop", "postgresql://[hidden]@db/shop"),
        ("host=db user=me", "host=db user=me"),
    ],
)
def test_passwords_of_postgresql_are_hidden(value: str, shown: str) -> None:
    assert properties.redact({"sink-postgres.dsn": value}) == {"sink-postgres.dsn": shown}


@pytest.mark.parametrize(
    ("value", "shown"), [("PW=hunter 2=3", "PW=[hidden]"), ("hunter2", "[hidden]"), ("PW=", "PW=[hidden]"), ("", "")]
)
def test_what_variables_of_files_stand_for_is_hidden(value: str, shown: str) -> None:
    assert properties.redact({"tables-run.set": value}) == {"tables-run.set": shown}


def test_other_values_and_empty_secrets_are_shown() -> None:
    given = {"sasl.username": "me", "ssl.ca.location": "ca.pem", "ssl.certificate.pem": "x", "sasl.password": ""}
    assert properties.redact(given) == given


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Login of me with hunter2 failed.", "Login of me with [hidden] failed."),
        ("Key -----BEGIN KEY----- abc is bad.", "Key [hidden] is bad."),
        ("http://me:pw@idp/token does not answer.", "http://[hidden]@idp/token does not answer."),
        ("Nothing to hide.", "Nothing to hide."),
    ],
)
def test_a_text_is_told_without_secrets(text: str, shown: str) -> None:
    given = {"sasl.username": "me", "sasl.password": "hunter2", "ssl.key.pem": "-----BEGIN KEY-----\nabc"}
    assert properties.without_secrets(text, {**given, "ssl.key.password": ""}) == shown


@pytest.mark.parametrize("names", [("sasl.password", "ssl.key.password"), ("ssl.key.password", "sasl.password")])
def test_no_end_is_left_of_a_secret_that_begins_as_another_one(names: tuple[str, str]) -> None:
    given = dict(zip(names, ("abc", "abcdef"), strict=True))
    assert properties.without_secrets("abcdef and abc", given) == f"{properties.HIDDEN} and {properties.HIDDEN}"
