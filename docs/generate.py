"""Fill the generated blocks of README.md and docs/*.md, or check that they are fresh.

python docs/generate.py          writes them
python docs/generate.py --check  exits 1 and names the stale files

A block stands between `<!-- generated: NAME -->` and `<!-- end -->`; NAME is `settings`, `options`, `owned`,
`performance`, `capacity`, `help COMMAND`, `tables FILE` (a shipped one), `file PATH` (below docs/), or `sql functions`,
`sql aggregates`, `sql options`, `sql settings`, `sql reserved`, `web-event`, or `proto`.
"""

import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import msgspec
from click.testing import CliRunner

from clickstream import variables
from clickstream.cli import clickstream
from clickstream.collect.stored import FIELDS
from clickstream.config import SETTINGS, config_dir
from clickstream.kafka.given import OWNED
from clickstream.records import WebEvent
from clickstream.tables.looking.describe import origin, role
from clickstream.tables.sql.check import check_file
from clickstream.tables.sql.functions import AGGREGATES, FORMS, FUNCTIONS
from clickstream.tables.sql.model import Column, Table
from clickstream.tables.sql.options import OPTIONS
from clickstream.tables.sql.options import SETTINGS as SQL_SETTINGS
from clickstream.tables.sql.words import RESERVED
from docs.capacity import capacity
from docs.results import summary

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- generated: (?P<name>[^>]+?) -->\n).*?(<!-- end -->)", re.DOTALL)
WIDTH = 100


def generated(name: str) -> str:
    """The text of a block; raises ValueError for an unknown name."""
    if name == "settings":
        return _settings()
    if name == "performance":
        return summary((ROOT / "docs" / "measurements.md").read_text("utf-8"))
    if name == "capacity":
        return capacity((ROOT / "docs" / "measurements.md").read_text("utf-8"))
    if name == "options":
        return _command_options()
    if name == "owned":
        return _owned()
    if name == "proto":
        return f"```proto\n{(ROOT / 'clickstream' / 'transform' / 'transform.proto').read_text('utf-8')}```\n"
    if name == "web-event":
        return _web_event()
    kind, _, command = name.partition(" ")
    if kind == "help":
        return _help(command.split())
    if kind == "file":
        path = ROOT / "docs" / command
        return f"```{path.suffix[1:]}\n{path.read_text('utf-8')}```\n"
    if kind == "tables":
        return _tables(config_dir() / "tables" / command)
    if kind == "sql" and command in _SQL:
        return _SQL[command]()
    raise ValueError(f"unknown generated block {name!r}")


def documents() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def fresh(text: str) -> str:
    """`text` with every generated block renewed."""
    return BLOCK.sub(lambda block: block[1] + generated(block["name"]) + block[3], text)


def _help(command: list[str]) -> str:
    result = CliRunner().invoke(clickstream, [*command, "--help"], prog_name="clickstream", terminal_width=WIDTH)
    if result.exit_code != 0:
        raise ValueError(f"no help for {command}: {result.output}")
    return f"```text\n{result.output.rstrip()}\n```\n"


def _settings() -> str:
    lines = ["| setting | default | environment variable | meaning |", "|---|---|---|---|"]
    for setting in SETTINGS.values():
        default = "max" if setting.default == float("inf") else setting.default
        shown = f"`{default}`" if default != "" else ""
        lines.append(f"| `{setting.name}` | {shown} | `{setting.environment}` | {setting.help} |")
    return "\n".join(lines) + "\n"


def _command_options() -> str:
    """One row per command."""
    of: dict[str, list[str]] = {}
    for name in variables.OPTIONS:
        command, _, option = name.partition(".")
        of.setdefault(command, []).append(option)
    lines = ["| command | variables begin with | options |", "|---|---|---|"]
    for command, options in of.items():
        shown = ", ".join(f"`{option}`" for option in options)
        lines.append(f"| `{command}` | `{variables.variable_of(command)}_` | {shown} |")
    return "\n".join(lines) + "\n"


def _owned() -> str:
    lines = ["| property | why |", "|---|---|"]
    lines += [f"| `{name}` | {reason} |" for name, (_value, reason) in OWNED.items()]
    return "\n".join(lines) + "\n"


def _web_event() -> str:
    """The fields of the record on `web-events`."""
    schema = msgspec.json.schema(WebEvent)["$defs"]["WebEvent"]["properties"]
    lines = ["| field | type | |", "|---|---|---|"]
    for name, about in FIELDS.items():
        types = [one["type"] for one in schema[name].get("anyOf", [schema[name]])]
        lines.append(f"| `{name}` | {' or '.join(types)} | {about} |")
    return "\n".join(lines) + "\n"


def _tables(path: Path) -> str:
    """The sources and the results of a checked file."""
    found = check_file(path)
    if found.problems:
        raise ValueError(found.render())
    program = found.program
    lines: list[str] = []
    for which in ("source", "result"):
        lines += [*([""] if lines else []), f"| {which} | topic | connector | key | columns |", "|---|---|---|---|---|"]
        lines += [_table(table) for table in program.tables.values() if role(program, table) == which]
    return "\n".join(lines) + "\n"


def _table(table: Table) -> str:
    key = f"{', '.join(f'`{name}`' for name in table.key_fields)} ({table.key_format})" if table.key_fields else ""
    columns = "<br>".join(map(_column, table.columns))
    return f"| `{table.name}` | `{table.topic}` | {table.connector} | {key} | {columns} |"


def _column(column: Column) -> str:
    return f"`{column.name}`: {column.type}" + (f", {origin(column)}" if origin(column) else "")


def _functions() -> str:
    lines = ["| function | type | meaning |", "|---|---|---|"]
    lines += [f"| `{form}` | {result} | {about} |" for form, result, about in FORMS]
    lines += [f"| `{one.signature}` | {one.result} | {one.about} |" for one in FUNCTIONS.values()]
    return "\n".join(lines) + "\n"


def _aggregates() -> str:
    lines = ["| aggregate | type | meaning |", "|---|---|---|"]
    lines += [f"| `{one.signature}` | {one.result} | {one.about} |" for one in AGGREGATES.values()]
    return "\n".join(lines) + "\n"


def _values(check: Callable[[str], str]) -> str:
    """The values that a check lets pass, out of what it says to one that no check knows."""
    said = check("?").partition(". ")[0].removeprefix("Supported: ").removesuffix(".").replace(" is expected", "")
    return said.replace("A ", "a ") or "any"


def _options() -> str:
    lines = ["| option | connectors | values | effect here |", "|---|---|---|---|"]
    for option in OPTIONS.values():
        values = _values(option.check)
        effect = "yes" if option.here else "none, Flink only"
        lines.append(f"| `{option.name}` | {', '.join(option.connectors)} | {values} | {effect} |")
    lines.append("| `properties.*` | kafka, upsert-kafka | of Flink's Kafka client | none: `-b`, `-X` and the like |")
    return "\n".join(lines) + "\n"


def _sql_settings() -> str:
    lines = ["| key | values | effect here |", "|---|---|---|"]
    for one in SQL_SETTINGS:
        values = _values(one.check)
        shown = f"{one.name}*" if one.prefix else one.name
        lines.append(f"| `{shown}` | {values} | {'yes' if one.here else 'none, Flink only'} |")
    return "\n".join(lines) + "\n"


def _reserved() -> str:
    return "```text\n" + textwrap.fill(" ".join(sorted(RESERVED)), 110) + "\n```\n"


_SQL = {
    "functions": _functions,
    "aggregates": _aggregates,
    "options": _options,
    "settings": _sql_settings,
    "reserved": _reserved,
}


def main() -> int:
    stale = []
    for path in documents():
        text = path.read_text("utf-8")
        wanted = fresh(text)
        if wanted != text:
            stale.append(path)
            if "--check" not in sys.argv:
                path.write_text(wanted, "utf-8")
    for path in stale:
        print(("stale: " if "--check" in sys.argv else "written: ") + str(path.relative_to(ROOT)))
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
