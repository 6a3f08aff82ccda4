"""What the installed client says to properties."""

import pytest
from confluent_kafka import KafkaException, Producer


def refusal(given: dict[str, str]) -> str:
    """What the client says to `given`. It is made to refuse log_level at the latest, so that no client starts."""
    with pytest.raises((KafkaException, TypeError, ValueError)) as error:
        Producer({**given, "log_level": "not a number"})
    return str(error.value)
