"""The files that the differential tests run, on topics of their own, and what of them can be compared."""

import re
from pathlib import Path

from clickstream.config import config_dir
from clickstream.tables.sql.check import VARIABLES, Checked, check
from clickstream.tables.sql.model import Insert, TemporalJoin, TopN, Union, Windowed
from clickstream.tables.sql.plans import walk
from tests.differential.data import Variant

SQL = Path(__file__).parent / "sql"
OWN = ("windows", "aggregates", "sums", "groups", "ranks", "joins", "unions", "formats")
SHIPPED = ("clickstream", "vip", "products")
FILES = (*OWN, *SHIPPED)

_TOPIC = re.compile(r"'topic' = '([^'$]+)'")
_START = "'scan.startup.mode' = 'earliest-offset',"


def prepared(name: str, source: str, result: str) -> str:
    """A file's text that reads topics `...-<source>` and writes topics `...-<result>`."""
    if name in OWN:
        text = (SQL / "sources.sql").read_text("utf-8") + (SQL / f"{name}.sql").read_text("utf-8")
    else:
        text = _with_topics((config_dir() / "tables" / f"{name}.sql").read_text("utf-8"))
    return text.replace("${SOURCE}", source).replace("${RESULT}", result)


def _with_topics(text: str) -> str:
    """A shipped file with topics as the others have them, and Flink's watermarks after every row, as ours are."""
    written = {insert.target.topic for insert in check(text).program.inserts}
    text = _TOPIC.sub(lambda match: f"'topic' = '{match[1]}-${{{_kind(match[1] in written)}}}'", text)
    return text.replace(_START, f"{_START} 'scan.watermark.emit.strategy' = 'on-event',")


def _kind(written: bool) -> str:
    return "RESULT" if written else "SOURCE"


def compiled(text: str, address: str) -> Checked:
    """The file for a run that ends; it has no problems."""
    checked = check(text, {**VARIABLES, "BOOTSTRAP_SERVERS": address, "BOUNDED": "latest-offset", "REF_IDLE": "0 s"})
    assert not checked.problems, checked.render()
    return checked


def same_on_flink(insert: Insert, variant: Variant) -> bool:
    """Whether Flink has to give exactly the oracle's rows, as far as it can be compared at all.

    There a late row may find its version of a reference gone, and a union's rows are late by the slowest branch.
    """
    nodes = list(walk(insert.plan))
    joins = any(isinstance(node, TemporalJoin) for node in nodes)
    timed = any(isinstance(node, Windowed | TopN) for node in nodes)
    unions = any(isinstance(node, Union) for node in nodes)
    return not (variant.late and (joins or (unions and timed)))
