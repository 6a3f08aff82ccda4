import json

import pytest

from clickstream.visit.watch import sequences


def test_events_of_the_page_tag_are_counted_by_their_sequence() -> None:
    events = [{"source": "tag", "stream": "v1", "sequence": number, "event": "pageview"} for number in (4, 5)]
    assert list(sequences(json.dumps(events))) == [((None, "v1"), 4), ((None, "v1"), 5)]


def test_each_site_has_a_sequence_of_its_own() -> None:
    events = [{"source": "tag", "site": site, "stream": "v1", "sequence": 0} for site in ("shop", "blog")]
    assert list(sequences(json.dumps(events))) == [(("shop", "v1"), 0), (("blog", "v1"), 0)]


@pytest.mark.parametrize(
    "body",
    [
        None,
        "",
        "a=b",
        "[",
        "{}",
        "[1, null]",
        '[{"source": "json", "stream": "v", "sequence": 1}]',
        '[{"source": "tag"}]',
    ],
)
def test_what_else_a_site_sends_is_not(body: str | None) -> None:
    assert list(sequences(body)) == []
