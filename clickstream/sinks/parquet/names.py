"""Names of tables as names of folders, and back."""

from urllib.parse import quote, unquote

from clickstream.errors import ConfigError

LONGEST = 200  # bytes: with what is added, it stays below the 255 that file systems take


def folder_name(table: str) -> str:
    """The folder of a table: its name, in which all but letters, digits, `-`, `_` and `.` of ASCII is `%XX`.

    Raises ConfigError for one that is too long.
    """
    name = quote(table, safe="")
    if name.startswith("."):
        name = "%2E" + name[1:]
    if not 0 < len(name) <= LONGEST:
        raise ConfigError(f"{table[:60]!r} cannot be the name of a folder: at most {LONGEST} bytes are expected.")
    return name


def table_name(folder: str) -> str:
    """The table of a folder."""
    return unquote(folder)
