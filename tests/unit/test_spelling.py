import pytest

from clickstream.kafka import properties
from clickstream.spelling import nearest


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("sasl.usrname", "sasl.username"),
        ("bootstrap.server", "bootstrap.servers"),
        ("SASL.USERNAME", "sasl.username"),
        ("linger_ms", "linger.ms"),
        ("colour", None),
    ],
)
def test_nearest(name: str, near: str | None) -> None:
    assert nearest(name, properties.KNOWN) == near
