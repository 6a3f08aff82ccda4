"""broker.json: what the supervisor tells clients about the broker, and remembers for its next start."""

import errno
import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from clickstream.broker.storage import StateDir
from clickstream.files import replace_text

KAFKA_VERSION = "4.3.1"
FORMAT = 1  # of the state directory


@dataclass
class Status:
    """`state` is starting, running, stopping, stopped or failed (then `error` says why)."""

    state: str = "stopped"
    address: str = ""
    port: int = 0
    controller_port: int = 0
    supervisor_pid: int = 0
    pid: int = 0  # of the JVM
    cluster_id: str = ""
    java: str = ""
    started_at: float = 0.0  # s since 1970, of the JVM
    restarts: int = 0  # after it died, by the present supervisor
    error: str = ""
    disk: int = 0  # bytes that records may take
    kafka_version: str = KAFKA_VERSION
    format: int = FORMAT


class NewerVersionError(Exception):
    """The directory was written by a newer version of this package, or by a newer Kafka."""


_TYPES: dict[str, type] = {field.name: type(field.default) for field in fields(Status)}


def read_status(state: StateDir) -> Status | None:
    """What was written last; None if there is nothing, or nothing readable: no data depends on it, so that it is
    simply overwritten. Raises NewerVersionError, or OSError if it cannot be read.
    """
    try:
        found: Any = json.loads(state.status_file.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(found, dict):
        return None
    known = {key: value for key, value in found.items() if key in _TYPES}
    if not isinstance(known.get("format"), int) or not isinstance(known.get("kafka_version"), str):
        return None
    if known["format"] > FORMAT:
        raise NewerVersionError(f"its layout is {known['format']}, here it is {FORMAT}")
    if _version(known["kafka_version"]) > _version(KAFKA_VERSION):
        raise NewerVersionError(f"its Kafka is {known['kafka_version']}, here it is {KAFKA_VERSION}")
    if any(type(value) is not _TYPES[key] for key, value in known.items()):
        return None
    return Status(**{**known, "format": FORMAT, "kafka_version": KAFKA_VERSION})


def write_status(state: StateDir, status: Status) -> None:
    """Replace broker.json in one step, or on a full disk (which is often what there is to say) overwrite it.

    Raises OSError.
    """
    text = json.dumps(asdict(status), indent=1) + "\n"
    try:
        replace_text(state.status_file, text)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        with state.status_file.open("r+", encoding="utf-8") as file:  # it has a block of the disk already
            file.write(text)
            file.truncate()


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdecimal())
