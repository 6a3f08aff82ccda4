"""`clickstream schemas`: wiring only; what a registry is asked is in clickstream/avro."""

from pathlib import Path
from typing import Literal

import click
import msgspec

from clickstream.avro.http import RegistryAway
from clickstream.avro.registry import Registry, Stored, UnknownSchema
from clickstream.avro.shipped import shipped
from clickstream.cli.options import App, app_options
from clickstream.cli.output import echo_json, formats, reader_may_leave, say, show
from clickstream.cli.registry import answering, needed_registry, registry_of, registry_options, schema_text
from clickstream.cli.tables.file import Variables, program, variables_option
from clickstream.errors import ClickstreamError, ConfigError
from clickstream.screen.layout import Column


@click.group("schemas")
def command() -> None:
    """Schemas of Avro: list, show, check and register them."""


class _Row(msgspec.Struct):
    subject: str
    version: int | None
    id: int | None
    schema: str | None  # that is shipped for this subject
    state: str | None  # of that one in the registry; None: there is no registry, or no such schema


@command.command("list")
@registry_options
@formats()
@app_options
def list_(app: App, json: bool) -> None:
    """List the subjects of the registry, and the schemas that are shipped for clickstream's own records.

    SHIPPED is the name of the schema that records of clickstream in this subject's topic have. STATE says whether the
    registry has it: registered, not registered, or another version. Without a registry, only the shipped ones are
    listed.

    \b
    Example:
      clickstream schemas list --schema-registry http://localhost:8081
    """
    registry = registry_of(app)
    with answering():
        rows = _rows(registry)
    if json:
        echo_json(*rows)
        return
    show(
        [
            Column("SUBJECT", cut=24),
            Column("VERSION", rank=2, right=True),
            Column("ID", right=True),
            Column("SHIPPED", rank=1),
            Column("STATE"),
        ],
        [["" if one is None else str(one) for one in msgspec.structs.astuple(row)] for row in rows],
    )


def _rows(registry: Registry | None) -> list[_Row]:
    own = {one.subject: one for one in shipped().values()}
    there = registry.subjects() if registry else []
    rows = []
    for subject in sorted({*own, *there}):
        latest = registry.latest(subject) if registry and subject in there else None
        state = None
        if registry is not None and subject in own:
            state = "not registered" if latest is None else "registered"
            if latest is not None and registry.id_of(subject, own[subject].text) != latest.id:
                state = "another version"
        name = own[subject].name if subject in own else None
        version, schema_id = (latest.version, latest.id) if latest else (None, None)
        rows.append(_Row(subject, version, schema_id, name, state))
    return rows


@command.command("show")
@click.argument("name", metavar="NAME|SUBJECT|ID")
@registry_options
@app_options
def show_(app: App, name: str) -> None:
    """Print a schema: one that is shipped, the latest of a subject, or that with an id.

    \b
    Examples:
      clickstream schemas show web-click
      clickstream schemas show 17 --schema-registry http://localhost:8081
    """
    if name in shipped():
        say(shipped()[name].text.rstrip())
        return
    registry = needed_registry(app)
    with answering():
        stored = _by_id(registry, int(name)) if name.isdecimal() else registry.latest(name)
    if stored is None:
        raise ClickstreamError(
            f"The schema registry at {registry.where} has no {'schema' if name.isdecimal() else 'subject'} {name}. "
            "See: clickstream schemas list"
        )
    say(_pretty(stored.text))


def _by_id(registry: Registry, schema_id: int) -> Stored | None:
    try:
        return registry.schema(schema_id)
    except UnknownSchema:
        return None


def _pretty(text: str) -> str:
    try:
        return msgspec.json.format(text, indent=2)
    except msgspec.DecodeError:  # of another kind than Avro
        return text


_Chosen = list[tuple[Registry, str, str]]
"""Registries, subjects and texts."""


def _chosen(app: App, names: tuple[str, ...], subject: str | None, variables: Variables) -> _Chosen:
    """Those of names, and those of the results of files of SQL. Raises ConfigError."""
    own = shipped()
    if subject is not None:
        if len(names) != 1 or names[0].endswith(".sql"):
            raise ConfigError("--subject needs one schema.")
        return [(needed_registry(app), subject, schema_text(names[0]))]
    found: _Chosen = []
    for name in names or own:
        if name.endswith(".sql"):
            found += _of_results(Path(name), variables)
        elif name in own:
            found.append((needed_registry(app), own[name].subject, own[name].text))
        else:
            schema_text(name)  # the nearest name, if it is a typing error
            raise ConfigError(f"Which subject is {name} for? Give --subject, for example TOPIC-value.")
    return found


def _of_results(path: Path, variables: Variables) -> _Chosen:
    """The schemas of a file's results in Avro, each where the file says."""
    targets = [insert.target for insert in program(path, variables).inserts]
    from clickstream.tables.engine.registry import registry_of
    from clickstream.tables.sql.avro import schema_of

    found: _Chosen = []
    for target in targets:
        for part in _PARTS:
            if (options := target.avro(part)) is not None:
                found.append((registry_of(options), options.subject, schema_of(target, part)))
    if not found:
        raise ConfigError(f"{path} has no result in Avro.")
    return found


_PARTS: tuple[Literal["key", "value"], ...] = ("key", "value")


@command.command("check")
@click.argument("names", nargs=-1, metavar="[NAME|FILE]...")
@click.option("--subject", metavar="SUBJECT", help="Of the one schema.  [default: that of its topic]")
@variables_option
@registry_options
@app_options
def check(app: App, names: tuple[str, ...], subject: str | None, variables: Variables) -> None:
    """Ask the registry whether schemas may follow the latest ones of their subjects; exit code 1 if not.

    Without a NAME, all that are shipped. A FILE.sql stands for the schemas of its results, in the registry that it
    names.

    \b
    Example:
      clickstream schemas check mine.avsc --subject orders-value
    """
    refused = 0
    with answering():
        for registry, name, text in _chosen(app, names, subject, variables):
            verdict = registry.check(name, text)
            refused += not verdict.compatible
            say(f"{name}: " + ("compatible." if verdict.compatible else f"not compatible. {' '.join(verdict.reasons)}"))
    if refused:
        raise ClickstreamError(
            f"{refused} of the schemas would not read what their latest versions have written. A field that is added "
            "needs a default; none may change its type."
        )


@command.command("register")
@click.argument("names", nargs=-1, metavar="[NAME|FILE]...")
@click.option("--subject", metavar="SUBJECT", help="Of the one schema.  [default: that of its topic]")
@variables_option
@registry_options
@app_options
def register(app: App, names: tuple[str, ...], subject: str | None, variables: Variables) -> None:
    """Register schemas, and have new subjects take only those that read what was written before (BACKWARD).

    Without a NAME, all that are shipped. A FILE.sql stands for the schemas of its results, in the registry that it
    names. Schemas that are there already stay as they are.

    \b
    Examples:
      clickstream schemas register --schema-registry http://localhost:8081
      clickstream schemas register web-click --subject my-clicks-value
      clickstream schemas register mine.sql
    """
    try:
        for registry, name, text in _chosen(app, names, subject, variables):
            latest = registry.latest(name)
            schema_id = registry.register(name, text)
            if latest is None:
                registry.require_backward(name)
            known = latest is not None and latest.id == schema_id
            with reader_may_leave():
                say(f"{name}: schema {schema_id}" + (" is there already." if known else "."))
    except RegistryAway as away:
        raise ClickstreamError(f"The schema registry at {away}. What was said is registered.") from None
