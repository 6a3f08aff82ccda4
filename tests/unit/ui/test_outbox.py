import asyncio

from clickstream.ui.outbox import Kind, Outbox
from tests.support import PATIENCE


def taken(outbox: Outbox, number: int) -> list[tuple[Kind, str, str]]:
    async def take() -> list[tuple[Kind, str, str]]:
        return [await outbox.take() for _ in range(number)]

    return asyncio.run(take())


def test_the_latest_frame_of_a_slot_wins_and_keeps_its_turn() -> None:
    outbox = Outbox()
    outbox.put(Kind.STATE, "a", "old")
    outbox.put(Kind.STATE, "b", "of b")
    outbox.put(Kind.STATE, "a", "new")
    assert len(outbox) == 2
    assert outbox.overwritten == 1
    assert taken(outbox, 2) == [(Kind.STATE, "a", "new"), (Kind.STATE, "b", "of b")]


def test_it_is_bounded_however_much_is_put() -> None:
    outbox = Outbox()
    for number in range(10_000):
        for id_ in ("a", "b", "c"):
            outbox.put(Kind.STATE, id_, f"state {number}")
            outbox.put(Kind.FEED, id_)
        outbox.put(Kind.BEAT, frame=str(number))
    assert len(outbox) == 7


def test_what_was_meant_for_a_closed_panel_is_not_sent() -> None:
    outbox = Outbox()
    outbox.put(Kind.HELLO, frame="hello")
    outbox.put(Kind.STATE, "a", "of a")
    outbox.put(Kind.ERROR, "a", "error of a")
    outbox.put(Kind.STATE, "b", "of b")
    outbox.forget("a")
    assert taken(outbox, 2) == [(Kind.HELLO, "", "hello"), (Kind.STATE, "b", "of b")]


def test_a_hidden_tab_keeps_only_what_it_needs() -> None:
    outbox = Outbox()
    outbox.put(Kind.STATE, "a", "of a")
    outbox.put(Kind.BEAT, frame="beat")
    outbox.keep_only(Kind.BEAT)
    assert taken(outbox, 1) == [(Kind.BEAT, "", "beat")]
    assert len(outbox) == 0


def test_taking_waits_for_something() -> None:
    outbox = Outbox()

    async def wait() -> tuple[Kind, str, str]:
        taking = asyncio.create_task(outbox.take())
        await asyncio.sleep(0)
        assert not taking.done()
        outbox.put(Kind.BEAT, frame="1")
        return await asyncio.wait_for(taking, 60 * PATIENCE)

    assert asyncio.run(wait()) == (Kind.BEAT, "", "1")
