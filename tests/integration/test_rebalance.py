"""Members that come and go while events flow."""

from clickstream.kafka.clients import Cluster
from clickstream.topics import ensure
from tests.integration.support import (
    command_of,
    counted_by_hand,
    decreases,
    how_many_counted,
    make_topic,
    running,
    shares,
    tallies,
    written,
)
from tests.support import wait_until


def test_from_one_member_to_three_and_back_every_event_is_counted_once(kafka: str, topic_name: str) -> None:
    make_topic(kafka, topic_name)
    flow = ["run-producer", "-b", kafka, "--topic", topic_name, "--quiet", "--rate", "9000"]
    group, out = f"{topic_name}-group", f"{topic_name}-tally"
    ensure(Cluster(kafka), [out])
    counter = [*command_of(topic_name), "-b", kafka]

    def publish_again() -> None:
        before = written(kafka, out)
        wait_until(lambda: written(kafka, out) > before + 4, 30, "tallies go on")

    # Partitions are distributed in the order of the members' ids, and whoever has the first one publishes:
    # that right moves from the first member to the second, and back.
    with (
        running(*flow) as producer,
        running(*counter, "-X", "client.id=b") as first,
    ):
        publish_again()
        with running(*counter, "-X", "client.id=a") as second, running(*counter, "-X", "client.id=c") as third:
            wait_until(lambda: shares(kafka, group) == [1, 1, 1], 30, "three members share")
            publish_again()
            assert (second.stop(), third.stop()) == (0, 0), second.said() + third.said()
            counted = [how_many_counted(second.said()), how_many_counted(third.said())]
        wait_until(lambda: shares(kafka, group) == [3], 30, "one member has all")
        publish_again()
        assert producer.stop() == 0, producer.said()
        by_hand = counted_by_hand(kafka, topic_name)
        events = sum(by_hand.values())
        assert f"acknowledged {events:,}, failed 0" in producer.said()
        wait_until(lambda: sum(tallies(kafka, out)[-1].values()) >= events, 30, "everything is counted", 0.2)
        assert first.stop() == 0, first.said()
        counted.append(how_many_counted(first.said()))
    found = tallies(kafka, out)
    assert found[-1] == by_hand
    assert decreases(found) == []
    # Each hands over what it has saved: nothing is counted again, and everyone had a share.
    assert sum(counted) == events
    assert min(counted) > 0
