"""Product events: the tally and its proof, events by name over time, and different users per minute."""

from typing import Any

import msgspec

from clickstream.errors import ClickstreamError
from clickstream.history.model import EVENTS, EventTally
from clickstream.inspect.topicreader import Stage
from clickstream.parts.status import living
from clickstream.ui.panels.contract import StateKind
from clickstream.ui.panels.figures import bucket_of
from clickstream.ui.past import Asked, Unhurried, checked, history_of, source_of, unread
from clickstream.ui.remembered.asof import Kept
from clickstream.ui.services import Services
from clickstream.ui.statuses import TopicState
from clickstream.ui.tallies import Counted, Ran, Tallies, Told, ran

MINUTE_MS = 60_000
# An event's date has seconds only, and events take a moment: younger ones may still change.
OPEN_MS = 5_000
RATE_OF_MS = 10_000
MAX_NAMES = 12
# In the order in which a visitor does them.
USUAL = ("productview", "addtobasket", "removefrombasket", "purchase")

Values = list[int | None]


class Params(Asked, frozen=True, forbid_unknown_fields=True):
    """See Asked; filters are of clicks, and mean nothing here."""


class State(msgspec.Struct, frozen=True):
    """`series`: events of each name in the buckets that begin at `times`, None is not known; `totals` are of the range.

    Of what was written after `read_until` not all is read yet (None: all is).
    `rates`: per second, in the last ten seconds that are final. `users`: different ones in each of `minutes`. `more`
    names are left out. `tally`, `proof` and `ran` are of `counted_at`; `count_words` say why they are not known.
    """

    from_: int = msgspec.field(name="from")
    to: int
    bucket: int
    final: int
    covered_from: int | None
    read_until: int | None
    times: list[int]
    series: dict[str, Values]
    totals: dict[str, int]
    rates: dict[str, float]
    names: list[str]
    more: int
    minutes: list[int]
    users: Values
    tally: Told | None
    proof: Counted
    ran: Ran
    counted_at: int
    count_words: str
    events: TopicState
    tallies: TopicState


class _Found(msgspec.Struct, frozen=True):
    """`read_until` is of before the counts: what came while they were taken is in some of them."""

    start: int
    end: int
    read_until: int | None
    tally: EventTally
    minutes: EventTally
    last: EventTally


class Count(msgspec.Struct, frozen=True):
    """The tally as of `at` (epoch ms), and how the reading of its topic is going."""

    at: int
    told: Told | None
    proof: Counted
    ran: Ran
    topic: TopicState
    words: str = ""


class LiveCount:
    """The tally as it is."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._tallies = Tallies(services)

    def count(self, now: int) -> Count:
        """What is known at `now`, epoch ms."""
        told = self._tallies.told()
        proof = self._tallies.proof(told, self._services.watching.topics.get(0.0).answer, now)
        statuses = living(self._services.statuses.parts(now / 1000), now / 1000)
        return Count(now, told, proof, ran(statuses, proof.topic), self._tallies.topic())

    def close(self) -> None:
        self._tallies.close()


class PastCount:
    """The tally as it was at an instant."""

    def __init__(self, services: Services, at: int) -> None:
        self._services = services
        self._at = at
        self._kept = Kept(services.memory, at)

    def count(self, now: int) -> Count:
        """What is remembered of it."""
        settings = self._services.settings
        topic = settings["run-counter.to-topic"]
        proof = Counted(settings["run-counter.from-topic"], 0, None, None, None, None)
        missing = TopicState(topic, Stage.MISSING.value, self._at, "", self._services.hints.command(topic))
        try:
            moment = self._kept.moment(now)
        except ClickstreamError as problem:
            unread = msgspec.structs.replace(missing, stage=Stage.LIVE.value)
            return Count(self._at, None, proof, ran([], proof.topic), unread, str(problem))
        others = moment.others
        proof = others.proof or proof
        statuses = living(moment.parts.parts, moment.at / 1000)
        return Count(moment.at, others.told, proof, ran(statuses, proof.topic), others.tallies or missing)

    def close(self) -> None:
        """It holds nothing."""


class ProductsPanel:
    """The tally of product events, and their minutes; see contract.StatePanel."""

    def __init__(self, services: Services, params: Params) -> None:
        """Raises ClickstreamError for parameters that make no sense."""
        checked(params)
        self._params = params
        self._services = services
        self._history = history_of(services)
        self._counted = LiveCount(services) if params.to is None else PastCount(services, params.to)
        self._found: Unhurried[_Found] = Unhurried()

    def state(self, now: int) -> State:
        found = self._found.get(lambda: self._find(now))
        count = self._counted.count(now)
        names = names_of(found.tally.totals, {} if count.told is None else count.told.counts)
        shown = names[:MAX_NAMES]
        missing: Values = [0 if covered else None for covered in _covered(found.tally, found.start)]
        return State(
            from_=found.start,
            to=found.end,
            bucket=bucket_of(self._params.range),
            final=found.end - OPEN_MS,
            covered_from=found.tally.covered_from if found.tally.covered_from > found.start else None,
            read_until=unread(found.read_until, found.end),
            times=found.tally.times,
            series={name: found.tally.names.get(name, missing) for name in shown},
            totals={name: found.tally.totals.get(name, 0) for name in shown},
            rates={name: found.last.totals.get(name, 0) * 1000 / RATE_OF_MS for name in shown},
            names=shown,
            more=len(names) - len(shown),
            minutes=found.minutes.times,
            users=found.minutes.users,
            tally=count.told,
            proof=count.proof,
            ran=count.ran,
            counted_at=count.at,
            count_words=count.words,
            events=source_of(self._services, EVENTS),
            tallies=count.topic,
        )

    def close(self) -> None:
        self._counted.close()

    def _find(self, now: int) -> _Found:
        bucket = bucket_of(self._params.range)
        end = self._params.end(now)
        start = (end - self._params.range) // bucket * bucket
        final = (end - OPEN_MS) // 1000 * 1000
        return _Found(
            start=start,
            end=end,
            read_until=self._history.read_until(EVENTS),
            tally=self._history.tally(start, end, bucket),
            minutes=self._history.tally(start // MINUTE_MS * MINUTE_MS, end, MINUTE_MS),
            last=self._history.tally(final - RATE_OF_MS, final, RATE_OF_MS),
        )


def names_of(*counts: dict[str, int]) -> list[str]:
    """Of events: the usual ones first, then others, those that came most often first."""
    others: dict[str, int] = {}
    for one in counts:
        for name, count in one.items():
            others[name] = max(others.get(name, 0), count)
    usual = [name for name in USUAL if name in others]
    return usual + sorted(set(others) - set(usual), key=lambda name: (-others[name], name))


def _covered(tally: EventTally, start: int) -> list[bool]:
    return [max(time, start) >= tally.covered_from for time in tally.times]


def _make(services: Services, params: Any) -> ProductsPanel:
    return ProductsPanel(services, params)


KIND = StateKind(Params, _make)
