"""What a state belongs to: for each INSERT, the statements that its rows depend on.

Layout, comments, unused statements and the order of a file do not matter, nor do connection values: where Kafka and a
schema registry are, who reads, whether the read is bounded. Nor do settings (SET): they make no row another one, and an
INSERT that is added may need one. Everything else matters, what a `${NAME}` stands for included.
"""

import re
from collections.abc import Iterator, Mapping

from clickstream.tables.sql.check import Checked
from clickstream.tables.sql.model import Insert, Plan, Read, Scan, Table, TemporalJoin, children
from clickstream.tables.sql.options import AVRO
from clickstream.tables.sql.source import is_blank, pieces

# By target: the INSERT itself and what it reads and writes, each by a name that a person knows it by.
Statements = Mapping[str, Mapping[str, str]]

_NAMED = re.compile(
    r"(CREATE (?:TEMPORARY )?(?:TABLE|VIEW)|INSERT INTO) (?:IF NOT EXISTS )?(`(?:[^`]|``)*`|[^\s(`]+)", re.IGNORECASE
)
# Options of tables that say how to reach and to read a topic, not what its rows are.
_CONNECTION = (
    *("properties.", "scan.bounded.", "scan.watermark.idle-timeout", "scan.topic-partition-discovery."),
    *(f"{part}{AVRO}.{name}" for part in ("", "key.", "value.") for name in ("url", "basic-auth.", "ssl.")),
)
_SETTING = "SET "  # as the names of settings begin, which states of earlier versions have


def statements_of(checked: Checked) -> dict[str, dict[str, str]]:
    """The statements that the rows of each INSERT's target depend on."""
    texts = dict(_texts(checked))
    tables = checked.program.tables
    return {
        insert.target.name: {name: _meaning(texts, name, tables) for name in dict.fromkeys(_needed(insert))}
        for insert in checked.program.inserts
    }


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What became of the statements of one INSERT, in sentences' pieces."""
    changed = [f"{name} was changed" for name in before if name in now and before[name] != now[name]]
    gone = [f"{name} is gone" for name in before if name not in now and not name.startswith(_SETTING)]
    new = [f"{name} is new" for name in now if name not in before]
    return [*changed, *gone, *new]


def _texts(checked: Checked) -> Iterator[tuple[str, str]]:
    """Every statement that makes something, by kind and name."""
    source = checked.source.text
    for statement in checked.statements:
        for span in statement.members:
            text = " ".join(piece for _, piece in pieces(source[span.start : span.end]) if not is_blank(piece))
            match = _NAMED.match(text)
            if match:
                kind = match[1].upper().replace("TEMPORARY ", "")
                yield f"{kind} {match[2].strip('`').replace('``', '`')}", text


def _needed(insert: Insert) -> Iterator[str]:
    yield f"INSERT INTO {insert.target.name}"
    yield f"CREATE TABLE {insert.target.name}"
    yield from _read_by(insert.plan)


def _read_by(plan: Plan) -> Iterator[str]:
    match plan:
        case Scan():
            yield f"CREATE TABLE {plan.table.name}"
        case TemporalJoin():
            yield f"CREATE TABLE {plan.reference.name}"
        case Read():
            yield f"CREATE VIEW {plan.view.name}"
    for one in children(plan):
        yield from _read_by(one)


def _meaning(texts: Mapping[str, str], name: str, tables: Mapping[str, Table]) -> str:
    """A statement's text; a table's options in one order, without those of its connection."""
    text = texts[name]
    if not name.startswith("CREATE TABLE "):
        return text
    options = tables[name.removeprefix("CREATE TABLE ")].options
    columns = re.split(r"\bWITH\s*\(", text, flags=re.IGNORECASE)[0]
    kept = {key: value for key, value in sorted(options.items()) if not key.startswith(_CONNECTION)}
    return f"{columns.strip()} {kept}"
