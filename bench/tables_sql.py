"""Copies of a file of SQL for a measurement: some of its INSERTs, its topics under other names."""

import re
from collections.abc import Callable, Mapping

_INSERT = re.compile(r"^INSERT INTO (\w+)\b[^;]*;\n*", re.MULTILINE)
_TOPIC = re.compile(r"(?<='topic' = ')[^']+(?=')")


def inserts(sql: str) -> list[str]:
    """The tables that are inserted into, in order."""
    return _INSERT.findall(sql)


def variant(sql: str, keep: Callable[[str], bool], rename: Callable[[str], str]) -> str:
    """`sql` without the INSERTs into tables that `keep` refuses, each topic renamed.

    INSERTs begin at the start of a line and have no semicolon inside. What is no longer used stays declared.
    """
    kept = _INSERT.sub(lambda match: match[0] if keep(match[1]) else "", sql)
    return _TOPIC.sub(lambda match: rename(match[0]), kept)


def renamed(sources: Mapping[str, str], prefix: str) -> Callable[[str], str]:
    """Names for topics: those of `sources` as given there, all others with a prefix."""
    return lambda topic: sources.get(topic, prefix + topic)
