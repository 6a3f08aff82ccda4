"""What the store keeps, and how much of it."""

import random

import pytest

from clickstream.history import store as store_module
from clickstream.history.answers import Answers
from clickstream.history.decode import Click, ProductEvent, VipAction
from clickstream.history.model import CLICKS, EVENTS, VIP, Question
from clickstream.history.rollups import Level, cover
from clickstream.history.segments import Segments
from clickstream.history.store import AHEAD, FOREVER, LATE, Limits, Store
from clickstream.records import utc_text

BASE = 1_600_000_200_000


def store_of(limits: Limits, now: int = BASE + 10**9) -> Store:
    store = Store(limits, clock=lambda: now)
    for kind in (CLICKS, EVENTS, VIP):
        store.begin(kind, 0)
    return store


def some_clicks(start: int, number: int, step: int = 100) -> list[Click]:
    return [
        Click(start + step * index, ip=f"10.0.{index % 7}.1", request=f"GET /{index % 5} HTTP/1.1", status=200, bytes=1)
        for index in range(number)
    ]


def test_no_more_rows_than_allowed_and_coverage_says_so() -> None:
    store = store_of(Limits(rows=2_000))
    for minute in range(20):
        store.add_clicks(some_clicks(BASE + minute * 60_000, 600))
        assert store.rows[CLICKS].rows <= 2_000
    coverage = store.coverage()
    assert coverage.rows_from is not None
    assert BASE + 15 * 60_000 <= coverage.rows_from <= BASE + 18 * 60_000, "a drop takes away a sixteenth, not more"
    assert coverage.rollups_from is not None
    assert coverage.rollups_from < BASE
    question = Question(BASE, BASE + 20 * 60_000)
    assert Answers(store).traffic(question).totals.hits == 12_000, "the sums are all there"


def test_a_kind_that_comes_fast_does_not_push_out_the_others() -> None:
    store = store_of(Limits(rows=4_000))
    store.add_clicks(some_clicks(BASE, 500))
    store.add_vip([VipAction(BASE + number, f"u{number % 9}") for number in range(100)])
    for second in range(40):
        store.add_events([ProductEvent(utc_text(BASE // 1_000 + second), "purchase", "p", "u")] * 1_000)
    assert store.rows[CLICKS].rows == 500
    assert store.rows[VIP].rows == 100
    assert store.rows[EVENTS].rows <= 3_400
    since = store.since(EVENTS)
    assert since is not None
    assert since > BASE + 30_000


def test_what_is_older_than_the_history_is_dropped() -> None:
    store = store_of(Limits(history_ms=60_000))
    for second in range(0, 300, 5):
        store.add_clicks(some_clicks(BASE + second * 1_000, 10))
        store.add_events([ProductEvent(utc_text(BASE // 1_000 + second), "purchase", "p", "u")])
    assert store.rows[CLICKS].rows <= 140
    assert store.rows[EVENTS].rows <= 14
    store.add_events([ProductEvent(utc_text(BASE // 1_000), "purchase", "p", "u")])
    assert store.skipped[EVENTS][LATE] == 1


def test_a_click_ahead_of_the_clock_pushes_nothing_out() -> None:
    store = store_of(Limits(), now=BASE + 60_000)
    store.add_clicks(some_clicks(BASE, 100))
    store.add_clicks([Click(253_402_300_799_999), Click(BASE + 120_001), Click(BASE + 120_000)])
    assert store.newest() == BASE + 120_000
    assert store.rows[CLICKS].rows == 101
    assert store.skipped[CLICKS][AHEAD] == 2


def test_texts_that_no_row_has_any_more_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clickstream.history.store.FORGET_ABOVE", 100)
    monkeypatch.setitem(__import__("clickstream.history.rollups", fromlist=["KEPT_MS"]).KEPT_MS, "seen", 60_000)
    monkeypatch.setitem(__import__("clickstream.history.rollups", fromlist=["KEPT_MS"]).KEPT_MS, "minutes", 60_000)
    monkeypatch.setitem(__import__("clickstream.history.rollups", fromlist=["KEPT_MS"]).KEPT_MS, "fine", 60_000)
    monkeypatch.setitem(__import__("clickstream.history.rollups", fromlist=["KEPT_MS"]).WINDOWS_MS, "minutes", 600_000)
    store = store_of(Limits(history_ms=60_000))
    most = 0
    for minute in range(40):
        start = BASE + minute * 60_000
        store.add_clicks(
            [
                Click(start + number, ip=f"10.1.{minute}.{number}", request=f"GET /{minute}/{number}")
                for number in range(50)
            ]
        )
        most = max(most, len(store.clicks.codes["page"]))
    assert most < 1_500
    found = Answers(store).tops(Question(start, start + 60_000), ["page", "ip"], 3)
    assert found["page"].total == 50
    assert found["ip"].rows[0].value.startswith("10.1.39.")


def test_absurd_numbers_do_no_harm() -> None:
    store = store_of(Limits())
    store.add_clicks([Click(BASE + number, bytes=2**63, status=2**40, userid=2**70) for number in range(100)])
    store.add_clicks([Click(BASE + 600_000 + number, bytes=2**40 - 1) for number in range(100)])
    found = Answers(store).traffic(Question(BASE, BASE + 700_000))
    assert found.totals.hits == 200
    assert found.totals.bytes == 100 * (2**40 - 1)


def test_clicks_that_are_too_old_when_they_come_are_in_the_sums() -> None:
    """They come in one batch with the click that makes them old, and before their bucket was summed up."""
    store = store_of(Limits(history_ms=60_000))
    store.add_clicks(some_clicks(BASE, 10))
    store.add_clicks([*some_clicks(BASE + 1_000, 10), *some_clicks(BASE + 600_000, 10)])
    found = Answers(store).traffic(Question(BASE, BASE + 660_000))
    assert (found.covered_from, found.totals.hits) == (BASE, 30)
    assert store.rows[CLICKS].rows == 10


def test_rows_that_were_dropped_before_they_were_summed_up_are_not_claimed() -> None:
    store = store_of(Limits(rows=1_000))
    for number in range(40):
        store.add_clicks(some_clicks(BASE + number * 100, 100, 1))
    found = Answers(store).traffic(Question(BASE, BASE + 4_000, 1_000))
    assert found.covered_from > BASE
    assert found.totals.hits == (BASE + 4_000 - found.covered_from)
    store.add_clicks(some_clicks(BASE + 300_000, 10))
    later = Answers(store).traffic(Question(BASE, BASE + 360_000))
    assert later.covered_from > BASE
    assert later.totals.hits == BASE + 4_000 - later.covered_from + 10


def test_a_recreated_topic_begins_anew() -> None:
    store = store_of(Limits())
    store.add_clicks(some_clicks(BASE, 1_000))
    store.forget(CLICKS)
    store.begin(CLICKS, 0)
    store.add_clicks(some_clicks(BASE - 3_600_000, 10))
    answers = Answers(store)
    assert answers.traffic(Question(BASE - 7_200_000, BASE + 3_600_000)).totals.hits == 10
    assert answers.traffic(Question(BASE - 7_200_000, BASE + 3_600_000, 7_000)).totals.hits == 10


def test_what_was_read_back_later_is_in_the_sums() -> None:
    store = store_of(Limits(history_ms=60_000))
    store.begin(CLICKS, BASE)
    store.add_clicks(some_clicks(BASE, 100))
    earlier = Question(BASE - 3_600_000, BASE + 60_000)
    assert Answers(store).traffic(earlier).covered_from == BASE - BASE % 5_000
    store.add_clicks(some_clicks(BASE - 3_000_000, 50))
    store.extend(BASE - 7_200_000)
    found = Answers(store).traffic(earlier)
    visitors = Answers(store).visitors(earlier.start, earlier.end)
    assert (found.covered_from, found.totals.hits, visitors) == (earlier.start, 150, 7)


def level(step: int, since: int, until: int) -> Level:
    return Level(str(step), step, since, until, None)  # type: ignore[arg-type]


def test_a_range_is_covered_by_the_coarsest_that_there_is() -> None:
    levels = [level(60, 0, 600), level(5, 300, 700), level(1, 500, 10_000)]

    def pieces(start: int, end: int) -> list[tuple[int, int, int]]:
        return [(one.level.step, one.start, one.end) for one in cover(start, end, levels)]

    assert pieces(60, 120) == [(60, 60, 120)]
    assert pieces(59, 121) == [], "no seconds are there any more: its end is not reached"
    assert pieces(59, 120) == [(60, 60, 120)], "it reaches only so far"
    assert pieces(303, 721) == [(5, 305, 360), (60, 360, 600), (5, 600, 700), (1, 700, 721)]
    assert pieces(501, 504) == [(1, 501, 504)]
    assert pieces(5, 5) == []


@pytest.mark.parametrize("seed", range(5))
def test_every_range_is_covered_without_gaps_or_overlaps(seed: int) -> None:
    draw = random.Random(seed)
    levels = [level(60, draw.randrange(600), draw.randrange(600)), level(5, 0, draw.randrange(700)), level(1, 200, 999)]
    for _ in range(200):
        start = draw.randrange(900)
        end = start + draw.randrange(1, 900 - start + 1)
        found = cover(start, end, levels)
        at = found[0].start if found else end
        for piece in found:
            assert piece.start == at < piece.end
            assert piece.level.since <= piece.start
            assert piece.end <= piece.level.until
            assert piece.start % piece.level.step == piece.end % piece.level.step == 0
            at = piece.end
        assert at == end


def test_segments_drop_whole_tables() -> None:
    store = store_of(Limits())
    segments: Segments = store.rows[CLICKS]
    store.add_clicks(some_clicks(BASE, 10))
    (one,) = segments.segments
    segments.drop(one)
    assert segments.rows == 0
    left = store.db.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE 'clicks_%'").fetchall()
    assert left == [(1,)], "the empty one stays"


def test_who_remembers_answers_hears_of_which_times_clicks_have_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MAX_TOUCHED", 3)
    store = store_of(Limits())
    changes, _ = store.touched_since(0)
    assert store.touched_since(changes) == (changes, [])
    store.add_clicks(some_clicks(BASE, 3))
    store.add_events([ProductEvent(utc_text(BASE // 1_000), "purchase", "p", "u")])
    later, spans = store.touched_since(changes)
    assert (later, spans) == (changes + 2, [(BASE, BASE + 200)])
    store.extend(0)
    assert store.touched_since(later)[1] == [(0, FOREVER)]
    for _ in range(3):
        store.add_clicks(some_clicks(BASE, 1))
    assert store.touched_since(changes)[1] == [(0, FOREVER)], "more than it knows"
