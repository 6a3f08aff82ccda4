from typing import cast

import pytest

from clickstream.replay.progress import SAY_EVERY_S, plain
from clickstream.replay.replay import Replay


class Reached:
    lines, consumed, at = 1_234, 50, "17/May/2015:10:05:03 +0000"


@pytest.mark.parametrize(("total", "share"), [(200, " (25% of the input)"), (None, ""), (0, "")])
def test_a_plain_line_now_and_then(caplog: pytest.LogCaptureFixture, total: int | None, share: str) -> None:
    caplog.set_level("INFO")
    clock = iter([0.0, SAY_EVERY_S - 0.1, SAY_EVERY_S + 0.1, SAY_EVERY_S + 0.1, SAY_EVERY_S + 0.2])
    update = plain(total, monotonic=lambda: next(clock))
    for _ in range(3):
        update(cast(Replay, Reached()))
    assert caplog.messages == [f"1,234 lines read{share}, at 17/May/2015:10:05:03 +0000."]
