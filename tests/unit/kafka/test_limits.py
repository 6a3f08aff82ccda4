import pytest

from clickstream.kafka.limits import LimitedProducer, explanation
from tests.unit.kafka.brokers import CLUSTER


@pytest.mark.parametrize(
    ("size", "topic_limit", "refused_here", "said"),
    [
        (
            1_234_567,
            1_048_588,
            True,
            "a record of 1,234,567 bytes for topic t is larger than the producer sends (message.max.bytes is "
            "1,000,000): use -X message.max.bytes=1300000 and raise max.message.bytes of the topic, now 1,048,588, "
            "to 1300000 or more",
        ),
        (
            1_234_567,
            8_000_000,
            True,
            "a record of 1,234,567 bytes for topic t is larger than the producer sends (message.max.bytes is "
            "1,000,000): use -X message.max.bytes=1300000",
        ),
        (
            5_000,
            1_000,
            False,
            "a record of 5,000 bytes is larger than topic t takes (max.message.bytes is 1,000): raise "
            "max.message.bytes of the topic to 100000 or more",
        ),
        (
            500,
            10_000,
            False,
            "a record of 500 bytes came in a batch larger than topic t takes (max.message.bytes is 10,000): raise "
            "max.message.bytes of the topic, or send smaller batches with -X batch.size=5000",
        ),
    ],
)
def test_it_names_topic_size_limit_and_what_to_change(
    size: int, topic_limit: int, refused_here: bool, said: str
) -> None:
    assert explanation("t", size, 1_000_000, topic_limit, refused_here=refused_here) == said


def test_the_limit_is_read_as_the_client_reads_it() -> None:
    producer = LimitedProducer({"message.max.bytes": "0x100000"}, CLUSTER.admin)
    said = producer.too_large("t", 2_000_000, refused_here=True, ask=False)
    assert "(message.max.bytes is 1,048,576)" in said
