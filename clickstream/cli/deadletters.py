"""`clickstream dead-letters`: what could not be read, and sending it again once it is repaired; wiring only."""

from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from clickstream import terminal
from clickstream.cli.options import NOTHING_TO_DRAIN, App, cluster_options, setting, stop_event
from clickstream.cli.output import echo_json, formats, say, show, standard_output
from clickstream.cli.streams import on_terminal, read_standard_input
from clickstream.errors import ClickstreamError, ConfigError
from clickstream.inspect import letters, render, text
from clickstream.inspect.letters import Letter
from clickstream.kafka.deadletter import FoundLetter
from clickstream.screen.layout import Column

DEFAULT_NUMBER = 20
VALUE_SHOWN = 2_000

Place = tuple[int, int]


class Place_(click.ParamType[Place]):
    """PARTITION:OFFSET, as the list shows it; a number alone is an offset of partition 0."""

    name = "PARTITION:OFFSET"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Place:
        if isinstance(value, tuple):
            return value
        partition, _colon, offset = value.rpartition(":")
        parts = (partition or "0", offset)
        if not all(part.isascii() and part.isdecimal() for part in parts):
            self.fail(f"{value!r}: PARTITION:OFFSET is expected, as `dead-letters list` shows it.", param, ctx)
        return int(parts[0]), int(parts[1])


_place = click.argument("place", type=Place_(), metavar="PARTITION:OFFSET")
_topic_option = setting("dead-letter-topic", "--dead-letter-topic")


@click.group("dead-letters")
def command() -> None:
    """What could not be read: list it, show it, and send it again once it is repaired."""


@command.command("list")
@click.option("-n", "number", type=click.IntRange(1), default=DEFAULT_NUMBER, show_default=True, metavar="N")
@click.option("--from-topic", metavar="TOPIC", help="Only letters that came from this topic.")
@click.option("--part", metavar="PART", help="Only what this part could not read, for example counter.")
@_topic_option
@formats()
@cluster_options
def list_(app: App, number: int, from_topic: str | None, part: str | None, json: bool) -> None:
    """List the last N dead letters, the newest first.

    PLACE is the letter's partition and offset in the dead-letter topic, for show and retry. BYTES is the length of the
    whole value. A letter that was sent again says so.

    \b
    Examples:
      clickstream dead-letters list --from-topic clickstream
      clickstream dead-letters list --json | jq -r .reason | sort | uniq -c
    """

    def wanted(letter: FoundLetter) -> bool:
        return from_topic in (None, letter.origin.topic) and part in (None, letter.part)

    with app.connect() as cluster:
        stop = stop_event(drain_by_signal=NOTHING_TO_DRAIN)
        found = letters.newest(cluster, _topic(app), number, stop, wanted=wanted)
        if stop.is_set():
            raise click.Abort
    if json:
        echo_json(*map(_shape, found.letters))
    elif found.letters:
        show(_columns(), [_row(letter) for letter in found.letters])
    else:
        click.echo(f"No dead letters in {_topic(app)}.", err=True)


@command.command("show")
@_place
@click.option(
    "--value", "only_value", is_flag=True, help="Only the bytes of the value: pipe them into a file to repair."
)
@_topic_option
@formats(with_csv=False)
@cluster_options
def show_(app: App, place: Place, only_value: bool, json: bool) -> None:
    """Show one dead letter: why it could not be read, by whom, and what it is.

    \b
    Example:
      clickstream dead-letters show 0:41 --value > broken.json
    """
    with app.connect() as cluster:
        stop = stop_event(drain_by_signal=NOTHING_TO_DRAIN)
        letter = letters.letter(cluster, _topic(app), *place, stop)
    if only_value:
        with standard_output() as out:
            _write(out, letter)
    elif json:
        echo_json(_shape(letter))
    else:
        _tell(letter)


@command.command("retry")
@_place
@click.option(
    "--value", "file", metavar="FILE", help="The repaired value; - reads standard input. Its last line end is cut."
)
@click.option("--edit", is_flag=True, help="Repair the value in an editor ($VISUAL or $EDITOR).")
@click.option("--yes", is_flag=True, help="Do not ask; needed when there is no terminal to ask on.")
@_topic_option
@cluster_options
def retry_(app: App, place: Place, file: str | None, edit: bool, yes: bool) -> None:
    """Send a dead letter again: to the topic that it came from, with its key and headers.

    Its value is what --value or --edit gives, else the letter's own. Once Kafka has acknowledged it, the letter is
    marked, and not sent a second time. A letter is refused of which something was cut off, one that came from a file,
    and one whose topic is compacted and has a later record of its key: the older would undo it.

    \b
    Examples:
      clickstream dead-letters retry 0:41 --edit
      clickstream dead-letters show 0:41 --value | sed s/NaN/null/ | clickstream dead-letters retry 0:41 --value - --yes
    """
    if file is not None and edit:
        raise click.UsageError("--value and --edit exclude each other.")
    value = None if file is None else _repaired(file)
    with app.connect() as cluster:
        stop = stop_event(drain_by_signal=NOTHING_TO_DRAIN)
        letter = letters.letter(cluster, _topic(app), *place, stop)
        refusal = letters.why_not(letter)
        if refusal:
            raise ClickstreamError(f"Letter {_named(letter)} is not sent again. {refusal}")
        if edit:
            value = _edited(letter)
        if not yes:
            _ask(letter)
        target = letters.retry(cluster, _topic(app), *place, stop, value=value)
    click.echo(f"Sent to {target}.", err=True)


def _topic(app: App) -> str:
    found: str = app.config["dead-letter-topic"]
    return found


def _columns() -> list[Column]:
    return [
        Column("PLACE"),
        Column(text.in_zone("TIME"), rank=2),
        Column("REASON", cut=24),
        Column("PART", rank=3, cut=12),
        Column("CAME FROM", rank=1, cut=16),
        Column("BYTES", rank=4, right=True),
        Column("SENT AGAIN", rank=5),
    ]


def _row(letter: Letter) -> list[str]:
    found = letter.found
    if found is None:
        return [_named(letter), "-", "no dead letter: somebody else wrote it", "-", "-", "-", "-"]
    return [
        _named(letter),
        text.local(found.time),
        found.reason,
        found.part,
        str(found.origin),
        text.count(found.length),
        "yes" if letter.retried else "-",
    ]


def _named(letter: Letter) -> str:
    return f"{letter.partition}:{letter.offset}"


class _Shape(msgspec.Struct, frozen=True):
    """A line of `dead-letters list --json`. `length` is that of the whole value in bytes; `cut` says that not all is
    here. Key, headers and value as `topics tail` shows them; all but the place is null of what is no letter."""

    partition: int
    offset: int
    sent_again: bool
    time: str | int | None = None
    reason: str | None = None
    part: str | None = None
    origin: str | None = None
    length: int | None = None
    cut: bool | None = None
    key: render.Octets = None
    headers: list[tuple[str, render.Octets]] | None = None
    value: render.Octets = None


def _shape(letter: Letter) -> _Shape:
    found = letter.found
    if found is None:
        return _Shape(letter.partition, letter.offset, letter.retried)
    return _Shape(
        letter.partition,
        letter.offset,
        letter.retried,
        None if found.time is None else text.utc(found.time),
        found.reason,
        found.part,
        str(found.origin),
        found.length,
        not found.whole,
        render.string(found.key),
        [(name, render.string(octets)) for name, octets in found.headers],
        render.string(found.value),
    )


def _tell(letter: Letter) -> None:
    found = letter.found
    if found is None:
        raise ClickstreamError(f"The record at {_named(letter)} is no dead letter: somebody else wrote it.")
    say(found.reason)
    facts = [
        ("came from", str(found.origin)),
        ("could not be read by", found.part),
        ("set aside", f"{text.local(found.time)} {text.zone_name()}"),
        ("length", f"{found.length:,} bytes" + ("" if found.whole else ", not all of it here")),
        ("key", _shown(found.key)),
        *((f"header {name}", _shown(octets)) for name, octets in found.headers),
        ("sent again", "yes" if letter.retried else letters.why_not(letter) or "no"),
    ]
    for name, content in facts:
        say(terminal.escaped(f"{name}: {content}"))
    click.echo()
    say(_shown(found.value))


def _shown(octets: bytes | None) -> str:
    """Text as it is, other bytes in base64; of a long one the beginning."""
    if octets is None:
        return "(none)"
    content = render.string(octets)
    shown = content if isinstance(content, str) else msgspec.json.encode(content).decode()
    return shown if len(shown) <= VALUE_SHOWN else f"{shown[:VALUE_SHOWN]}... (all of it: --value)"


def _write(out: BinaryIO, letter: Letter) -> None:
    if letter.found is not None:
        out.write(letter.found.value or b"")


def _repaired(file: str) -> bytes:
    """What a person or a program has written ends with a line end that is none of the value's."""
    try:
        octets = read_standard_input() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise ConfigError(f"Cannot read {file}: {error.strerror}.") from None
    return octets.removesuffix(b"\n").removesuffix(b"\r")


def _edited(letter: Letter) -> bytes:
    value = letter.found.value if letter.found is not None else None
    try:
        content = (value or b"").decode()
    except UnicodeDecodeError:
        raise ClickstreamError(
            f"The value of {_named(letter)} is no UTF-8 that an editor could show: repair its bytes in a file "
            "(dead-letters show --value), and give that with --value FILE."
        ) from None
    edited = click.edit(content, extension=".json", require_save=False)
    if edited is None or not edited.strip():
        raise click.Abort
    return edited.removesuffix("\n").encode()


def _ask(letter: Letter) -> None:
    if not on_terminal():
        raise ConfigError("Without a terminal to ask on, say --yes.")
    target = letter.found.origin.topic if letter.found is not None else ""
    if not click.confirm(f"Send it to {target}?", err=True):
        raise click.Abort
