"""Functions that tests have called, in processes of their own; the record says what is to happen."""

import os
import time
from collections.abc import Iterator
from typing import Any

from clickstream.transform.api import Away, Record


def echo(record: Record) -> dict[str, Any]:
    """The value and the id, in half a millisecond."""
    time.sleep(0.0005)
    return {"value": (record.value or b"").decode(), "id": record.id}


def told(record: Record) -> Any:
    """`{"do": ..., "n": ...}`: what is done depends on it; the result tells the number."""
    asked = record.json()
    match asked["do"]:
        case "none":
            return None
        case "many":
            return _many(record, asked["n"])
        case "whole":
            return record
        case "raise":
            raise ValueError(f"no {asked['n']}")
        case "nonsense":
            return asked["n"]
        case "exit":
            os._exit(3)
        case "hang":
            while True:
                time.sleep(60)
        case "wait":
            wait_for(asked["until"])
        case "away":
            if not os.path.exists(asked["until"]):
                raise Away("what it needs is not there")
        case "large":
            return {"n": asked["n"], "text": os.urandom(4_000).hex()}  # does not get smaller by compression
        case "microseconds":
            return record.changed(timestamp=1_600_000_000_000_000)
        case "keyless":
            return record.changed(key=None)
        case "print":
            print("printed by the function", input_is_empty())
    return {"n": asked["n"]}


def _many(record: Record, number: int) -> Iterator[Record]:
    for part in range(3):
        yield Record(b"%d.%d" % (number, part), record.key, (("part", b"%d" % part), ("none", None)), 1_000 + part)


def wait_for(path: str) -> None:
    """Until there is such a file."""
    while not os.path.exists(path):
        time.sleep(0.01)


def input_is_empty() -> bool:
    """Whether nobody writes to our standard input."""
    return os.read(0, 1) == b""
