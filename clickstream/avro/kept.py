"""The ids of schemas as a registry had them at an earlier start, for a part that must start while it is away."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from clickstream.files import replace_text


class Kept(msgspec.Struct, frozen=True):
    """A schema of a subject; `where` is its registry."""

    where: str
    subject: str
    text: str
    id: int


class KeptSchemas:
    """Those in a file. What cannot be read or written of it is not kept: it is only needed on a bad day."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self, schemas: Iterable[Kept]) -> None:
        """Instead of those before. Raises OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(self._path, msgspec.json.encode(list(schemas)).decode())

    def id_of(self, where: str, subject: str, text: str) -> int | None:
        """The id that this registry had for the schema; None if that is not known."""
        try:
            found = msgspec.json.decode(self._path.read_bytes(), type=list[Kept])
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None
        return next((one.id for one in found if (one.where, one.subject, one.text) == (where, subject, text)), None)
