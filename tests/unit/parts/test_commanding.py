import pytest

from clickstream.errors import ClickstreamError
from clickstream.parts.commanding import command, steerable
from clickstream.parts.status import Seen
from clickstream.records import FAILED, Status

NOW = 1_000.0


def part(id: str, kind: str, *, control: bool = True, at: float = NOW) -> Seen:
    return Seen(Status(id, kind, "h", "2026-01-01T00:00:00UTC", "running", {}, [], control=control), at)


WEB, OTHER, VIP = part("web-1", "generate-web"), part("web-2", "generate-web"), part("vip-1", "generate-vip")
DEAF = part("counter-1", "counter", control=False)
DEAD = part("dead-1", "producer", at=NOW - 60)
GONE = Seen(Status("web-0", "generate-web", "h", "2026-01-01T00:00:00UTC", FAILED, {}, [], control=True), NOW)


def test_a_part_is_named_by_its_id_or_by_its_kind() -> None:
    assert steerable([WEB, VIP], "web-1", NOW) is WEB.status
    assert steerable([WEB, VIP], "generate-vip", NOW) is VIP.status
    assert steerable([WEB, OTHER], "web-2", NOW) is OTHER.status
    assert steerable([GONE, WEB], "generate-web", NOW) is WEB.status


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("generate-web", "2 parts are generate-web: name one of web-1, web-2"),
        ("nobody", "No part nobody runs. These heed commands: web-1, web-2, vip-1"),
        ("counter", "counter-1 heeds no commands. Generators do that were started with --allow-control"),
        ("dead-1", "No part dead-1 runs"),
    ],
)
def test_who_cannot_be_asked_is_said(name: str, words: str) -> None:
    with pytest.raises(ClickstreamError, match=words):
        steerable([WEB, OTHER, VIP, DEAF, DEAD], name, NOW)


def test_each_command_has_an_id_of_its_own() -> None:
    assert command("web-1", "pause").id != command("web-1", "pause").id
