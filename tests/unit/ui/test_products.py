"""Product events, and the tally with its proof, on a history without Kafka: numbers against plain counting."""

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from clickstream.history.history import History
from clickstream.inspect.offsets import Limits as Offsets
from clickstream.inspect.refreshed import Seen as Looked
from clickstream.parts.status import DEAD_AFTER_S
from clickstream.parts.status import Seen as Word
from clickstream.records import CounterState, Status, Tally, encode
from clickstream.ui.panels import products
from clickstream.ui.remembered.moment import Others, Parts, packed
from clickstream.ui.remembered.ring import Ring
from clickstream.ui.services import Services
from clickstream.ui.tallies import Counted, Told, ran
from tests.unit.ui.conftest import Watching
from tests.unit.ui.listeners import FakeHub
from tests.unit.ui.visitors import MINUTE, NOW, events, state


def test_product_events_are_those_of_a_plain_count(services: Services, history: History) -> None:
    came = events()
    history.store.add_events(came)
    found = state(services, products)
    for name, values in found.series.items():
        each = Counter(one.time // found.bucket * found.bucket for one in came if one.name == name)
        assert values == [each[at] for at in found.times]
    assert found.totals == Counter(one.name for one in came)
    who: dict[int, set[str | None]] = {}
    for one in came:
        who.setdefault(one.time // MINUTE * MINUTE, set()).add(one.user)
    assert found.users == [len(who.get(at, ())) for at in found.minutes]
    recent = Counter(one.name for one in came if NOW - 15_000 <= one.time < NOW - 5_000)
    assert found.rates == {name: recent[name] / 10 for name in found.names}


def test_the_tally_is_proven_by_saved_counts(
    services: Services, hub: FakeHub, watching: Watching, history: History
) -> None:
    watching.limits = {
        ("event-topic", 0): Offsets(0, 120),
        ("event-topic", 1): Offsets(0, 80),
        ("other", 0): Offsets(0, 9),
    }
    hub.say("unique-event-topic", {"g": Tally({"productview": 150, "purchase": 30}, "2026-01-01").encode()})
    hub.say(
        "g-state",
        {"old": saved(1, 0, 999), "0": saved(2, 0, 110, {"productview": 105}), "1": saved(2, 1, 75, {"purchase": 75})},
    )
    found = state(services, products)
    assert (found.tally.group, found.tally.total) == ("g", 180)
    assert found.proof == Counted("event-topic", 2, end=200, passed=185, behind=15, counted=180)
    assert found.names == ["productview", "purchase"]


def test_a_partition_that_is_ahead_of_an_older_look_hides_nothing_of_the_others(
    services: Services, hub: FakeHub, watching: Watching
) -> None:
    watching.limits = {("event-topic", number): Offsets(0, 100) for number in range(2)}
    watching.asked_at = NOW / 1000 - 5
    tell(hub, (0, 160), (1, 70))
    proof = state(services, products).proof
    assert (proof.end, proof.passed, proof.behind) == (260, 230, 30)


def test_what_is_beyond_the_ends_of_a_newer_look_is_all_behind(
    services: Services, hub: FakeHub, watching: Watching
) -> None:
    tallies = products.LiveCount(services)
    watching.limits = {("event-topic", 0): Offsets(0, 1_000)}
    tell(hub, (0, 990))
    assert tallies.count(NOW).proof.behind == 10
    watching.limits = {("event-topic", 0): Offsets(0, 300)}  # recreated
    watching.asked_at = NOW / 1000 + 1
    proof = tallies.count(NOW + 2_000).proof
    assert (proof.end, proof.passed, proof.behind) == (300, 990, 300)
    tallies.close()


def test_what_was_deleted_and_was_never_counted_is_not_behind(
    services: Services, hub: FakeHub, watching: Watching
) -> None:
    watching.limits = {("event-topic", 0): Offsets(50, 80), ("event-topic", 1): Offsets(20, 90)}
    tell(hub, (0, 40))
    assert state(services, products).proof.behind == 30 + 70


def test_while_a_partition_has_no_leader_it_is_not_known_where_the_topic_ends(
    services: Services, hub: FakeHub, watching: Watching
) -> None:
    watching.limits, watching.leaderless = {("event-topic", 0): Offsets(0, 100)}, {("event-topic", 1): None}
    tell(hub, (0, 90), (1, 500))
    proof = state(services, products).proof
    assert (proof.partitions, proof.end, proof.passed, proof.behind) == (2, None, 590, None)


def tell(hub: FakeHub, *places: tuple[int, int]) -> None:
    """A tally, and the next offsets of partitions up to which it goes."""
    hub.say("unique-event-topic", {"g": Tally({}, "2026-01-01").encode()})
    hub.say("g-state", {str(partition): saved(1, partition, offset) for partition, offset in places})


def test_at_a_past_instant_the_tally_is_the_one_that_is_remembered(services: Services, hub: FakeHub) -> None:
    then = NOW - 5 * MINUTE
    ring = Ring(60 * MINUTE)
    told, proof = Told("g", {"purchase": 7}, 7, then - 300, 1), Counted("event-topic", 2, 20, 19, 1, 18)
    others = Others(told=told, proof=proof, tallies=services.statuses.topic())
    nothing: Looked[Any] = Looked(None, 0.0)
    ring.add(then, packed(nothing, nothing, Parts(services.statuses.topic(), []), [], others))
    services = replace(services, memory=ring)
    hub.say("unique-event-topic", {"g": Tally({"purchase": 99}, "2026-01-01").encode()})
    found = state(services, products, to=then + 4_000)
    assert (found.tally, found.proof, found.counted_at, found.count_words) == (told, proof, then, "")
    assert found.names == ["purchase"]
    early = state(services, products, to=then - 1)
    assert (early.tally, early.proof.end) == (None, None)
    assert "does not reach back so far" in early.count_words
    assert state(services, products).tally.total == 99
    count = products.PastCount(services, then + 4_000)
    shown = count.count(NOW)
    ring.add(then + 120 * MINUTE, packed(nothing, nothing, Parts(services.statuses.topic(), []), [], Others()))
    assert ring.at(then) is None
    assert (count.count(NOW), shown.told) == (shown, told), "what was shown stays, though there is no more room for it"


def saved(epoch: int, partition: int, next_offset: int, counts: dict[str, int] | None = None) -> bytes:
    return encode(
        CounterState(
            epoch=epoch,
            topic="event-topic",
            topic_id="x",
            field="eventName",
            output="unique-event-topic",
            partition=partition,
            next_offset=next_offset,
            counts=counts or {},
        )
    )


def test_what_parts_say_of_the_topic() -> None:
    def status(kind: str, topic: str, **totals: int) -> Status:
        return Status("i", kind, "h", "s", "running", {}, [topic], totals=totals)

    found = ran(
        [
            status("producer", "event-topic", acknowledged=5),
            status("producer", "else", acknowledged=7),
            status("counter", "event-topic", counted=3, dead_letters=1),
            status("counter", "event-topic", counted=1),
        ],
        "event-topic",
    )
    assert (found.producers, found.acknowledged, found.counters, found.counted, found.dead_letters) == (1, 5, 2, 4, 1)


def test_only_what_runs_is_counted(services: Services) -> None:
    then = NOW - 5 * MINUTE
    counters = [Status(name, "counter", "h", "s", "running", {}, ["event-topic"]) for name in ("runs", "killed")]

    def parts(now: float) -> list[Word]:
        return [Word(counters[0], now), Word(counters[1], now - DEAD_AFTER_S - 1)]

    ring = Ring(60 * MINUTE)
    nothing: Looked[Any] = Looked(None, 0.0)
    ring.add(then, packed(nothing, nothing, Parts(services.statuses.topic(), parts(then / 1000)), [], Others()))
    services = replace(services, statuses=cast(Any, SimpleNamespace(parts=parts)), memory=ring)
    assert products.LiveCount(services).count(NOW).ran.counters == 1
    assert products.PastCount(services, then).count(NOW).ran.counters == 1
