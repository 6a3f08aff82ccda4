import os
from collections.abc import Mapping

import pytest

from clickstream.errors import ConfigError
from clickstream.kafka import given, properties
from clickstream.kafka.clients import CONSUMER_DEFAULTS, CONSUMER_FIXED, PRODUCER_DEFAULTS, PRODUCER_FIXED
from clickstream.kafka.given import ALIASES, OWNED, Property, Sections
from tests.unit.kafka.refusals import refusal


def of(found: Mapping[str, str], source: str = "-X", section: str = "kafka") -> Sections:
    sections = given.nothing()
    given.add(sections, section, {name: Property(text, source) for name, text in found.items()})
    return sections


def problem(found: Mapping[str, str], section: str = "kafka") -> str:
    with pytest.raises(ConfigError) as error:
        given.check(of(found, "somewhere", section))
    return str(error.value)


def test_every_property_keeps_its_place_and_the_later_one_wins() -> None:
    sections = of({"client.id": "a", "sasl.username": "me"}, "a file")
    given.add(sections, "kafka", {"client.id": Property("b", "-X")})
    assert given.texts(sections["kafka"]) == {"client.id": "b", "sasl.username": "me"}
    assert given.sources(sections) == {"client.id": "-X", "sasl.username": "a file"}


# --- two names of one property


# The client calls enable.auto.commit a property of its own, with another default, though it means the same.
@pytest.mark.parametrize(("alias", "name"), [pair for pair in ALIASES.items() if pair[0] != "auto.commit.enable"])
def test_an_alias_is_the_same_property(alias: str, name: str) -> None:
    assert {alias, name} <= properties.KNOWN
    # The client, which has one of the two as its own name, calls a bad value of either by that.
    assert refusal({alias: "\x01"}) == refusal({name: "\x01"})


def test_the_later_place_wins_by_whichever_name() -> None:
    sections = of({"bootstrap.servers": "a:1"}, "a file")
    given.add(sections, "kafka", {"metadata.broker.list": Property("b:2", "-X")})
    assert sections["kafka"] == {"bootstrap.servers": Property("b:2", "-X")}


@pytest.mark.parametrize("section", ["producer", "consumer"])
@pytest.mark.parametrize("name", ["bootstrap.servers", "metadata.broker.list"])
def test_the_address_is_that_of_all_clients(section: str, name: str) -> None:
    assert problem({name: "a:1"}, section) == ("somewhere: the address is that of all clients; write it under [kafka].")


def test_our_own_defaults_have_the_names_that_win() -> None:
    assert not {*PRODUCER_DEFAULTS, *CONSUMER_DEFAULTS} & ALIASES.keys()


# --- what is ours


@pytest.mark.parametrize("name", [*OWNED, "auto.commit.enable"])
@pytest.mark.parametrize("section", given.SECTIONS)
def test_what_is_ours_is_refused_by_name_with_the_reason(name: str, section: str) -> None:
    reason = OWNED[ALIASES.get(name, name)][1]
    assert problem({name: "x"}, section) == (
        f"Kafka property {name} in somewhere is not for setting: {reason}. Leave it out."
    )


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, (value, _) in OWNED.items() if value is not None])
def test_what_says_the_same_as_we_do_is_no_harm(name: str, value: str) -> None:
    assert of({name: value.upper()}) == given.nothing()


def test_all_that_cannot_be_undone_is_refused() -> None:
    fixed = {**PRODUCER_FIXED, **CONSUMER_FIXED}
    assert {name: OWNED[name][0] for name in fixed} == {name: str(value).lower() for name, value in fixed.items()}


# --- values


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("linger.ms", "soon", "Invalid value"),
        ("linger.ms", "-3", "outside allowed range 0..900000"),
        ("fetch.max.bytes", "abc", "Invalid value"),
        ("security.protocol", "pigeon", "Invalid value"),
        ("enable.ssl.certificate.verification", "maybe", "true or false"),
        ("acks", "some", "Invalid value"),
        ("debug", "everything", "Invalid value"),
    ],
)
def test_a_bad_value_is_told_under_its_name_and_place(name: str, value: str, said: str) -> None:
    found = problem({"client.id": "me", name: value})
    assert found.startswith(f"Kafka property {name} in somewhere is {value!r}: ")
    assert said in found
    assert "clickstream.end" not in found


@pytest.mark.parametrize("name", ["client.id", "sasl.password", "bootstrap.servers"])
def test_bytes_that_are_no_utf_8_are_told_under_name_and_place_and_not_shown(name: str) -> None:
    value = os.fsdecode(b"hunter2-\xe9")
    assert problem({name: value}) == f"Kafka property {name} in somewhere is no valid UTF-8."


def test_letters_beyond_ascii_pass() -> None:
    given.check(of({"client.id": "caf\u00e9 \U0001f600"}))


def test_good_values_pass() -> None:
    found = {
        "bootstrap.servers": "a:1",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "me",
        "sasl.password": "x",
        "linger.ms": "5",
        "fetch.max.bytes": "1000000",
        "log_level": "7",
    }
    given.check(of(found))


@pytest.mark.parametrize("protocol", ["SASL_SSL", "sasl_plaintext"])
def test_a_forgotten_mechanism_is_told_as_that(protocol: str) -> None:
    """The client would take GSSAPI, which it does not have, and say so."""
    found = {"security.protocol": protocol, "sasl.username": "me", "sasl.password": "hunter2"}
    said = problem(found)
    assert said.startswith(f"security.protocol is {protocol} (somewhere), but sasl.mechanism is not given.")
    assert "hunter2" not in said
    given.check(of({**found, "sasl.mechanisms": "PLAIN"}))
