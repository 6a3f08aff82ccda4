"""Clicks that the tables are measured with."""

import json
from itertools import chain

import pytest

from bench.clicks import DISORDER_MS, Clicks, click

START_MS = 1_700_000_000_000
SPREAD_MS = 720_000


def clicks(count: int, first: int, users: int = 100) -> list[tuple[str, bytes]]:
    return list(chain.from_iterable(Clicks(users, count, START_MS, SPREAD_MS).blocks(first)))


def test_a_click_has_what_the_tables_read() -> None:
    key, value = click(3, START_MS + 7)
    assert json.loads(value) == {
        "ip": key,
        "userid": 4,
        "remote_user": None,
        "time": "14/Nov/2023:22:13:20 +0000",
        "_time": START_MS + 7,
        "request": "GET /index.html HTTP/1.1",
        "status": 200,
        "bytes": 1289,
        "referrer": "/index.html",
        "agent": "curl/8.8.0",
    }


@pytest.mark.parametrize("users", [100, 1_000_000])
def test_a_record_has_200_to_240_bytes(users: int) -> None:
    sizes = [len(value) for _, value in clicks(5_000, 5_000, users)]
    assert min(sizes) >= 200
    assert max(sizes) <= 240


def test_the_first_of_many_are_the_few() -> None:
    assert clicks(10_000, 2_500)[:1_200] == clicks(10_000, 1_200)


def test_there_are_as_many_as_called_for() -> None:
    assert len(clicks(10_000, 2_500)) == 2_500


def test_none_is_late() -> None:
    times = [json.loads(value)["_time"] for _, value in clicks(20_000, 20_000)]
    latest = START_MS
    for time in times:
        assert time > latest - 2 * DISORDER_MS
        latest = max(latest, time)
    assert times != sorted(times)
    assert SPREAD_MS - 2 * DISORDER_MS < latest - START_MS < SPREAD_MS


def test_some_fail_some_are_for_pages_and_some_are_of_nobody() -> None:
    found = [json.loads(value) for _, value in clicks(20_000, 20_000)]
    assert 0.05 < sum(one["status"] > 400 for one in found) / len(found) < 0.15
    assert 0.5 < sum("html" in one["request"] for one in found) / len(found) < 0.65
    assert 0.05 < sum(one["userid"] is None for one in found) / len(found) < 0.15
