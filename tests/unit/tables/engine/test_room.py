"""How far the reading process may be ahead of the engine."""

from clickstream.tables.engine.fetching.fetcher import AHEAD, Room


def test_large_batches_go_ahead() -> None:
    room = Room()
    for _ in range(AHEAD):
        assert room.wait(0.0)
        room.handed_over(small=False)
    assert not room.wait(0.0)
    room.taken()
    assert room.wait(0.0)


def test_a_small_batch_is_taken_before_the_next() -> None:
    """While the engine rests, what comes is one batch."""
    room = Room()
    room.handed_over(small=True)
    assert not room.wait(0.0)
    room.taken()
    assert room.wait(0.0)
