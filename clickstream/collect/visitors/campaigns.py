"""What an address says about the advertisement that led to it."""

from functools import lru_cache
from typing import Final, NamedTuple

from clickstream.collect.protocols.model import Unacceptable
from clickstream.collect.protocols.query import parameters

LONGEST: Final = 200  # characters of each; the rest is cut
LONGEST_KNOWN: Final = 500  # characters of a query; longer ones are read each time

_FIELDS: Final = {
    "utm_source": "source",
    "utm_medium": "medium",
    "utm_campaign": "name",
    "utm_term": "term",
    "utm_content": "content",
}
# Ids that advertisers put into addresses by themselves: by whom, how it was paid for, and whether it is a campaign:
# Facebook adds its own to every link.
_CLICK_IDS: Final = {
    "gclid": ("google", "cpc", True),
    "wbraid": ("google", "cpc", True),
    "gbraid": ("google", "cpc", True),
    "msclkid": ("bing", "cpc", True),
    "ttclid": ("tiktok", "cpc", True),
    "fbclid": ("facebook", "social", False),
}


class Campaign(NamedTuple):
    """All None when the address names none. `paid`: somebody pays for it, or named it."""

    source: str | None = None
    medium: str | None = None
    name: str | None = None
    term: str | None = None
    content: str | None = None
    paid: bool = False


NONE: Final = Campaign()


def campaign(query: str) -> Campaign:
    """By the query of a page's address: utm_* parameters, else the click ids of advertisers."""
    if "utm_" not in query and "clid=" not in query and "braid=" not in query and "clkid=" not in query:
        return NONE
    return _known(query) if len(query) <= LONGEST_KNOWN else _told(query)


def _told(query: str) -> Campaign:
    fields: dict[str, str] = {}
    advertiser: tuple[str, str, bool] | None = None
    try:
        told = parameters(query)
    except Unacceptable:
        return NONE
    for name, value in told:
        if not value:
            continue
        if name in _FIELDS:
            fields.setdefault(_FIELDS[name], value[:LONGEST])
        elif advertiser is None:
            advertiser = _CLICK_IDS.get(name)
    if fields:
        return Campaign(**fields, paid=True)
    return Campaign(*advertiser[:2], paid=advertiser[2]) if advertiser else NONE


_known = lru_cache(maxsize=1_024)(_told)
