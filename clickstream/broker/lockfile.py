"""The committed list of jars (jars.lock): which files a set consists of, and the sha256 each must have.

    [kafka]
    root org.apache.kafka:kafka_2.13:4.3.1
    org.apache.kafka:kafka_2.13:4.3.1 <sha256> <bytes>

A section is a set, complete in itself; sets share files in the cache. `root` lines say what the set was
resolved from: `python -m clickstream.broker.relock [SET...]` resolves them again and rewrites the sections.
"""

import re
from dataclasses import dataclass
from pathlib import Path

LOCK_FILE = Path(__file__).with_name("jars.lock")

_COORDINATE = re.compile(r"[\w.-]+:[\w.-]+:[\w.-]+(:[\w.-]+)?")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Jar:
    """One file: `coordinate` is groupId:artifactId:version[:classifier], `size` is in bytes."""

    coordinate: str
    sha256: str
    size: int

    @property
    def file_name(self) -> str:
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
    """The sets of a lock file by name. Raises ValueError naming source and line of what is malformed."""
    roots: dict[str, list[str]] = {}
    jars: dict[str, list[Jar]] = {}
    name = ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.split("#", 1)[0].strip()
        if not line:
            continue
        if line.startswith("[") and line.endswith("]"):
            name = line[1:-1].strip()
            roots.setdefault(name, [])
            jars.setdefault(name, [])
            continue
        where = f"{source}, line {number}"
        if not name:
            raise ValueError(f"{where}: before the first [section]")
        match line.split():
            case ["root", root] if _COORDINATE.fullmatch(root):
                roots[name].append(root)
            case [coordinate, sha256, size] if (
                _COORDINATE.fullmatch(coordinate) and _SHA256.fullmatch(sha256) and size.isdecimal()
            ):
                jars[name].append(Jar(coordinate, sha256, int(size)))
            case _:
                raise ValueError(f"{where}: expected 'groupId:artifactId:version sha256 bytes', not {line!r}")
    sets = {name: JarSet(name, tuple(roots[name]), tuple(jars[name])) for name in jars}
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
        "# Written by: python -m clickstream.broker.relock",
    ]
    for jar_set in sets.values():
        lines += ["", f"[{jar_set.name}]", *(f"root {root}" for root in jar_set.roots)]
        lines += [f"{jar.coordinate} {jar.sha256} {jar.size}" for jar in jar_set.jars]
    return "\n".join(lines) + "\n"


def read(path: Path = LOCK_FILE) -> dict[str, JarSet]:
    """The sets that this version of clickstream is pinned to."""
    return parse(path.read_text(encoding="utf-8"), path.name)
