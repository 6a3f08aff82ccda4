"""What is posted of a row: JSON with all its values, or one text from a template, as Slack-compatible chats take it."""

import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from clickstream import terminal
from clickstream.errors import ConfigError
from clickstream.sinks.documents import Cleaned

# Of a value in a text; a chat takes 40,000 characters in all.
MOST_CHARACTERS = 500
CUT = f"a text of more than {MOST_CHARACTERS} characters, cut in the message"
BROKEN = "a mention or a link, broken by U+200B in the message"

# What mentions or links in a chat without any of Slack's markup: @all, https://, www., and Markdown's [text](address).
# An invisible space behind each breaks it. At the end of a value, what follows may be of another value.
_MENTIONS_OR_LINKS = re.compile(r"@|:(?=//|/?$)|\](?=\(|$)|www(?=\.)", re.IGNORECASE)


@dataclass(frozen=True)
class Alert:
    """A row to be told. `id` is its origin."""

    id: str
    table: str
    values: Mapping[str, Any]
    final: bool
    left_out: int = 0  # of a summary: how many others were not told one by one


class Template:
    """A text with columns in braces: `{status}: {errors} errors in the minute of {window_start}`."""

    def __init__(self, text: str) -> None:
        """Raises ConfigError for a text that is none."""
        self._parts: list[tuple[str, str | None]]
        try:
            parts = list(string.Formatter().parse(text))
        except ValueError as problem:
            raise ConfigError(f"--template {text!r}: {problem}. A brace itself is written twice: {{{{.") from None
        for _before, name, format_, conversion in parts:
            if name is not None and (not name or format_ or conversion):
                raise ConfigError(f"--template {text!r}: only names of columns stand in braces, as in {{status}}.")
        self._parts = [(before, name) for before, name, _format, _conversion in parts]

    @classmethod
    def of_all(cls, columns: Sequence[str]) -> "Template":
        """`name: value, name: value`: what is said without a template."""
        template = cls("")
        # Not through a text: names may have braces.
        template._parts = [(f"{', ' if number else ''}{name}: ", name) for number, name in enumerate(columns)]
        return template

    def check(self, columns: Sequence[str]) -> None:
        """Raises ConfigError for a name that is no column."""
        unknown = next((name for _, name in self._parts if name is not None and name not in columns), None)
        if unknown is not None:
            raise ConfigError(f"--template names {unknown}; the columns are {', '.join(columns)}.")

    def fill(self, values: Mapping[str, Any], cleaned: Cleaned) -> str:
        """With the values of a row, of which none mentions, links or begins a line; counts those changed for that."""
        return "".join(
            before + ("" if name is None else _shown(name, values.get(name), cleaned)) for before, name in self._parts
        )


def escaped_for_slack(text: str) -> str:
    """As https://docs.slack.dev/messaging/formatting-message-text#escaping says."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _shown(name: str, value: Any, cleaned: Cleaned) -> str:
    if isinstance(value, str):
        text = value
    elif value is None:
        text = "NULL"
    else:
        text = msgspec.json.encode(value).decode()
    if len(text) > MOST_CHARACTERS:
        cleaned[name, CUT] += 1
        text = text[: MOST_CHARACTERS - 1] + "…"
    # A line of its own would look like another message.
    text, broken = _MENTIONS_OR_LINKS.subn("\\g<0>\u200b", terminal.escaped(text))
    if broken:
        cleaned[name, BROKEN] += 1
    return escaped_for_slack(text)


def as_json(alert: Alert) -> bytes:
    """`{"id", "table", "final", "row"}`; of a summary `{"id", "table", "left_out"}`."""
    if alert.left_out:
        return msgspec.json.encode({"id": alert.id, "table": alert.table, "left_out": alert.left_out})
    return msgspec.json.encode({"id": alert.id, "table": alert.table, "final": alert.final, "row": alert.values})


def as_slack(alert: Alert, template: Template, cleaned: Cleaned) -> bytes:
    """`{"text"}`, the body of an incoming webhook."""
    if alert.left_out:
        text = f"{escaped_for_slack(alert.table)}: {alert.left_out:,} more were left out within a minute."
    else:
        text = template.fill(alert.values, cleaned)
    return msgspec.json.encode({"text": text})
