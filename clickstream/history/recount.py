"""A question about clicks, answered by reading Kafka again: plainly, one click after the other, without the history."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec

from clickstream.enrich.agents import agent
from clickstream.enrich.places import Places
from clickstream.enrich.referrers import referrer
from clickstream.enrich.requests import request
from clickstream.history.decode import MAX_TEXT, SOUND_STATUSES, Click
from clickstream.history.model import Filter, Question, Totals, known_dimensions
from clickstream.history.plain import ClickTotals, Values
from clickstream.history.reread import Reread, reread
from clickstream.kafka.clients import Cluster

TakeClick = Callable[[Click, Values], None]


class Recount(msgspec.Struct, frozen=True):
    """What Kafka has for a question up to `end`. `tops` has all values of each dimension; countries count visitors.

    For the others see Reread; where there is doubt, it is not `complete`.
    """

    start: int
    end: int
    totals: Totals
    visitors: int
    tops: dict[str, dict[str, int]]
    records: int
    skipped: int
    seconds: float
    complete: bool
    words: str


def recount(
    cluster: Cluster,
    topic: str,
    question: Question,
    dims: Sequence[str],
    places: Places,
    stop: threading.Event,
    *,
    own_hosts: Collection[str] = (),
    **bounds: Any,
) -> Recount:
    """Read the topic from the question's start to where it ends now; `bounds` are those of `reread`.

    Raises ValueError for a dimension that there is not, ClickstreamError when Kafka does not answer.
    """
    known_dimensions(dims)
    count = ClickTotals(dims)
    found = reread_clicks(cluster, topic, question, count.take, places, stop, own_hosts=own_hosts, **bounds)
    return Recount(
        start=question.start,
        end=question.end,
        totals=count.totals,
        visitors=count.visitors,
        tops={dim: count.top(dim) for dim in dims},
        records=found.records,
        skipped=found.skipped,
        seconds=found.seconds,
        complete=found.complete and not found.doubt,
        words=found.words or found.doubt,
    )


def reread_clicks(
    cluster: Cluster,
    topic: str,
    question: Question,
    take: TakeClick,
    places: Places,
    stop: threading.Event,
    *,
    own_hosts: Collection[str] = (),
    **bounds: Any,
) -> Reread:
    """Hand each click of the question, that fits its filters, to `take`, with its values. Raises as `recount`."""
    known_dimensions([one.dim for one in question.filters])

    def fitting(click: Click) -> None:
        values = values_of(click, places, own_hosts)
        if fits(values, question.filters):
            take(click, values)

    return reread(cluster, topic, Click, question.start, question.end, fitting, stop, **bounds)


def values_of(click: Click, places: Places, own_hosts: Collection[str] = ()) -> dict[str, str | None]:
    """A click's value in each dimension; None where it is not known."""
    program, place = agent(click.agent), places.place(click.ip)
    return {
        "page": request(click.request).page,
        "referrer": referrer(click.referrer, own_hosts),
        "browser": program.browser,
        "os": program.os,
        "device": program.device,
        "bot": "true" if program.bot else "false",
        # A range looks for what is no number by going through all of its numbers.
        "status": str(click.status) if click.status is not None and click.status in SOUND_STATUSES else None,
        "country": place.country,
        "city": place.city,
        "user": None if click.userid is None else str(click.userid),
        "ip": click.ip[:MAX_TEXT] if click.ip else None,
    }


def fits(values: Mapping[str, str | None], filters: Sequence[Filter]) -> bool:
    """Whether a click with these values passes the filters."""
    included: dict[str, bool] = {}
    for one in filters:
        same = values[one.dim] == one.value
        if not one.include and same:
            return False
        if one.include:
            included[one.dim] = included.get(one.dim, False) or same
    return all(included.values())
