"""Whether a text is one SELECT that may be answered, and what it asks for: by DuckDB's own reading of it."""

import re
from collections.abc import Iterator
from typing import Any

import duckdb
import msgspec

from clickstream.query.model import Refused

# What may stand where a table does, besides tables: what only computes. Others read files, show what the process is
# set to, follow pointers, or run texts.
TABLE_FUNCTIONS = frozenset(
    {"range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree", "regexp_split_to_table"}
)
# Computed ones that look at the process, or change something.
REFUSED_FUNCTIONS = frozenset(
    {
        *("getenv", "getvariable", "current_setting", "current_database", "current_query", "current_schemas"),
        *("write_log", "nextval", "currval", "setseed", "txid_current", "add_parquet_key", "which_secret"),
        *("query", "query_table", "json_execute_serialized_sql", "from_substrait", "parse_duckdb_log_message"),
        *("in_search_path", "pg_get_viewdef", "getfilename", "read_text", "read_blob", "file_exists", "glob"),
    }
)
NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE", "VALUES_NODE"})
SCHEMAS = ("", "main")
# Of a node with a `cte_name`: what may read from it.
KNOW_ITSELF = ("right", "child")


def statement(db: duckdb.DuckDBPyConnection, sql: str) -> str:
    """The one SELECT that a text is, without a semicolon. Raises Refused for anything else."""
    try:
        found = db.extract_statements(sql)
    except duckdb.Error as error:
        raise Refused(first_lines(error)) from None
    if len(found) != 1:
        raise Refused("There is no statement." if not found else f"{len(found)} statements: only one is answered.")
    kind = found[0].type
    if kind != duckdb.StatementType.SELECT:
        raise Refused(
            f"{kind.name} is not answered: only one SELECT is (also FROM, WITH, VALUES, DESCRIBE, SUMMARIZE)."
        )
    select = str(found[0].query).strip().removesuffix(";")
    if ";" in select:  # with a comment behind it, or in a text
        text = only(db, "SELECT json_deserialize_sql(json_serialize_sql(?))", select)
        select = text.removesuffix(";")
    return select


def tables(db: duckdb.DuckDBPyConnection, select: str) -> list[str]:
    """The names of the tables that a SELECT reads, without those of its WITH. Raises Refused for what it may not do."""
    read = msgspec.json.decode(only(db, "SELECT json_serialize_sql(?)", select))
    if read.get("error"):
        raise Refused(str(read.get("error_message", "It cannot be read.")))
    named: dict[str, None] = {}
    for node, known in _objects(read["statements"]):
        _check(node)
        if node.get("type") == "BASE_TABLE" and (node.get("schema_name") or node["table_name"].lower() not in known):
            named[node["table_name"]] = None
    return list(named)


def _check(node: dict[str, Any]) -> None:
    """Raises Refused for a part of a query that is none, or does more than compute."""
    kind = str(node.get("type", ""))
    if kind.endswith("_NODE") and kind not in NODES:
        raise Refused(f"{kind.removesuffix('_NODE').title()} is not answered: a query only reads.")
    if kind == "TABLE_FUNCTION":
        _check_function(node["function"], TABLE_FUNCTIONS)
    elif "function_name" in node and str(node["function_name"]).lower() in REFUSED_FUNCTIONS:
        raise Refused(f"The function {node['function_name']} is not allowed in a query.")
    elif kind in ("BASE_TABLE", "SHOW_REF"):
        place = node.get("catalog_name", ""), node.get("schema_name", "")
        path = node.get("qualified_name", {}).get("path", [])
        if place[0] or place[1] not in SCHEMAS or len(path) > 2:
            raise Refused(f"There is no table {'.'.join(map(str, path))}: tables are topics, each by its name alone.")


def _check_function(function: dict[str, Any], allowed: frozenset[str]) -> None:
    name = str(function.get("function_name", ""))
    if name.lower() not in allowed:
        raise Refused(
            f"The function {name} cannot stand in the place of a table. These can: {', '.join(sorted(allowed))}."
        )


def _objects(found: Any) -> Iterator[tuple[dict[str, Any], frozenset[str]]]:
    """All objects of a JSON value, each with the names that a WITH has given where it stands, in small letters.

    Without recursion: texts may nest deeply.
    """
    left: list[tuple[Any, frozenset[str]]] = [(found, frozenset())]
    while left:
        one, known = left.pop()
        if isinstance(one, list):
            left += [(value, known) for value in one]
        elif isinstance(one, dict):
            yield one, known
            # Each knows those before it, and what stands behind the WITH all of them.
            for given in one.get("cte_map", {}).get("map", ()):
                left.append((given["value"], known))
                known |= {given["key"].lower()}
            # Only the second part of a recursive one knows itself.
            itself = known | {str(one.get("cte_name", "")).lower()}
            left += [(value, itself if key in KNOW_ITSELF else known) for key, value in one.items() if key != "cte_map"]


def only(db: duckdb.DuckDBPyConnection, query: str, select: str) -> str:
    """The one text that a query of ours about a SELECT gives."""
    return str(db.execute(query, [select]).fetchall()[0][0])


def first_lines(error: duckdb.Error, above: int = 0) -> str:
    """What DuckDB says of a text, with the line and the caret under its place; `above` are lines that we had added."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    said = "\n".join(lines[:6]) or type(error).__name__
    return re.sub(r"^LINE (\d+):", lambda found: f"LINE {int(found[1]) - above}:", said, flags=re.MULTILINE)
