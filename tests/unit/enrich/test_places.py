from pathlib import Path
from typing import Any

import pytest

from clickstream.enrich.places import MADE_UP, UNKNOWN, DatabasePlaces, MadeUpPlaces, NoPlaces, Place
from clickstream.errors import ConfigError
from clickstream.generate.web import address

GERMANY = {"country": {"iso_code": "DE"}, "city": {"names": {"en": "Berlin", "de": "Berlin (de)"}}}


UINT16, UINT32, UINT64 = 5, 6, 9
SIZES = {UINT16: 2, UINT32: 4, UINT64: 8}


def encoded(value: Any) -> bytes:
    """A value in the data section of a MaxMind DB file."""
    if isinstance(value, str):
        return bytes([2 << 5 | len(value)]) + value.encode()
    if isinstance(value, tuple):  # type and number
        type_, number = value
        size = SIZES[type_]
        control = bytes([type_ << 5 | size]) if type_ <= 7 else bytes([size, type_ - 7])
        return control + bytes(number.to_bytes(size, "big"))
    if isinstance(value, int):
        return encoded((UINT32, value))
    if isinstance(value, list):
        return bytes([len(value), 11 - 7]) + b"".join(map(encoded, value))
    return bytes([7 << 5 | len(value)]) + b"".join(encoded(key) + encoded(own) for key, own in value.items())


def database(path: Path, below_128: Any, above: Any) -> Path:
    """A database of two networks: the lower and the upper half of all IPv4 addresses."""
    first = encoded(below_128)
    nodes = 1
    records = b"".join((nodes + 16 + place).to_bytes(3, "big") for place in (0, len(first)))
    about = {
        "node_count": nodes,
        "record_size": (UINT16, 24),
        "ip_version": (UINT16, 4),
        "database_type": "test",
        "languages": ["en"],
        "binary_format_major_version": (UINT16, 2),
        "binary_format_minor_version": (UINT16, 0),
        "build_epoch": (UINT64, 1_600_000_000),
        "description": {"en": "test"},
    }
    path.write_bytes(records + bytes(16) + first + encoded(above) + b"\xab\xcd\xefMaxMind.com" + encoded(about))
    return path


def test_places_of_a_database(tmp_path: Path) -> None:
    places = DatabasePlaces(database(tmp_path / "places.mmdb", GERMANY, {"registered_country": {"iso_code": "MT"}}))
    assert places.place("10.0.0.1") == Place("DE", "Berlin")
    assert places.place("200.0.0.1") == Place("MT", None)
    assert places.source == str(tmp_path / "places.mmdb")


@pytest.mark.parametrize("address", [None, "", "no address", "::1", "10.0.0.300", "\x00"])
def test_what_is_no_address_is_nowhere(tmp_path: Path, address: str | None) -> None:
    places = DatabasePlaces(database(tmp_path / "places.mmdb", GERMANY, GERMANY))
    assert places.place(address) == UNKNOWN
    assert MadeUpPlaces().place(address) == UNKNOWN


@pytest.mark.parametrize(
    "record", ["text", {"country": "DE"}, {"country": {"iso_code": 4}}, {"city": {"names": {}}}, {}]
)
def test_records_of_other_databases(tmp_path: Path, record: Any) -> None:
    found = DatabasePlaces(database(tmp_path / "places.mmdb", record, record)).place("10.0.0.1")
    assert found.country in (None, "DE")
    assert found.city is None


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Cannot read the database of places .*: No such file"):
        DatabasePlaces(tmp_path / "no.mmdb")
    (tmp_path / "text").write_text("no database")
    with pytest.raises(ConfigError, match="is no database of places"):
        DatabasePlaces(tmp_path / "text")


def test_without_a_database_nothing_is_known() -> None:
    assert NoPlaces().source is None
    assert NoPlaces().place("8.8.8.8") == UNKNOWN


def test_the_made_up_geography_says_so_and_is_always_the_same() -> None:
    places = MadeUpPlaces()
    assert places.source == MADE_UP
    found = [places.place(address(visitor)) for visitor in range(2_000)]
    assert found == [MadeUpPlaces().place(address(visitor)) for visitor in range(2_000)]
    countries = {place.country for place in found}
    assert {"US", "DE", "SG", "HK", "MT", "MC", None} <= countries, "small states, and what is not known"
    assert sum(place.country == "US" for place in found) in range(500, 660)


def test_addresses_that_are_not_made_up_are_nowhere() -> None:
    assert MadeUpPlaces().place("8.8.8.8") == UNKNOWN
    assert MadeUpPlaces().place("192.168.0.1") == UNKNOWN
