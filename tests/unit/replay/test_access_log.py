"""A real log, which is not part of the project: read where it lies beside the checkout."""

import itertools
import os
from collections import Counter
from pathlib import Path

import pytest

from clickstream.records import WebClick
from clickstream.replay import files
from clickstream.replay.files import Reader
from clickstream.replay.formats import Malformed, parse
from clickstream.replay.lines import Lines

ROOT = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("CLICKSTREAM_SHARED_DATA") or ROOT.parent / "shared" / "data")


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no folder {SHARED} (CLICKSTREAM_SHARED_DATA names another)")
def test_a_real_log_gives_the_figures_known_of_it() -> None:
    [source] = files.check([str(SHARED / "access.log.gz")])
    parts = [part for part in Reader(source) if isinstance(part, Lines)]
    found = [(number, parse(line)) for part in parts for number, line in enumerate(part.lines, part.first)]
    clicks = [result for _, result in found if isinstance(result, WebClick)]
    malformed = [(number, result.reason[:6]) for number, result in found if isinstance(result, Malformed)]
    assert malformed == [(8899, "agent:")]
    assert len(clicks) == 9_999
    assert Counter(click.status for click in clicks) == {
        200: 9_125,
        304: 445,
        404: 213,
        301: 164,
        206: 45,
        500: 3,
        403: 2,
        416: 2,
    }
    assert sum(click.bytes for click in clicks) == 2_747_282_505
    earlier = [a.time_ms - b.time_ms for a, b in itertools.pairwise(clicks) if b.time_ms < a.time_ms]
    assert max(earlier) == 59_000
