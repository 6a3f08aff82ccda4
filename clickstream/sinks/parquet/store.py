"""Where an archive is: what a folder or an object store must do for it."""

from collections.abc import Callable
from typing import IO, Any, Protocol


class Store(Protocol):
    """Files by names such as `clicks/manifest/000000000001.json`, below one root.

    All methods raise Away for what passes by itself, ClickstreamError for what does not. A file that was written
    survives a loss of power, and is never seen in part.
    """

    where: str
    """For people: the folder, or `s3://bucket/prefix`."""

    def connect(self) -> None:
        """New connections, if there are any."""
        ...

    def folders(self) -> list[str]:
        """The names of the folders right below the root that may be tables: others may lie beside them."""
        ...

    def names(self, folder: str) -> list[str]:
        """All files below a folder, at any depth, by their full names; empty when there is no such folder."""
        ...

    def read(self, name: str) -> bytes | None:
        """The content of a file; None: there is none."""
        ...

    def open(self, name: str) -> Any:
        """A file for pyarrow to read, which may be closed. Raises FileNotFoundError when there is none."""
        ...

    def put(self, name: str, write: Callable[[IO[bytes]], None]) -> int:
        """Write a new file, or replace one, by a function that writes to a stream; returns its size in bytes."""
        ...

    def create(self, name: str, content: bytes) -> bool:
        """Write a file that does not exist yet; False, and nothing is changed, when it does."""
        ...

    def delete(self, name: str) -> None:
        """Delete a file; one that is not there is no error."""
        ...

    def sweep(self, folder: str) -> None:
        """Delete what unfinished writes left in one of the folders of the root."""
        ...

    def address(self, name: str) -> str:
        """A file's name for DuckDB."""
        ...
