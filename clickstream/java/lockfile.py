"""The committed list of jars (jars.toml): which files a set consists of, and the sha256 each must have.

    [kafka]
    roots = ["org.apache.kafka:kafka_2.13:4.3.1"]

    [kafka.jars]
    "org.apache.kafka:kafka_2.13:4.3.1" = { sha256 = "...", size = 123 }

A section is a set, complete in itself; sets share files in the cache. `roots` says what the set was resolved from:
`python -m clickstream.java.relock [SET...]` resolves them again and rewrites the sections.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

LOCK_FILE = Path(__file__).with_name("jars.toml")

_Coordinate = Annotated[str, Meta(pattern=r"^[\w.-]+:[\w.-]+:[\w.-]+(:[\w.-]+)?$")]


class _Pin(msgspec.Struct, forbid_unknown_fields=True):
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    size: Annotated[int, Meta(gt=0)]


class _Section(msgspec.Struct, forbid_unknown_fields=True):
    roots: list[_Coordinate]
    jars: dict[_Coordinate, _Pin]


@dataclass(frozen=True)
class Jar:
    """One file: `coordinate` is groupId:artifactId:version[:classifier], `size` is in bytes."""

    coordinate: str
    sha256: str
    size: int

    @property
    def file_name(self) -> str:
        """As Maven names it: artifact-version[-classifier].jar."""
        _, artifact, version, *classifier = self.coordinate.split(":")
        return "-".join([artifact, version, *classifier]) + ".jar"


@dataclass(frozen=True)
class JarSet:
    """A named set of jars: its roots and everything they need at run time."""

    name: str
    roots: tuple[str, ...]
    jars: tuple[Jar, ...]

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(jar.size for jar in self.jars)


def parse(text: str, source: str) -> dict[str, JarSet]:
    """The sets of a lock file by name. Raises ValueError naming source and place of what is malformed."""
    try:
        sections = msgspec.convert(tomllib.loads(text), dict[str, _Section])
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"{source}: {error}") from None
    sets = {
        name: JarSet(
            name,
            tuple(section.roots),
            tuple(Jar(coordinate, pin.sha256, pin.size) for coordinate, pin in section.jars.items()),
        )
        for name, section in sections.items()
    }
    for jar_set in sets.values():
        names = [jar.file_name for jar in jar_set.jars]
        twice = {file_name for file_name in names if names.count(file_name) > 1}
        if twice:
            raise ValueError(f"{source}: [{jar_set.name}] lists {', '.join(sorted(twice))} more than once")
    return sets


def render(sets: dict[str, JarSet]) -> str:
    """The text that `parse` reads back."""
    lines = [
        "# Which jars each set needs and the sha256 each must have; see lockfile.py.",
        "# Written by: python -m clickstream.java.relock",
    ]
    for one in sets.values():
        lines += ["", f"[{one.name}]", "roots = [", *(f'    "{root}",' for root in one.roots), "]"]
        lines += ["", f"[{one.name}.jars]"]
        lines += [f'"{jar.coordinate}" = {{ sha256 = "{jar.sha256}", size = {jar.size} }}' for jar in one.jars]
    return "\n".join(lines) + "\n"


def read(path: Path = LOCK_FILE) -> dict[str, JarSet]:
    """The sets that this version of clickstream is pinned to."""
    return parse(path.read_text(encoding="utf-8"), path.name)
