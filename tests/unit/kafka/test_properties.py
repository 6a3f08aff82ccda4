import ctypes
from pathlib import Path

import confluent_kafka
import pytest
from confluent_kafka import KafkaException, Producer

from clickstream.errors import ConfigError
from clickstream.kafka import properties

# --- names


def refusal(given: dict[str, str]) -> str:
    """What the client says to `given`. It is made to refuse log_level at the latest, so that no client starts."""
    with pytest.raises((KafkaException, TypeError, ValueError)) as error:
        Producer({**given, "log_level": "not a number"})
    return str(error.value)


@pytest.mark.parametrize("name", sorted(properties.KNOWN))
def test_the_installed_client_knows_every_name(name: str) -> None:
    assert "No such configuration property" not in refusal({name: "\x01"})


def test_the_installed_client_refuses_another_name() -> None:
    assert 'No such configuration property: "sasl.user"' in refusal({"sasl.user": "x"})


def test_the_names_are_all_that_the_installed_client_lists(tmp_path: Path) -> None:
    bundled = list(Path(confluent_kafka.__file__).parent.parent.glob("confluent_kafka.libs/librdkafka*.so*"))
    if not bundled:
        pytest.skip("this build of confluent-kafka has no librdkafka of its own to ask")
    library, libc = ctypes.CDLL(str(bundled[0])), ctypes.CDLL(None)
    libc.fopen.restype = ctypes.c_void_p
    file = ctypes.c_void_p(libc.fopen(str(tmp_path / "table").encode(), b"w"))
    library.rd_kafka_conf_properties_show(file)
    libc.fclose(file)
    rows = [
        [cell.strip() for cell in line.split("|")]
        for line in (tmp_path / "table").read_text().splitlines()
        if line.count("|") >= 5 and "see dedicated API" not in line
    ]
    listed = {(name, kind) for name, kind, *_ in rows if kind in ("P", "C", "*")}

    def kind(name: str) -> str:
        return "P" if name in properties.PRODUCER_ONLY else "C" if name in properties.CONSUMER_ONLY else "*"

    mock = {"test.mock.num.brokers", "test.mock.broker.rtt"}
    assert {(name, kind(name)) for name in properties.KNOWN - mock} == listed


def test_check_passes_known_names() -> None:
    properties.check({"linger.ms": "5", "ssl.key.pem": "", "test.mock.num.brokers": "1"}, "-X")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("linger.mss", "Did you mean linger.ms?"),
        ("colour", "CONFIGURATION.md"),
        ("sasl.jaas.config", "--kafka-config"),
        ("ssl.truststore.location", "--kafka-config"),
        ("error_cb", "CONFIGURATION.md"),
    ],
)
def test_check_names_what_is_unknown_where_it_came_from_and_the_way_out(name: str, hint: str) -> None:
    with pytest.raises(ConfigError) as error:
        properties.check({"linger.ms": "5", name: "hunter2"}, "[kafka] of my.toml")
    assert f"Unknown Kafka property {name} in [kafka] of my.toml. " in str(error.value)
    assert hint in str(error.value)
    assert "hunter2" not in str(error.value)


# --- the environment


@pytest.mark.parametrize(
    ("variable", "value", "found"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092", {"bootstrap.servers": "kafka:9092"}),
        ("KAFKA_SASL_USERNAME", "me", {"sasl.username": "me"}),
        ("KAFKA_ENABLE_SSL_CERTIFICATE_VERIFICATION", "false", {"enable.ssl.certificate.verification": "false"}),
        pytest.param("KAFKA_SASL_PASSWORD", "", {}, id="empty is not set"),
        pytest.param("KAFKA_PORT", "tcp://10.0.0.1:9092", {}, id="kubernetes service"),
        pytest.param("KAFKA_SERVICE_HOST", "10.0.0.1", {}, id="kubernetes service host"),
        pytest.param("KAFKA_PORT_9092_TCP_ADDR", "10.0.0.1", {}, id="kubernetes service port"),
        pytest.param("KAFKA_DEBUG", "y", {}, id="switch of Kafka's scripts"),
        pytest.param("KAFKA_LOG_LEVEL", "INFO", {}, id="switch of images"),
        pytest.param("KAFKA_HEAP_OPTS", "-Xmx1g", {}, id="the broker's"),
        pytest.param("KAFKA_ERROR_CB", "x", {}, id="a callback is no text"),
        pytest.param("kafka_acks", "all", {}, id="upper case only"),
        pytest.param("BOOTSTRAP_SERVERS", "kafka:9092", {}, id="without the prefix"),
    ],
)
def test_from_environment(variable: str, value: str, found: dict[str, str]) -> None:
    assert properties.from_environment({"PATH": "/bin", variable: value}) == found


def test_no_two_names_share_a_variable() -> None:
    names = {name for name in properties.KNOWN if name not in ("debug", "log_level")}
    variables = {"KAFKA_" + name.upper().replace(".", "_"): "x" for name in names}
    assert properties.from_environment(variables).keys() == names


# --- secrets


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


# --- Java client files

PROVIDERS = {
    "Confluent Cloud": (
        r"""
    # Required connection configs for Kafka producer, consumer, and admin
    bootstrap.servers=pkc-1.eu-central-1.aws.confluent.cloud:9092
    security.protocol=SASL_SSL
    sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username='ID' password='hunter2=';
    sasl.mechanism=PLAIN
    # Required for correctness in Apache Kafka clients prior to 2.6
    client.dns.lookup=use_all_dns_ips
    # Best practice for higher availability in Apache Kafka clients prior to 3.0
    session.timeout.ms=45000
    # Best practice for Kafka producer to prevent data loss
    acks=all
    client.id=ccloud-java-client-1
    # Required connection configs for Confluent Cloud Schema Registry
    schema.registry.url=https://psrc-1.confluent.cloud
    basic.auth.credentials.source=USER_INFO
    basic.auth.user.info=SRKEY:hunter2
    """,
        {
            "bootstrap.servers": "pkc-1.eu-central-1.aws.confluent.cloud:9092",
            "security.protocol": "SASL_SSL",
            "sasl.username": "ID",
            "sasl.password": "hunter2=",
            "sasl.mechanism": "PLAIN",
            "client.dns.lookup": "use_all_dns_ips",
            "session.timeout.ms": "45000",
            "acks": "all",
            "client.id": "ccloud-java-client-1",
        },
        ["schema.registry.url", "basic.auth.credentials.source", "basic.auth.user.info"],
    ),
    "Confluent Cloud, OAuth": (
        r"""
    security.protocol=SASL_SSL
    sasl.mechanism=OAUTHBEARER
    sasl.oauthbearer.token.endpoint.url=https://idp.example/token
    sasl.login.callback.handler.class=org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerLoginCallbackHandler
    sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \
        clientId='me' clientSecret='hunter2' scope='kafka' extension_logicalCluster='lkc-1' \
        extension_identityPoolId='pool-1';
    """,
        {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "OAUTHBEARER",
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.token.endpoint.url": "https://idp.example/token",
            "sasl.oauthbearer.client.id": "me",
            "sasl.oauthbearer.client.secret": "hunter2",
            "sasl.oauthbearer.scope": "kafka",
            "sasl.oauthbearer.extensions": "logicalCluster=lkc-1,identityPoolId=pool-1",
        },
        ["sasl.login.callback.handler.class"],
    ),
    "Amazon MSK, SCRAM": (
        r"""
    security.protocol=SASL_SSL
    sasl.mechanism=SCRAM-SHA-512
    ssl.truststore.location=/tmp/kafka.client.truststore.jks
    sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \
      username="me" \
      password="hunter2\\\"\\\\";
    """,
        {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": "me",
            # Two layers of escapes: the file's, then the login entry's.
            "sasl.password": 'hunter2"\\',
        },
        ["ssl.truststore.location"],
    ),
    "Azure Event Hubs": (
        r"""
    bootstrap.servers=ns.servicebus.windows.net:9093
    request.timeout.ms=60000
    security.protocol=SASL_SSL
    sasl.mechanism=PLAIN
    sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username="$ConnectionString" password="Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=hunter2=";
    """,
        {
            "bootstrap.servers": "ns.servicebus.windows.net:9093",
            "request.timeout.ms": "60000",
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "$ConnectionString",
            "sasl.password": "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=hunter2=",
        },
        [],
    ),
    "Aiven": (
        r"""
    security.protocol=SSL
    ssl.endpoint.identification.algorithm=
    ssl.truststore.location=client.truststore.jks
    ssl.truststore.password=hunter2
    ssl.keystore.type=PKCS12
    ssl.keystore.location=client.keystore.p12
    ssl.keystore.password=hunter2
    ssl.key.password=hunter2
    key.serializer=org.apache.kafka.common.serialization.StringSerializer
    """,
        {
            "security.protocol": "SSL",
            "ssl.endpoint.identification.algorithm": "none",
            "ssl.keystore.location": "client.keystore.p12",
            "ssl.keystore.password": "hunter2",
            "ssl.key.password": "hunter2",
        },
        ["ssl.truststore.location", "ssl.truststore.password", "key.serializer"],
    ),
    "Redpanda": (
        r"""
    bootstrap.servers: seed-1.redpanda.cloud:9092
    security.protocol: SASL_SSL
    sasl.mechanism: SCRAM-SHA-256
    sasl.jaas.config: org.apache.kafka.common.security.scram.ScramLoginModule required username="me" password="hunter2";
    """,
        {
            "bootstrap.servers": "seed-1.redpanda.cloud:9092",
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-256",
            "sasl.username": "me",
            "sasl.password": "hunter2",
        },
        [],
    ),
}


@pytest.mark.parametrize(("text", "expected", "passed_over"), PROVIDERS.values(), ids=PROVIDERS)
def test_providers_files(text: str, expected: dict[str, str], passed_over: list[str]) -> None:
    read = properties.from_java(text, "client.properties")
    found, notes = read.found, read.notes

    assert found == expected
    assert [note.split()[1] for note in notes] == passed_over
    for note in notes:
        assert note.startswith("client.properties: ")
        assert "\n" not in note
        assert "hunter2" not in note
    assert "log_level" in refusal(found), "the client refused a translated property"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param("ssl.truststore.type=PEM\nssl.truststore.location=ca", {"ssl.ca.location": "ca"}, id="PEM trust"),
        pytest.param("ssl.truststore.location=ca.pem", {"ssl.ca.location": "ca.pem"}, id="PEM trust by its name"),
        pytest.param("ssl.truststore.certificates=-----BEGIN", {"ssl.ca.pem": "-----BEGIN"}, id="PEM trust inside"),
        pytest.param("ssl.truststore.type=PKCS12\nssl.truststore.location=ca.p12", {}, id="PKCS12 trust"),
        pytest.param(
            "ssl.keystore.type=PEM\nssl.keystore.location=me.pem\nssl.key.password=x",
            {"ssl.certificate.location": "me.pem", "ssl.key.location": "me.pem", "ssl.key.password": "x"},
            id="PEM keys",
        ),
        pytest.param(
            "ssl.keystore.key=K\nssl.keystore.certificate.chain=C",
            {"ssl.key.pem": "K", "ssl.certificate.pem": "C"},
            id="PEM keys inside",
        ),
        pytest.param(
            "ssl.keystore.location=me.p12\nssl.keystore.password=x",
            {"ssl.keystore.location": "me.p12", "ssl.keystore.password": "x"},
            id="PKCS12 keys by the file's name",
        ),
        pytest.param("ssl.keystore.location=me.jks\nssl.keystore.password=x", {}, id="JKS keys"),
        pytest.param("auto.offset.reset=none", {"auto.offset.reset": "error"}, id="value renamed"),
        pytest.param("fetch.max.wait.ms=5", {"fetch.wait.max.ms": "5"}, id="name renamed"),
        pytest.param("receive.buffer.bytes=-1", {"socket.receive.buffer.bytes": "0"}, id="both renamed"),
        pytest.param(
            "partition.assignment.strategy=org.apache.kafka.RangeAssignor, a.CooperativeStickyAssignor",
            {"partition.assignment.strategy": "range,cooperative-sticky"},
            id="assignors",
        ),
        pytest.param("partition.assignment.strategy=org.apache.kafka.clients.consumer.StickyAssignor", {}, id="sticky"),
        pytest.param("ssl.cipher.suites=TLS_AES_128_GCM_SHA256", {}, id="ciphers"),
        pytest.param("linger.ms=5 \t ", {"linger.ms": "5"}, id="values are trimmed"),
        pytest.param("sasl.mechanisms=PLAIN\nsasl.username=me", {"sasl.mechanisms": "PLAIN", "sasl.username": "me"}),
    ],
)
def test_from_java(lines: str, expected: dict[str, str]) -> None:
    read = properties.from_java(lines, "client.properties")
    found, notes = read.found, read.notes
    assert found == expected
    assert found or notes


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("key.serializer=org.apache.kafka.common.serialization.StringSerializer", "a class of the Java client"),
        ("value.deserializer=x", "a class of the Java client"),
        ("partitioner.class=x", "a class of the Java client"),
        ("interceptor.classes=x", "a class of the Java client"),
        ("default.api.timeout.ms=300000", "a setting of the Java client"),
        ("ssl.enabled.protocols=TLSv1.3", "a setting of the Java client"),
        ("schema.registry.url=http://me:hunter2@localhost:8081", "for a schema registry"),
        ("basic.auth.user.info=me:hunter2", "for a schema registry"),
        ("sasl.usrname=hunter2", "unknown to librdkafka, did you mean sasl.username?"),
        ("spring.profile=hunter2", "unknown to librdkafka"),
    ],
)
def test_what_is_ignored_is_said_in_one_line(line: str, reason: str) -> None:
    read = properties.from_java(line, "client.properties")
    found, notes = read.found, read.notes
    assert found == {}
    assert notes == [f"client.properties: {line.partition('=')[0]} ignored ({reason})."]


def test_options_of_a_login_that_librdkafka_lacks_are_passed_over() -> None:
    text = 'sasl.jaas.config=a.ScramLoginModule required username="me" password="x" tokenauth="true";'
    read = properties.from_java(text, "client.properties")
    found, notes = read.found, read.notes
    assert found == {"sasl.username": "me", "sasl.password": "x"}
    assert notes == ["client.properties: option tokenauth of sasl.jaas.config ignored."]


def test_a_stray_line_of_a_login_is_not_shown() -> None:
    notes = properties.from_java("bootstrap.servers=a:1\nHunter2/+==\n", "client.properties").notes
    assert len(notes) == 1
    assert "Hunter2" not in notes[0]


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        pytest.param(
            "security.protocol=SASL_SSL\nsasl.mechanism=AWS_MSK_IAM\n"
            "sasl.jaas.config=software.amazon.msk.auth.iam.IAMLoginModule required;\n"
            "sasl.client.callback.handler.class=software.amazon.msk.auth.iam.IAMClientCallbackHandler",
            "SCRAM-SHA-512",
            id="Amazon MSK, IAM",
        ),
        pytest.param("sasl.mechanism=AWS_MSK_IAM", "SCRAM-SHA-512", id="IAM mechanism"),
        pytest.param(
            "sasl.jaas.config=software.amazon.msk.auth.iam.IAMLoginModule required;", "SCRAM-SHA-512", id="IAM module"
        ),
        pytest.param(
            'sasl.jaas.config=com.sun.security.auth.module.Krb5LoginModule required keyTab="x";',
            "PlainLoginModule, ScramLoginModule, OAuthBearerLoginModule",
            id="Kerberos",
        ),
        pytest.param("sasl.jaas.config=hunter2", "PlainLoginModule required", id="malformed"),
    ],
)
def test_a_login_that_cannot_work_stops_with_the_remedy(text: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as error:
        properties.from_java(text, "client.properties")
    assert str(error.value).startswith("client.properties: ")
    assert remedy in str(error.value)
    assert "hunter2" not in str(error.value)


def test_every_property_knows_its_line() -> None:
    text = "# mine\nlinger.ms=5\nsasl.jaas.config=a.PlainLoginModule required \\\n username='me' password='x';\n"
    read = properties.from_java(text, "client.properties")
    assert read.lines == {"linger.ms": 2, "sasl.username": 4, "sasl.password": 4}


# --- what was typed wrongly


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sasl.password:hunter2", "sasl.password has no value; write -X sasl.password=VALUE."),
        ("sasl.password hunter2", "sasl.password has no value; write -X sasl.password=VALUE."),
        ("sasl.password: hunter.2", "sasl.password has no value; write -X sasl.password=VALUE."),
        ("linger.ms", "linger.ms has no value; write -X linger.ms=VALUE."),
        ("hunter2", "write -X KEY=VALUE; what was given is not shown, it may be a secret."),
        ("password:hunter2", "write -X KEY=VALUE; what was given is not shown, it may be a secret."),
    ],
)
def test_a_value_without_its_sign_is_not_shown(text: str, said: str) -> None:
    assert properties.without_value(text) == said


@pytest.mark.parametrize("name", ["sasl.password:hunter2", "sasl.password hunter2", "hunter2+/", "sasl.password "])
def test_a_name_that_may_hold_a_secret_is_not_shown(name: str) -> None:
    with pytest.raises(ConfigError, match=r"^Unknown Kafka property in -X\. ") as error:
        properties.check([name], "-X")
    assert "hunter2" not in str(error.value)
