"""Where an address is: from a database of the user's, or, for the generator's addresses, from a made-up geography."""

import importlib
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from clickstream.errors import ConfigError

MADE_UP = "made up"


class Place(NamedTuple):
    """`country` is its ISO 3166 code, `city` its English name."""

    country: str | None
    city: str | None


UNKNOWN: Final = Place(None, None)


class Places(Protocol):
    """`source` says where the answers come from: a file, MADE_UP, or None when there are none."""

    source: str | None

    def place(self, address: str | None) -> Place:
        """UNKNOWN for an address that is not known, or is none."""
        ...


class NoPlaces:
    """Nothing is known about any address."""

    source: str | None = None

    def place(self, address: str | None) -> Place:
        return UNKNOWN


class DatabasePlaces:
    """A MaxMind DB file (.mmdb) with countries or cities. Raises ConfigError when it cannot be read."""

    def __init__(self, path: Path) -> None:
        maxminddb: Any = importlib.import_module("maxminddb")
        self.source: str | None = str(path)
        self._damaged: type[Exception] = maxminddb.InvalidDatabaseError
        try:
            self._reader = maxminddb.open_database(str(path))
        except OSError as error:
            raise ConfigError(f"Cannot read the database of places {path}: {error.strerror or error}.") from None
        except self._damaged as error:
            raise ConfigError(
                f"{path} is no database of places: {error}. A MaxMind DB file (.mmdb) with countries or cities is "
                "expected."
            ) from None

    def place(self, address: str | None) -> Place:
        try:
            found = self._reader.get(address) if address else None
        except (ValueError, TypeError, self._damaged):  # no address, IPv6 in a database of IPv4, a damaged record
            return UNKNOWN
        return _place(found) if isinstance(found, dict) else UNKNOWN


def _place(record: dict[str, Any]) -> Place:
    country = record.get("country") or record.get("registered_country") or {}
    code = country.get("iso_code") if isinstance(country, dict) else country
    city = record.get("city") or {}
    name = (city.get("names") or {}).get("en") if isinstance(city, dict) else city
    return Place(code if isinstance(code, str) else None, name if isinstance(name, str) else None)


# Where the generator's visitors are: country, share in thousandths, cities. Some are too small for most maps.
GEOGRAPHY: Final = (
    ("US", 290, ("New York", "Chicago", "Denver", "Seattle", "Austin")),
    ("DE", 130, ("Berlin", "Hamburg", "Leipzig")),
    ("GB", 100, ("London", "Leeds", "Glasgow")),
    ("FR", 80, ("Paris", "Lyon")),
    ("IN", 80, ("Mumbai", "Pune", "Delhi")),
    ("BR", 60, ("São Paulo", "Recife")),
    ("JP", 60, ("Tokyo", "Osaka")),
    ("CA", 45, ("Toronto", "Calgary")),
    ("AU", 35, ("Sydney", "Perth")),
    ("NL", 30, ("Utrecht",)),
    ("ES", 25, ("Madrid", "Sevilla")),
    ("ZA", 20, ("Durban",)),
    ("SG", 15, ("Singapore",)),
    ("HK", 10, ("Hong Kong",)),
    ("MT", 6, ("Valletta",)),
    ("MC", 4, ("Monaco",)),
)
UNKNOWN_SHARE = 10  # thousandths

_SLOTS: Final = [
    Place(country, cities[number % len(cities)]) for country, share, cities in GEOGRAPHY for number in range(share)
] + [UNKNOWN] * UNKNOWN_SHARE
_GENERATED: Final = IPv4Network("10.0.0.0/8")
# Odd: neighbours are spread over all of the slots.
_SPREAD = 2_654_435_769


class MadeUpPlaces:
    """A small geography for the generator's addresses, which are private and so nowhere: always the same."""

    source: str | None = MADE_UP

    def place(self, address: str | None) -> Place:
        """Of an address 10.a.b.c; others are UNKNOWN."""
        try:
            found = IPv4Address(address or "")
        except ValueError:
            return UNKNOWN
        if found not in _GENERATED:
            return UNKNOWN
        number = int(found) % 2**24
        return _SLOTS[(number * _SPREAD % 2**32 >> 8) % len(_SLOTS)]
