"""Names of librdkafka's properties, and translation into them: from Java client files and from KAFKA_* variables.

An unknown name stops us where it was written for us (`check`). In files written for Java, and among environment
variables, which others set too, it is ignored.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import PurePath

from clickstream.errors import ConfigError
from clickstream.kafka.java import parse_login, parse_properties
from clickstream.spelling import nearest


def _load() -> dict[str, str]:
    text = resources.files(__package__).joinpath("librdkafka-properties.txt").read_text("utf-8")
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return {name: kind for name, _, kind in (line.partition(" ") for line in lines)}


_CLASSES = _load()
KNOWN = frozenset(_CLASSES)
PRODUCER_ONLY = frozenset(name for name, kind in _CLASSES.items() if kind == "P")
CONSUMER_ONLY = frozenset(name for name, kind in _CLASSES.items() if kind == "C")

HIDDEN = "[hidden]"


def check(names: Iterable[str], source: str) -> None:
    """Raises ConfigError for the first name that librdkafka does not know; values are the client's to judge."""
    for name in names:
        if name in KNOWN:
            continue
        if name == "sasl.jaas.config" or name in _TRANSLATED or name in _RENAMED:
            hint = "It is a Java client's property: put it in a file and give that with --kafka-config."
        elif near := nearest(name, KNOWN):
            hint = f"Did you mean {near}?"
        else:
            hint = "The names are those of librdkafka's CONFIGURATION.md."
        raise ConfigError(f"Unknown Kafka property{f' {name}' if looks_like_name(name) else ''} in {source}. {hint}")


def looks_like_name(text: str) -> bool:
    """Whether a key that is no property may be shown: others may hold a secret, as in `sasl.password:SECRET`."""
    return bool(re.fullmatch(r"[A-Za-z_-]+([._][A-Za-z_-]+)*", text))


def without_value(text: str) -> str:
    """What to say to KEY=VALUE that has no `=`, or no name before it, without showing what may be a secret."""
    name = re.split(r"[^a-z0-9._]", text.strip(), maxsplit=1)[0].rstrip(".")
    if name in KNOWN:
        return f"{name} has no value; write -X {name}=VALUE."
    return "write -X KEY=VALUE; what was given is not shown, it may be a secret."


_WHOLE = re.compile(r"\s*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)", re.ASCII)


def whole_number(value: object) -> int:
    """A property's value as the client reads it, by C's strtol: 0x10 and 020 are 16, and what follows is ignored.

    Raises ValueError for what does not begin with a number.
    """
    found = _WHOLE.match(str(value))
    if found is None:
        raise ValueError("a whole number is expected")
    sign, digits = found.groups()
    base = 10 if digits[0] != "0" else 16 if digits[1:2] in ("x", "X") else 8
    return int(sign + digits, base)


# --- the environment

# Kafka's own start scripts read KAFKA_DEBUG as a switch, and images commonly set KAFKA_LOG_LEVEL to a word.
_NOT_FROM_ENVIRONMENT = {"debug", "log_level"}


def variable_of(name: str) -> str:
    """The variable of a property: sasl.username is KAFKA_SASL_USERNAME."""
    return "KAFKA_" + name.upper().replace(".", "_")


_BY_VARIABLE = {variable_of(name): name for name in sorted(KNOWN - _NOT_FROM_ENVIRONMENT)}


def from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """KAFKA_SASL_USERNAME as sasl.username, and so on; other KAFKA_* variables and empty ones are ignored.

    Kubernetes sets KAFKA_PORT, KAFKA_SERVICE_HOST and the like for any service named kafka; Compose hands on a
    variable that is not set as an empty one.
    """
    known = environ.keys() & _BY_VARIABLE.keys()
    return {_BY_VARIABLE[variable]: environ[variable] for variable in sorted(known) if environ[variable]}


# --- secrets

_SECRET = re.compile(
    r"password|passphrase|secret|jaas|user\.info|key\.pem|keystore\.key|oauthbearer\.config|auth\.token", re.IGNORECASE
)
_URL_LOGIN = re.compile(r"://\S*@")  # up to the last @, for a password with @ or / in it
# As libpq has it, in a list of words or behind the ? of a URL: password=..., password = '...', sslpassword=...
_PASSWORD = re.compile(r"(password\s*=\s*)('(?:\\.|[^'\\])*'?|(?:\\.|\S)+)", re.IGNORECASE | re.DOTALL)


def redact(properties: Mapping[str, str]) -> dict[str, str]:
    """The properties, or settings, fit to be shown: secrets, and the logins inside addresses, are "[hidden]".

    So are the values of `*.set`: what ${NAME} stands for in a file may be a password. Empty ones stay empty.
    """
    return {name: _redacted(name, value) for name, value in properties.items()}


def _redacted(name: str, value: str) -> str:
    if name.endswith(".set") and "=" in value:
        return f"{value.partition('=')[0]}={HIDDEN}"
    if value and (_SECRET.search(name) or name.endswith(".set")):
        return HIDDEN
    return _without_logins(value)


def _without_logins(text: str) -> str:
    return _PASSWORD.sub(rf"\1{HIDDEN}", _URL_LOGIN.sub(f"://{HIDDEN}@", text))


def without_secrets(text: str, given: Mapping[str, str]) -> str:
    """`text` with "[hidden]" in the place of the secrets among the properties `given`, and of logins in addresses."""
    secrets = [value for name, value in given.items() if _SECRET.search(name)]
    secrets += [" ".join(one.split()) for one in secrets]  # an error may be told in one line
    for secret in sorted(filter(None, secrets), key=len, reverse=True):  # one may begin as another one does
        text = text.replace(secret, HIDDEN)
    return _without_logins(text)


# --- Java client files

# What a Java key becomes: properties of librdkafka, or the reason why it is ignored.
_Translation = dict[str, str] | str
_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+")

# Same meaning, another name.
_RENAMED = {
    "fetch.max.wait.ms": "fetch.wait.max.ms",
    "max.request.size": "message.max.bytes",
    "send.buffer.bytes": "socket.send.buffer.bytes",
    "receive.buffer.bytes": "socket.receive.buffer.bytes",
    "ssl.truststore.certificates": "ssl.ca.pem",
    "ssl.keystore.certificate.chain": "ssl.certificate.pem",
    "ssl.keystore.key": "ssl.key.pem",
}
# Same meaning, another value.
_VALUES = {
    ("ssl.endpoint.identification.algorithm", ""): "none",
    ("auto.offset.reset", "none"): "error",
    ("connections.max.idle.ms", "-1"): "0",
    ("send.buffer.bytes", "-1"): "0",
    ("receive.buffer.bytes", "-1"): "0",
}
_ASSIGNORS = {
    "RangeAssignor": "range",
    "RoundRobinAssignor": "roundrobin",
    "CooperativeStickyAssignor": "cooperative-sticky",
}
_IGNORED = (
    (r"(schema\.registry|basic\.auth|bearer\.auth)\..*", "for a schema registry"),
    (r"(key|value)\.(de)?serializer.*|.*\.class(es)?|metric\.reporters", "a class of the Java client"),
    (r"ssl\.(truststore|keystore)\..*", "of the Java trust or key store"),
    (
        r"(default\.api|sasl\.login|metrics|partitioner|security\.providers|confluent|exclude\.internal|auto\.include)"
        r"\..*|max\.block\.ms|buffer\.memory|metadata\.max\.idle\.ms|compression\..*\.level"
        r"|ssl\.(protocol|enabled\.protocols|provider|.*manager\.algorithm|secure\.random\..*)",
        "a setting of the Java client",
    ),
)

_LOGIN_OPTIONS = {
    "PlainLoginModule": {"username": "sasl.username", "password": "sasl.password"},
    "ScramLoginModule": {"username": "sasl.username", "password": "sasl.password"},
    "OAuthBearerLoginModule": {
        "clientId": "sasl.oauthbearer.client.id",
        "clientSecret": "sasl.oauthbearer.client.secret",
        "scope": "sasl.oauthbearer.scope",
    },
}
_NO_IAM = (
    "librdkafka cannot log in with AWS_MSK_IAM. Turn on SASL/SCRAM for the cluster and use "
    "security.protocol=SASL_SSL, sasl.mechanism=SCRAM-SHA-512 and a ScramLoginModule entry, or use TLS client keys."
)


@dataclass
class FromJava:
    """A Java client's file as librdkafka properties, the line of each, and one note for each key that is ignored."""

    found: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, properties: Mapping[str, str], line: int) -> None:
        """Add what the key at that line has become."""
        self.found.update(properties)
        self.lines.update(dict.fromkeys(properties, line))


def from_java(text: str, source: str) -> FromJava:
    """What a Java client's .properties file says.

    Made for the files that Confluent Cloud, Amazon MSK, Azure Event Hubs, Aiven and Redpanda hand out. Notes never
    show a value. Raises ConfigError for a malformed file and for a login that librdkafka does not have.
    """
    entries = parse_properties(text, source)
    # Kafka trims every value (org.apache.kafka.common.config.ConfigDef), Java's Properties do not.
    given = {name: entry.value.strip() for name, entry in entries.items()}
    if given.get("sasl.mechanism") == "AWS_MSK_IAM":
        raise ConfigError(f"{source}: {_NO_IAM}")
    read = FromJava()
    for name, value in given.items():
        line = entries[name].line
        if name == "sasl.jaas.config":
            login, options = _login(value, source)
            read.add(login, line)
            read.notes += [f"{source}: option {option} of {name} ignored." for option in options]
            continue
        translation = _translate(name, value, given)
        if isinstance(translation, str):
            # What is no property name may be a stray line of a login: not to be shown either.
            shown = name if _NAME.fullmatch(name) else "a key that is no property name"
            read.notes.append(f"{source}: {shown} ignored ({translation}).")
        else:
            read.add(translation, line)
    endpoint = "sasl.oauthbearer.token.endpoint.url"
    if endpoint in read.found and "sasl.oauthbearer.method" not in read.found:
        read.add({"sasl.oauthbearer.method": "oidc"}, read.lines[endpoint])  # Java names a callback class instead
    return read


def _translate(name: str, value: str, given: Mapping[str, str]) -> _Translation:
    if name in _TRANSLATED:
        return _TRANSLATED[name](given)
    value = _VALUES.get((name, value), value)
    if name in _RENAMED:
        return {_RENAMED[name]: value}
    if name in KNOWN:
        return {name: value}
    for pattern, reason in _IGNORED:
        if re.fullmatch(pattern, name):
            return reason
    near = nearest(name, KNOWN)
    return "unknown to librdkafka" + (f", did you mean {near}?" if near else "")


def _login(entry: str, source: str) -> tuple[dict[str, str], list[str]]:
    """sasl.jaas.config as librdkafka properties, and the names of its options that have no counterpart."""
    module, options = parse_login(entry, source)
    if module == "IAMLoginModule":
        raise ConfigError(f"{source}: {_NO_IAM}")
    if module not in _LOGIN_OPTIONS:
        raise ConfigError(
            f"{source}: sasl.jaas.config names {module}, which librdkafka has no counterpart for. "
            f"Use one of {', '.join(_LOGIN_OPTIONS)}."
        )
    names = _LOGIN_OPTIONS[module]
    found: dict[str, str] = {}
    extensions, ignored = [], []
    for option, value in options.items():
        if option in names:
            found[names[option]] = value
        elif option.startswith("extension_"):
            extensions.append(f"{option.removeprefix('extension_')}={value}")
        else:
            ignored.append(option)
    if extensions:
        found["sasl.oauthbearer.extensions"] = ",".join(extensions)
    return found, ignored


def _store_type(given: Mapping[str, str], store: str) -> str:
    """PEM, PKCS12 or JKS: as declared, else by the file's name (Java's JKS reader takes PKCS12 files too)."""
    ending = PurePath(given.get(f"{store}.location", "")).suffix.lower()
    by_name = {".pem": "PEM", ".crt": "PEM", ".p12": "PKCS12", ".pfx": "PKCS12"}.get(ending, "JKS")
    return given.get(f"{store}.type", by_name).upper()


def _truststore(given: Mapping[str, str]) -> _Translation:
    if _store_type(given, "ssl.truststore") == "PEM":
        return {"ssl.ca.location": given["ssl.truststore.location"]}
    return (
        "librdkafka reads PEM, and the system's CAs by default; for a private CA run "
        "`keytool -list -rfc -keystore STORE > ca.pem` and set ssl.ca.location=ca.pem"
    )


def _keystore(given: Mapping[str, str]) -> _Translation:
    location = given["ssl.keystore.location"]
    match _store_type(given, "ssl.keystore"):
        case "PEM":  # one file holds the key and the certificates
            return {"ssl.certificate.location": location, "ssl.key.location": location}
        case "PKCS12":
            return {"ssl.keystore.location": location}
    return (
        "librdkafka reads PKCS12; run `keytool -importkeystore -srckeystore STORE -destkeystore client.p12 "
        "-deststoretype PKCS12` and set ssl.keystore.location=client.p12 with ssl.keystore.password"
    )


def _keystore_password(given: Mapping[str, str]) -> _Translation:
    if _store_type(given, "ssl.keystore") == "PKCS12":
        return {"ssl.keystore.password": given["ssl.keystore.password"]}
    return "it belongs to the key store, which is not used"


def _assignment(given: Mapping[str, str]) -> _Translation:
    classes = [name.strip().rpartition(".")[2] for name in given["partition.assignment.strategy"].split(",")]
    if set(classes) <= _ASSIGNORS.keys():
        return {"partition.assignment.strategy": ",".join(_ASSIGNORS[name] for name in classes)}
    return "librdkafka has range, roundrobin and cooperative-sticky only"


_TRANSLATED: dict[str, Callable[[Mapping[str, str]], _Translation]] = {
    "ssl.truststore.location": _truststore,
    "ssl.keystore.location": _keystore,
    "ssl.keystore.password": _keystore_password,
    # Read together with the location.
    "ssl.truststore.type": lambda _: {},
    "ssl.keystore.type": lambda _: {},
    "partition.assignment.strategy": _assignment,
    # The same names with other meanings: Java's cipher names, a path instead of a command.
    "ssl.cipher.suites": lambda _: "OpenSSL names ciphers otherwise than Java",
    "sasl.kerberos.kinit.cmd": lambda _: "librdkafka wants a whole command where Java wants a path",
}
