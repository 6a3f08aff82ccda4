"""Starting over: a new epoch, in which every count begins at the start of the log."""

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.kafka.group import GroupTopic
from clickstream.kafka.produce import Sender
from clickstream.records import CounterState
from clickstream.tally.options import CounterOptions
from clickstream.tally.state import PATIENT, START_OVER, StateLog


def reset(cluster: Cluster, options: CounterOptions) -> int:
    """Forget the group's counts; returns the new epoch. Raises ClickstreamError while the group has members."""
    source = GroupTopic(cluster, options.from_topic, remedy=START_OVER)
    members = source.members(options.group)
    if members:
        raise ClickstreamError(
            f"Group {options.group} has {members} running member{'s' if members > 1 else ''}. Stop them, then reset."
        )
    sender = Sender(cluster.producer(PATIENT))
    states = StateLog(cluster, sender, options.group)
    try:
        states.open()
        over = list(states.fold.states.values())
        epoch = states.fold.epoch + 1
        begins = source.begin(range(source.partitions()))
        states.save(
            CounterState(
                epoch=epoch,
                topic=options.from_topic,
                topic_id=source.id,
                field=options.field,
                output=options.to_topic,
                partition=partition,
                next_offset=begin,
                counts={},
            )
            for partition, begin in begins.items()
        )
        # Only once the new epoch is acknowledged: a crash in between leaves either the old or the new one.
        states.forget(over)
        return epoch
    finally:
        states.close()
        sender.close()
