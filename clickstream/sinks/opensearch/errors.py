"""What an answer of OpenSearch or Elasticsearch means for a sink: the table of statuses and types.

It is the same for a whole request and for an item of a bulk request. Types are the exceptions' names on the server; the
same status may mean a full disk (403 `cluster_block_exception`) or a missing right (403 `security_exception`).
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Any

from clickstream.terminal import escaped

MOST_OF_A_REASON = 300


class Meaning(Enum):
    """What to do."""

    FINE = "it is done"
    AWAY = "wait, and try again"
    ROW = "it is this row, or this request"
    CONFLICT = "there is something newer"
    GONE = "the index, or the alias that we write through, is not there"
    STOP = "it does not pass by itself"


# They come with various statuses, some with 403 or 400.
_AWAY_TYPES = frozenset(
    {
        "cluster_block_exception",  # read-only since the disk is full, no cluster manager, a closed index
        "index_closed_exception",
        "circuit_breaking_exception",
        "process_cluster_event_timeout_exception",
        "unavailable_shards_exception",
    }
)
# An alias of ours is no legal name of an index: where it is gone, no index is made in its place.
_GONE_TYPES = frozenset({"index_not_found_exception", "invalid_index_name_exception"})
_ROW_STATUSES = frozenset({400, 413, 422})
_FIELD = re.compile(r"field \[([^\]]+)\]|field=\"([^\"]+)\"")


@dataclass(frozen=True)
class Failure:
    """Why something was not done: the server's `type` and `reason`, and the field that it names."""

    status: int
    type: str
    reason: str
    field: str | None = None

    @property
    def meaning(self) -> Meaning:
        if self.type in _GONE_TYPES:
            return Meaning.GONE
        # 5xx is the server's own trouble, also of a node that is shutting down: never a row's.
        if self.type in _AWAY_TYPES or self.status in (408, 429) or self.status >= 500:
            return Meaning.AWAY
        if self.status == 409:
            return Meaning.CONFLICT
        if self.status in _ROW_STATUSES:
            return Meaning.ROW
        return Meaning.STOP

    def __str__(self) -> str:
        return f"{self.status} {self.type}: {self.reason}"


def failure_of(status: int, error: Any) -> Failure:
    """Of the `error` that stands in an answer or an item; whatever that is."""
    if not isinstance(error, dict):
        return Failure(status, "error", _short(str(error)) if error else "no reason was given")
    kind = str(error.get("type") or "error")
    reasons = [str(error.get("reason") or "no reason was given")]
    cause = error.get("caused_by")
    # What is wrong with a value is the innermost reason.
    while isinstance(cause, dict):
        if cause.get("reason") and str(cause["reason"]) not in reasons[-1]:
            reasons.append(str(cause["reason"]))
        cause = cause.get("caused_by")
    field = next((found[1] or found[2] for found in map(_FIELD.search, reasons) if found), None)
    return Failure(status, kind, _short(": ".join(reasons)), field)


def _short(text: str) -> str:
    text = escaped(text).rstrip(".")
    return text if len(text) <= MOST_OF_A_REASON else text[: MOST_OF_A_REASON - 1] + "…"
