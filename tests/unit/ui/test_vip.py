"""What platinum customers do, as it comes."""

import json

import msgspec
import pytest

from clickstream.inspect.topicreader import Stage, State
from clickstream.ui.panels import vip
from clickstream.ui.services import Services
from tests.unit.ui.listeners import FakeHub


def test_vip_actions_come_oldest_first_and_no_more_than_can_be_read(services: Services, hub: FakeHub) -> None:
    panel = vip.KIND.make(services, msgspec.convert({}, vip.KIND.params))
    hub.say("vip-action", {})
    panel.take()
    rows: dict[str, bytes | None] = {
        str(number): json.dumps(
            {
                "user_id": f"u{number}",
                "name": "Ann",
                "page": number,
                "action": "cart",
                "event_time": "2020-09-13 12:26:40.5Z",
            }
        ).encode()
        for number in range(40)
    }
    hub.say("vip-action", rows | {"bad": b"{"})
    feed = panel.take()
    assert (len(feed.rows), feed.skipped) == (30, 10)
    assert [feed.rows[0].page, feed.rows[-1].page] == [10, 39]
    assert feed.rows[0].time == 1_600_000_000_500
    panel.close()


@pytest.mark.parametrize(("at", "pages"), [(1_600_000_000_500, 3), (1_600_000_000_499, 0)])
def test_vip_actions_of_a_past_instant_are_those_until_then(
    services: Services, hub: FakeHub, at: int, pages: int
) -> None:
    action = {"user_id": "u", "name": "Ann", "page": 1, "action": "cart", "event_time": "2020-09-13 12:26:40.5Z"}
    later = action | {"event_time": "2020-09-13 12:26:40.6Z"}
    panel = vip.KIND.make(services, msgspec.convert({"at": at}, vip.KIND.params))
    hub.say("vip-action", {})
    panel.take()
    came = {str(number): json.dumps(later if number > 2 else action).encode() for number in range(9)}
    hub.say("vip-action", dict(came))
    feed = panel.take()
    assert (len(feed.rows), feed.skipped, "not among the last records" in feed.words) == (pages, 0, not pages)
    assert ("not among the last records" in panel.take().words) is (not pages), "also when nothing comes"
    hub.say("vip-action", {"new": json.dumps(later).encode()})
    assert panel.take().rows == []
    panel.close()


def test_without_the_result_the_clicks_of_platinum_customers_are_shown(services: Services, hub: FakeHub) -> None:
    hub.recent("vip-action").state = State(Stage.MISSING, 1.0, "There is no topic vip-action.")
    hub.say(
        "vip-users",
        {"a": b'{"user_id":"a","name":"Ann","level":"PLATINUM"}', "b": b'{"user_id":"b","name":"Bo","level":"GOLD"}'},
    )
    panel = vip.KIND.make(services, msgspec.convert({}, vip.KIND.params))
    panel.take()
    hub.say(
        "vip-clicks",
        {
            str(number): json.dumps({"user_id": user, "event_time": 5, "page": 7, "action": "cart"}).encode()
            for number, user in enumerate("abc")
        },
    )
    feed = panel.take()
    assert [(row.name, row.page, row.time) for row in feed.rows] == [("Ann", 7, 5)]
    assert feed.words.endswith("clickstream tables run vip")
    panel.close()
