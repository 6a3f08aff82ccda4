import asyncio
import threading

import pytest

from clickstream.ui.workers import Workers
from tests.support import PATIENCE


def test_work_is_done_on_other_threads_that_hold_up_no_end() -> None:
    workers = Workers(1)
    try:
        thread = asyncio.run(workers.run(threading.current_thread))
        assert thread is not threading.main_thread()
        assert thread.daemon
    finally:
        workers.close()
    thread.join(60 * PATIENCE)
    assert not thread.is_alive()


@pytest.mark.parametrize(("raised", "comes"), [(KeyError("x"), KeyError), (StopIteration(), RuntimeError)])
def test_what_it_raises_comes_to_who_waits(raised: Exception, comes: type[Exception]) -> None:
    workers = Workers(1)

    def fail() -> None:
        raise raised

    with pytest.raises(comes):
        asyncio.run(workers.run(fail))
    workers.close()


def test_what_nobody_waits_for_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    workers = Workers(1)
    workers.start(lambda: 1 // 0)
    assert asyncio.run(workers.run(lambda: "next")) == "next"
    workers.close()
    assert "ZeroDivisionError" in caplog.text


def test_who_has_left_is_not_told() -> None:
    workers = Workers(1)
    go = threading.Event()

    async def leave() -> None:
        waiting = asyncio.create_task(workers.run(lambda: go.wait(60 * PATIENCE)))
        await asyncio.sleep(0)
        waiting.cancel()

    asyncio.run(leave())
    go.set()
    assert asyncio.run(workers.run(lambda: "next")) == "next"
    workers.close()
