"""Few files: which of them become one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clickstream.sinks.parquet.manifest import DataFile, State


@dataclass(frozen=True)
class Layout:
    """When files are put together. A small file is one below `small_bytes`."""

    small_bytes: int = 16 * 1024 * 1024
    small_files: int = 8  # of one hour; with more they become one
    settled_s: float = 900.0  # an hour with no new file for so long becomes one file, too
    rewrite_bytes: int = 256 * 1024 * 1024  # in memory, at most: the files that become one
    keep_s: float = 600.0  # files that no version has any more stay so long, for those who still read them


def small(state: State, layout: Layout, now_ms: int) -> list[Sequence[DataFile]]:
    """The files that are to become one, of each hour that has too many of them."""
    hours: dict[str, list[DataFile]] = {}
    for one in state.files.values():
        if one.size < layout.small_bytes and one.memory < layout.rewrite_bytes // 2:
            hours.setdefault(one.folder, []).append(one)
    settled = now_ms - layout.settled_s * 1000
    found: list[Sequence[DataFile]] = []
    for files in hours.values():
        if len(files) > layout.small_files or (len(files) > 1 and max(one.at for one in files) < settled):
            together = list(_fitting(files, layout.rewrite_bytes))
            found += [together] if len(together) > 1 else []
    return found


def _fitting(files: Sequence[DataFile], limit: int) -> Iterator[DataFile]:
    """The smallest of them, as many as fit together."""
    for one in sorted(files, key=lambda one: one.memory):
        limit -= one.memory
        if limit < 0:
            return
        yield one
