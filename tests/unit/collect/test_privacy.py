"""What is told to visitors is what is done."""

import json

import pytest

from clickstream.collect.intake import IntakeOptions
from clickstream.collect.privacy import privacy
from clickstream.collect.stored import FIELDS
from clickstream.records import WebEvent
from tests.unit.collect.sent import NOON, event, intake, only, post

HOUR = 3_600_000


def test_every_field_of_an_event_is_told() -> None:
    assert tuple(FIELDS) == WebEvent.__struct_fields__


@pytest.mark.parametrize("address", ["truncated", "full"])
def test_how_addresses_are_stored(address: str) -> None:
    options = IntakeOptions(address=address)  # type: ignore[arg-type]
    assert privacy(options, 0)["address"]["stored"] == address
    stored = only(intake(address=address).take(post(event()))).address
    assert (stored == "203.0.113.77") is (address == "full")


def test_whether_places_are_looked_up() -> None:
    assert privacy(IntakeOptions(), 0)["address"]["looked_up"] == "not at all"
    assert "country and city" in privacy(IntakeOptions(geo_db="x.mmdb"), 0)["address"]["looked_up"]


def test_salts() -> None:
    one = intake()
    told = privacy(one.options, one.salt_age(NOON))["cookieless_visitors"]
    assert (told["salt_deleted_after_hours"], told["oldest_salt_age_hours"]) == (48, 12.0)
    told = privacy(one.options, one.salt_age(NOON + 30 * HOUR))["cookieless_visitors"]
    assert told["oldest_salt_age_hours"] == 42.0
    assert one.salt_age(NOON + 37 * HOUR) < 48 * HOUR
    assert told["salt_is_in"] == "memory"
    assert "file" in privacy(IntakeOptions(state_dir="x"), 0)["cookieless_visitors"]["salt_is_in"]


def test_where_page_views_go() -> None:
    assert privacy(IntakeOptions(clicks_topic=None), 0)["page_views_of_people"] is None
    assert "_time" in privacy(IntakeOptions(), 0)["page_views_of_people"]["fields"]
    assert privacy(IntakeOptions(events_topic="mine"), 0)["events"]["topic"] == "mine"


def test_it_is_json_and_tells_no_path() -> None:
    text = json.dumps(privacy(IntakeOptions(state_dir="/srv/state", geo_db="/srv/x.mmdb"), 0))
    assert "/srv" not in text
