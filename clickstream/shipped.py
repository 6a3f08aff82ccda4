"""What travels with the package: the declared topics, the files of SQL, the documents."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent


def config_dir() -> Path:
    """The folder of clickstream.toml, topics.toml and tables/: the checkout's, or the installed package's copy."""
    checkout = _CHECKOUT / "config"
    return checkout if (checkout / "clickstream.toml").exists() else _PACKAGE / "_config"


def tables() -> dict[str, Path]:
    """The shipped files of SQL by their names, in the order of these."""
    return {path.stem: path for path in sorted((config_dir() / "tables").glob("*.sql"))}


def _document(name: str) -> str:
    return f"docs/{name}" if (_CHECKOUT / "docs" / name).exists() else str(_PACKAGE / "_docs" / name)


# What messages call the documents: docs/... in a checkout, else where the package has them.
SQL_GUIDE = _document("sql.md")
SQL_REFERENCE = _document("sql-reference.md")
