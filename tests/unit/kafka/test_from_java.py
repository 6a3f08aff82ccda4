"""Properties of Java clients, as providers hand them out, and what librdkafka has for each."""

import pytest

from clickstream.errors import ConfigError
from clickstream.kafka import properties
from tests.unit.kafka.refusals import refusal

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
