"""An archive whose writer dies at any step, finds no room, or is read all the time."""

import errno
import os
import resource
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clickstream.sinks.parquet import folder
from clickstream.sinks.parquet.layout import Layout
from clickstream.sinks.parquet.manifest import Manifest
from clickstream.sinks.target import Away
from tests.support import PATIENCE
from tests.unit.sinks.archives import (
    TOPIC,
    ask,
    batch,
    claim,
    data_files,
    fill,
    in_log,
    interleaved,
    origins,
    record,
    target,
)

LAYOUT = Layout(small_files=2, keep_s=0.0)
STEPS = ("fsync", "link", "replace", "unlink")


class Dead(BaseException):
    """The process is gone: nothing after it was done."""


class Steps:
    """What changes a file system, counted. From step `dies_at` on nothing is done any more; `then` of it is."""

    def __init__(self, dies_at: int | None = None, *, after: bool = False) -> None:
        self.count = 0
        self._dies_at = dies_at
        self._after = after
        names = {name: getattr(os, name) for name in dir(os) if not name.startswith("__")}
        self.os = SimpleNamespace(**{**names, **{name: self._step(names[name]) for name in STEPS}})

    def _step(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def step(*given: Any, **more: Any) -> Any:
            self.count += 1
            dead = self._dies_at is not None and self.count >= self._dies_at
            if dead and not (self._after and self.count == self._dies_at):
                raise Dead
            result = work(*given, **more)
            if dead:
                raise Dead
            return result

        return step


def life(root: Path) -> None:
    """A writer's: it puts files together, folds versions, deletes old files."""
    fill(target(root, LAYOUT, fold_every=4), LOG[:48], 8)


LOG = interleaved(64, hours=2)


def steps_of_a_life(root: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    steps = Steps()
    with monkeypatch.context() as patch:
        patch.setattr(folder, "os", steps.os)
        life(root)
    return steps.count


def dies_and_goes_on(root: Path, monkeypatch: pytest.MonkeyPatch, step: int, *, after: bool) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(folder, "os", Steps(step, after=after).os)
        with pytest.raises(Dead):
            life(root)
    if (root / "archive.sql").exists():
        # What a reader finds is whole: a beginning of each partition.
        found = origins(root)
        for number in (0, 1):
            offsets = [offset for partition, offset in found if partition == number]
            assert offsets == list(range(len(offsets)))
    fill(target(root, LAYOUT, fold_every=4), LOG, 16)
    assert origins(root) == in_log(LOG)
    state = Manifest(folder.FolderStore(root), TOPIC).load()
    known = {f"{TOPIC}/{path}" for path in (*state.files, *state.retired)}
    assert set(data_files(root)) <= known
    assert {f"{TOPIC}/{path}" for path in state.files} <= set(data_files(root))
    assert not list((root / TOPIC / "tmp").iterdir())


def test_a_writer_that_dies_at_any_step_leaves_no_hole_and_no_repeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = steps_of_a_life(tmp_path / "whole", monkeypatch)
    assert steps > 100
    # Every tenth one, another each time between before and after it; the slow test has all.
    for step in range(1, steps + 1, 10):
        dies_and_goes_on(tmp_path / str(step), monkeypatch, step, after=step % 20 == 1)


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
def test_a_writer_that_dies_at_each_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool) -> None:
    steps = steps_of_a_life(tmp_path / "whole", monkeypatch)
    for step in range(1, steps + 1):
        dies_and_goes_on(tmp_path / str(step), monkeypatch, step, after=after)


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_without_room_it_is_away_and_then_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    one = target(tmp_path, LAYOUT)
    epoch = claim(one).epoch
    log = interleaved(40)
    said: list[str] = []
    one.write(batch(log[:10]))

    def refuses(*_given: object, **_more: object) -> None:
        raise OSError(number, os.strerror(number))

    for start in (10, 20, 30):
        with monkeypatch.context() as patch:
            patch.setattr(folder, "os", SimpleNamespace(**{**vars(os), name: refuses}))
            try:
                one.write(batch(log[start : start + 10]))
            except Away as away:
                said.append(str(away))
        has = claim(one, epoch=epoch).places
        rest = [
            message
            for message in log[start : start + 10]
            if (message.offset() or 0) >= has[TOPIC, message.partition() or 0].offset
        ]
        one.write(batch(rest))
    assert set(said) <= {f"{tmp_path} cannot be used: {os.strerror(number)}"}
    assert said or name == "unlink"  # what cannot be deleted now is deleted later
    assert origins(tmp_path) == in_log(log)


def test_a_file_that_may_not_grow_is_no_bad_row(tmp_path: Path) -> None:
    one = target(tmp_path)
    epoch = claim(one).epoch
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(Away, match="File too large"):
            one.write(batch([record(0, os.urandom(50_000))]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert data_files(tmp_path) == []
    claim(one, epoch=epoch)
    one.write(batch([record(0, os.urandom(50_000))]))
    assert origins(tmp_path) == [(0, 0)]


def test_an_archive_that_is_gone_is_waited_for_and_not_begun_anew(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "disk", tmp_path / "unmounted"
    one = target(root)
    epoch = claim(one).epoch
    one.write(batch([record(0)]))
    root.rename(elsewhere)
    root.mkdir()
    with pytest.raises(Away, match="has no table events any more"):
        claim(one, epoch=epoch)
    root.rmdir()
    elsewhere.rename(root)
    assert claim(one, epoch=epoch).places[TOPIC, 0].offset == 1


def test_the_answer_to_a_commit_that_was_lost_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = target(tmp_path)
    epoch = claim(one).epoch
    linked: list[object] = []

    def fails_after(*given: Any) -> None:
        os.link(*given)
        linked.append(given)
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(folder, "os", SimpleNamespace(**{**vars(os), "link": fails_after}))
        with pytest.raises(Away):
            one.write(batch([record(0)]))
    assert linked
    assert claim(one, epoch=epoch).places[TOPIC, 0].offset == 1
    assert origins(tmp_path) == [(0, 0)]


def test_a_reader_sees_only_growing_counts_without_gaps(tmp_path: Path) -> None:
    log = interleaved(300)
    fill(target(tmp_path), [], 1)
    done = threading.Event()
    seen: list[int] = []
    problems: list[BaseException] = []

    def read() -> None:
        try:
            while True:
                last = done.is_set()
                spans = ask(
                    tmp_path,
                    "SELECT count(*), count(DISTINCT _offset), max(_offset) + 1 FROM events GROUP BY _partition",
                )
                assert all(count == different == end for count, different, end in spans)
                seen.append(sum(span[0] for span in spans))
                if last:
                    return
        except BaseException as problem:  # noqa: BLE001 - handed to the test
            problems.append(problem)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        fill(target(tmp_path, Layout(small_files=2)), log, 10)
    finally:
        done.set()
        thread.join(120 * PATIENCE)
    assert not problems, problems
    assert seen == sorted(seen)
    assert seen[-1] == 300
