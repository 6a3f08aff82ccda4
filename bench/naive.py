"""The loops of the original application, repaired just enough to run: the baseline, naive on purpose.

python -m bench.naive flush|poll ADDRESS TOPIC COUNT            produce, then flush() or poll(0) after each event
python -m bench.naive count ADDRESS TOPIC COUNT OUTPUT          a tally after every event, flushed
"""

import json
import string
import sys
import time
import uuid
from collections import Counter

from confluent_kafka import Consumer, Producer
from faker import Faker

from clickstream.records import EVENT_NAMES, utc_text

ID_LETTERS = string.ascii_lowercase + string.digits


def produce(address: str, topic: str, count: int, *, flush: bool) -> None:
    """Make every event with Faker when it is due, and send it by itself."""
    fake = Faker()
    producer = Producer({"bootstrap.servers": address})
    for _ in range(count):
        event = {
            "date": utc_text(time.time()),
            "productId": fake.lexify("?" * 15, letters=ID_LETTERS),
            "eventName": fake.random_element(EVENT_NAMES),
            "userId": fake.lexify("?" * 8, letters=ID_LETTERS),
        }
        producer.produce(topic, json.dumps(event).encode(), str(uuid.uuid4()))
        if flush:
            producer.flush()
        else:
            producer.poll(0)
    producer.flush()


def tally(address: str, topic: str, count: int, output: str) -> None:
    """Count the first `count` events, and publish the counts after each."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": str(uuid.uuid4()), "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    producer = Producer({"bootstrap.servers": address})
    counts: Counter[str] = Counter()
    while counts.total() < count:
        message = consumer.poll(1.0)
        if message is None or message.error():
            continue
        counts[json.loads(message.value() or b"")["eventName"]] += 1
        producer.produce(output, json.dumps({**counts, "receiveAt": utc_text(time.time())}).encode())
        producer.flush()
    consumer.close()


def main(how: str, address: str, topic: str, count: str, *output: str) -> None:
    if how == "count":
        tally(address, topic, int(count), *output)
    else:
        produce(address, topic, int(count), flush=how == "flush")


if __name__ == "__main__":
    main(*sys.argv[1:])
