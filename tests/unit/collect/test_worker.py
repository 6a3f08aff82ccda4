"""A worker's process: what it does beside serving."""

import asyncio
import errno
from pathlib import Path
from typing import Any, cast

import pytest

from clickstream.collect import worker
from clickstream.collect.worker import Worker
from clickstream.serving.listening import listen
from tests.unit.collect.test_collector import options


def test_silent_connections_are_closed_on_after_there_were_too_many_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    again = asyncio.Event()
    looks = 0

    async def look(_shut: Any, _port: int, _idle_s: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise OSError(errno.EMFILE, "Too many open files")
        again.set()

    async def check(serving: Worker) -> None:
        closing = asyncio.create_task(serving._close_silent())
        await asyncio.wait_for(again.wait(), 10)
        closing.cancel()

    monkeypatch.setattr(worker, "SILENT_EVERY_S", 0.0)
    monkeypatch.setattr(asyncio, "to_thread", look)
    with listen("127.0.0.1", 0) as listening:
        asyncio.run(check(Worker(options(tmp_path), listening, cast(Any, None))))
    assert "cannot be looked for: [Errno 24] Too many open files" in caplog.text
