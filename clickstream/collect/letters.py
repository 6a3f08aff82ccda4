"""What was refused of a request, as a record of the dead-letter topic."""

from clickstream.collect.model import Outgoing, Record, Refused
from clickstream.kafka.deadletter import DeadLetter, Origin, letter_headers

PART = "collect"


def letter_of(refused: Refused, request: str, topic: str) -> Outgoing:
    """`request` is its endpoint, `POST /e`: nothing that its sender chose."""
    origin = Origin(request=request, index=refused.index)
    reason = f"{refused.reason.value}: {refused.detail}"
    letter = DeadLetter(refused.value, reason, origin, kind=refused.reason.value)
    value, headers = letter_headers(letter, PART)
    return Outgoing([Record(topic, None, value, headers)])
