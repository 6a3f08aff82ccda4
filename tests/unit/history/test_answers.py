"""Answers from rows and from sums equal those of plain Python, whatever comes late, twice or filtered."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream.history.answers import Answers
from clickstream.history.decode import Click
from clickstream.history.model import DIMENSIONS, Filter, Question
from clickstream.history.sessions import sessions
from clickstream.history.store import Limits, Store
from tests.unit.history import oracle
from tests.unit.history.oracle import BASE, PLACES

SPAN_MS = 20 * 60_000
LONG = Limits(history_ms=3_600_000)
# Its rows are dropped long before the end of the clicks: most is answered from sums.
SHORT = Limits(history_ms=3 * 60_000)

clicks = st.builds(
    Click,
    time=st.integers(0, SPAN_MS).map(lambda offset: BASE + offset),
    ip=st.sampled_from(oracle.IPS),
    userid=st.sampled_from(oracle.USERS),
    request=st.sampled_from(list(oracle.PAGES)),
    status=st.sampled_from(oracle.STATUSES),
    bytes=st.sampled_from([0, 1, 278, 4_096, None]),
    referrer=st.sampled_from(list(oracle.REFERRERS)),
    agent=st.sampled_from(list(oracle.AGENTS)),
)
filters = st.lists(
    st.one_of(
        st.builds(Filter, dim=st.just("page"), include=st.booleans(), value=st.sampled_from(["/a", "/b", "/no", None])),
        st.builds(Filter, dim=st.just("status"), include=st.booleans(), value=st.sampled_from(["404", "200", "x"])),
        st.builds(Filter, dim=st.just("user"), include=st.booleans(), value=st.sampled_from(["1", "2", None])),
        st.builds(Filter, dim=st.just("country"), include=st.booleans(), value=st.sampled_from(["US", None])),
        st.builds(Filter, dim=st.just("bot"), include=st.booleans(), value=st.just("true")),
    ),
    max_size=4,
).map(tuple)
ranges = st.tuples(
    st.integers(-60_000, SPAN_MS), st.integers(1, SPAN_MS), st.sampled_from([5_000, 7_000, 60_000, 300_000])
)


def filled(batches: Sequence[Sequence[Click]], limits: Limits) -> Answers:
    store = Store(limits, places=PLACES, clock=lambda: BASE + SPAN_MS)
    store.begin("clicks", 0)
    for batch in batches:
        store.add_clicks(batch)
    return Answers(store)


def question_of(range_: tuple[int, int, int], chosen: tuple[Filter, ...] = ()) -> Question:
    start, length, bucket = range_
    return Question(BASE + start, BASE + start + length, bucket, chosen)


def check_traffic(answers: Answers, came: Sequence[Click], question: Question) -> None:
    found = answers.traffic(question)
    reached = Question(found.covered_from, question.end, question.bucket, question.filters)
    wanted = oracle.traffic(came, reached)
    assert found.totals.hits == sum(wanted.hits.values())
    assert found.totals.bytes == sum(wanted.bytes.values())
    assert found.totals.errors == sum(wanted.errors.values())
    whole = oracle.traffic(came, question)
    assert answers.visitors(question.start, question.end, question.filters) in (None, whole.different)
    for number, start in enumerate(found.times):
        if max(start, question.start) < found.covered_from:
            assert found.hits[number] is None
        else:
            assert found.hits[number] == whole.hits[start]
            assert found.bytes[number] == whole.bytes[start]
            assert found.errors[number] == whole.errors[start]
            for status, counts in found.statuses.items():
                assert counts[number] == whole.statuses[status, start]


@settings(max_examples=10, deadline=None)
@given(batches=st.lists(st.lists(clicks, max_size=30), max_size=5), range_=ranges, chosen=filters, short=st.booleans())
def test_traffic_is_that_of_plain_python(
    batches: list[list[Click]], range_: tuple[int, int, int], chosen: tuple[Filter, ...], short: bool
) -> None:
    answers = filled(batches, SHORT if short else LONG)
    came = [click for batch in batches for click in batch]
    for question in (question_of(range_), question_of(range_, chosen)):
        check_traffic(answers, came, question)
        if not short:
            assert answers.traffic(question).covered_from == question.start, "nothing was dropped"


@settings(max_examples=10, deadline=None)
@given(batches=st.lists(st.lists(clicks, max_size=30), max_size=5), range_=ranges)
def test_sums_reach_back_when_the_rows_are_gone(batches: list[list[Click]], range_: tuple[int, int, int]) -> None:
    """To the minute, or to 5 s."""
    answers = filled(batches, SHORT)
    question = question_of((*range_[:2], 60_000))
    covered = answers.traffic(question).covered_from
    assert covered < question.start + 60_000 or covered == question.end


@settings(max_examples=10, deadline=None)
@given(batches=st.lists(st.lists(clicks, max_size=30), max_size=5), range_=ranges, chosen=filters, short=st.booleans())
def test_tops_are_those_of_plain_python(
    batches: list[list[Click]], range_: tuple[int, int, int], chosen: tuple[Filter, ...], short: bool
) -> None:
    answers = filled(batches, SHORT if short else LONG)
    came = [click for batch in batches for click in batch]
    for question in (question_of(range_), question_of(range_, chosen)):
        for dim, found in answers.tops(question, DIMENSIONS, 3).items():
            reached = Question(found.covered_from, question.end, question.bucket, question.filters)
            wanted = oracle.top(came, reached, dim)
            best = sorted(wanted.items(), key=lambda item: (-item[1], item[0]))[:3]
            assert [(row.value, row.hits) for row in found.rows] == best, dim
            assert (found.total, found.more) == (sum(wanted.values()), max(0, len(wanted) - 3))
            earlier = oracle.top(came, question.before, dim)
            for row in found.rows:
                assert row.before in (None, earlier.get(row.value, 0)), dim
                assert short or row.before is not None


@settings(max_examples=6, deadline=None)
@given(batches=st.lists(st.lists(clicks, max_size=30), min_size=1, max_size=4), range_=ranges, chosen=filters)
def test_questions_between_batches_are_not_answered_from_stale_counts(
    batches: list[list[Click]], range_: tuple[int, int, int], chosen: tuple[Filter, ...]
) -> None:
    store = Store(LONG, places=PLACES, clock=lambda: BASE + SPAN_MS)
    store.begin("clicks", 0)
    answers = Answers(store)
    came: list[Click] = []
    for batch in batches:
        store.add_clicks(batch)
        came += batch
        for question in (question_of(range_), question_of(range_, chosen)):
            check_traffic(answers, came, question)
            open_sessions = answers.active(question)
            for start, value in zip(question.bucket_starts(), open_sessions, strict=True):
                end = min(start + question.bucket, question.end)
                assert value == oracle.active(came, end, question.filters)
        end = question_of(range_).end
        assert answers.current(end) == oracle.traffic(came, Question(end - 300_000, end)).different


@settings(max_examples=10, deadline=None)
@given(batches=st.lists(st.lists(clicks, max_size=40), max_size=4), range_=ranges)
def test_sessions_are_those_of_plain_python(batches: list[list[Click]], range_: tuple[int, int, int]) -> None:
    store = Store(LONG, places=PLACES, clock=lambda: BASE + SPAN_MS)
    store.begin("clicks", 0)
    for batch in batches:
        store.add_clicks(batch)
    came = [click for batch in batches for click in batch]
    question = question_of(range_)
    found = sessions(store, question.start, question.end, 1_000)
    wanted = oracle.sessions(came, question.start, question.end)
    assert sorted((one.user, one.start, one.last, one.hits, one.bytes) for one in found.rows) == wanted
    assert found.total == len(wanted)
    assert found.open == sum(last > question.end - 30_000 for _user, _first, last, _hits, _bytes in wanted)
    for one in found.rows:
        own = sorted(click.time for click in came if str(click.userid) == one.user)
        assert one.clicks == [time for time in own if one.start <= time <= one.last]
        assert one.open == (one.last > question.end - 30_000)


def test_touching_sessions_are_one() -> None:
    came = [Click(BASE + second * 1_000, userid=1) for second in (0, 29, 40, 70, 101)]
    store = Store(LONG, clock=lambda: BASE + SPAN_MS)
    store.begin("clicks", 0)
    store.add_clicks(came)
    found = sessions(store, BASE, BASE + 120_000, 10, final=BASE + 110_000)
    assert [(one.start - BASE, one.last - BASE, one.hits) for one in found.rows] == [
        (101_000, 101_000, 1),
        (0, 70_000, 4),
    ]
    assert [one.open for one in found.rows] == [True, False]
    assert (found.total, found.open) == (2, 1)
    (last,) = sessions(store, BASE, BASE + 120_000, 1).rows
    assert last.clicks == [BASE + 101_000]


def test_sessions_of_an_address_and_of_many_bytes() -> None:
    came = [Click(BASE + number * 1_000, userid=1, ip=f"10.0.0.{number % 2}", bytes=number) for number in range(6)]
    store = Store(LONG, clock=lambda: BASE + SPAN_MS)
    store.begin("clicks", 0)
    store.add_clicks(came)
    found = sessions(store, BASE, BASE + 60_000, 10, per_address=True)
    assert [(one.ip, one.bytes, one.clicks[0] - BASE) for one in found.rows] == [
        ("10.0.0.1", 9, 1_000),
        ("10.0.0.0", 6, 0),
    ]
    assert [one.ip for one in sessions(store, BASE, BASE + 60_000, 10, per_address=True, min_bytes=7).rows] == [
        "10.0.0.1"
    ]


def test_filter_and_exclusion_are_all_together() -> None:
    came = [
        Click(BASE + number, request=request, status=200)
        for number, request in enumerate(["GET /a HTTP/1.1", "GET /b HTTP/1.1", None, "GET /a HTTP/1.1"])
    ]
    answers = filled([came], LONG)
    question = Question(BASE, BASE + 1_000)

    def hits(*chosen: Filter) -> int:
        return answers.traffic(Question(question.start, question.end, 60_000, chosen)).totals.hits

    assert (hits(Filter("page", True, "/a")), hits(Filter("page", False, "/a")), hits()) == (2, 2, 4)
    assert (hits(Filter("page", True, None)), hits(Filter("page", False, None))) == (1, 3)
    assert hits(Filter("page", True, "/a"), Filter("page", True, "/b")) == 3


@pytest.mark.parametrize("value", ["' OR 1=1 --", '"', "$start", "'; DROP TABLE clicks_1; --", "\x00", "🦆" * 1_000])
def test_a_value_is_never_part_of_a_statement(value: str) -> None:
    answers = filled([[Click(BASE, request="GET /a HTTP/1.1")]], LONG)
    for dim in DIMENSIONS:
        for include, hits in ((True, 0), (False, 1)):
            question = Question(BASE, BASE + 1_000, 1_000, (Filter(dim, include, value),))
            assert answers.traffic(question).totals.hits == hits


def test_a_dimension_that_there_is_not_is_refused() -> None:
    answers = filled([], LONG)
    with pytest.raises(ValueError, match="no such dimension; there are page"):
        answers.traffic(Question(0, 1, 1, (Filter('page" OR 1=1 --', True, "x"),)))
    with pytest.raises(ValueError, match="no such dimension"):
        answers.tops(Question(0, 1), ["visitor"], 3)


@given(batches=st.lists(st.lists(clicks, max_size=20), max_size=6), range_=ranges, chosen=filters)
@settings(max_examples=6, deadline=None)
def test_an_answer_is_remembered_until_something_changes(
    batches: list[list[Click]], range_: tuple[int, int, int], chosen: tuple[Filter, ...]
) -> None:
    question = question_of(range_, chosen)

    def asked(answers: Answers) -> tuple[Any, ...]:
        here = answers.traffic(question), answers.active(question)
        return *here, answers.current(question.end, chosen), answers.active_at(question.end, chosen)

    growing = filled([], SHORT)
    for number, batch in enumerate(batches):
        growing._store.add_clicks(batch)
        assert asked(growing) == asked(growing) == asked(filled(batches[: number + 1], SHORT))


def test_what_several_panels_ask_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = filled([[Click(time=BASE + 1)]], LONG)
    question = Question(BASE, BASE + 60_000)
    first = answers.traffic(question), answers.current(question.end), answers.active_at(question.end)
    monkeypatch.setattr(answers._store, "db", None)
    assert (answers.traffic(question), answers.current(question.end), answers.active_at(question.end)) == first


def test_before_anything_is_read_nothing_is_claimed() -> None:
    answers = Answers(Store(LONG))
    question = Question(BASE, BASE + 60_000, 60_000)
    found = answers.traffic(question)
    assert (found.hits, found.covered_from, found.totals.hits) == ([None], question.end, 0)
    assert answers.current(question.end) is None
    assert answers.active_at(question.end) is None


@pytest.mark.parametrize("question", [Question(5, 5), Question(5, 4), Question(0, 1, 0), Question(0, 10**9, 1)])
def test_a_question_without_sense_is_refused(question: Question) -> None:
    with pytest.raises(ValueError, match=r"needs a start|too many"):
        filled([], LONG).traffic(question)
