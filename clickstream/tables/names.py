"""Identifiers and texts of DuckDB's SQL, and how names of a file become names there.

To DuckDB `userId` and `userid` are one name, to Flink they are two. So every name goes through `engine_name`: one
without upper-case letters of ASCII is the same there; any other becomes lower-case and says in a suffix which of its
letters are upper-case, `userId` -> `userid:10`. Relations of ours are named with a colon, and hidden columns begin with
a dollar sign: names of a file that look so get a suffix, too, and meet none of them.
"""

_UPPER_TO_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def engine_name(name: str) -> str:
    """What a name of a file is called in DuckDB: names that differ stay different, whatever their case."""
    lower = name.translate(_UPPER_TO_LOWER)
    if lower == name and ":" not in name and not name.startswith("$"):
        return name
    upper = sum(1 << place for place, (one, other) in enumerate(zip(name, lower, strict=True)) if one != other)
    return f"{lower}:{upper:x}"


def user_name(name: str) -> str:
    """The name of a file that is called `name` in DuckDB."""
    lower, colon, upper = name.rpartition(":")
    if not colon:
        return name
    places = int(upper, 16)
    return "".join(one.upper() if places >> place & 1 else one for place, one in enumerate(lower))


def relation(kind: str, name: str) -> str:
    """The name of a relation that the engine makes for a table or view of a file: no other one has it."""
    return f"{kind}:{engine_name(name)}"


def identifier(name: str) -> str:
    """A name of a file, or of a relation of ours, as an identifier in DuckDB's SQL."""
    return '"' + engine_name(name).replace('"', '""') + '"'


def string(value: str) -> str:
    """A string as a constant in DuckDB's SQL."""
    return "'" + value.replace("'", "''") + "'"
