"""What /privacy.json tells visitors: how this collector treats them, from its running settings."""

from typing import Any, Final

from clickstream.collect.intake import IntakeOptions
from clickstream.collect.stored import FIELDS
from clickstream.collect.visitors.consent import HEADERS
from clickstream.collect.visitors.salts import DAY_MS, KEPT_DAYS
from clickstream.collect.visitors.sessions import GAP_MS
from clickstream.records import WebClick

_HOUR_MS: Final = 3_600_000
# In the spelling that people look for.
_OPTING_OUT: Final = {"sec-gpc": "Sec-GPC: 1 (Global Privacy Control)", "dnt": "DNT: 1 (Do Not Track)"}


def privacy(options: IntakeOptions, salt_age_ms: int) -> dict[str, Any]:
    """An object of texts and numbers. `salt_age_ms` is how old the oldest salt is."""
    truncated = options.address == "truncated"
    return {
        "opting_out": {
            "headers": [_OPTING_OUT[name] for name in HEADERS],
            "effect": "Nothing of the request is stored, at any endpoint; it is only counted.",
        },
        "address": {
            "stored": "truncated" if truncated else "full",
            "precision": "/24 of IPv4, /48 of IPv6" if truncated else "whole",
            "looked_up": _looked_up(options),
            "in_memory": "Full addresses are in memory while the collector runs, to tell places, agents and limits; "
            "they are in no log.",
        },
        "cookieless_visitors": {
            "id": "BLAKE2b of site, full address and User-Agent header, keyed with the day's random salt",
            "salt_changes": "midnight UTC",
            "salt_deleted_after_hours": KEPT_DAYS * DAY_MS // _HOUR_MS,
            "oldest_salt_age_hours": round(salt_age_ms / _HOUR_MS, 2),
            "salt_is_in": "memory" if options.state_dir is None else "a file that only the collector's user can read",
        },
        "sessions": {
            "end_after_minutes": GAP_MS // 60_000,
            "stored": "hash of the visitor, id of the session and time of its last event; deleted with the salts",
        },
        "events": {"topic": options.events_topic, "fields": FIELDS},
        "page_views_of_people": _clicks(options),
        "refused": "What cannot be read is kept as it was sent, without an address, so that its sender can mend it.",
        "kept": "Events are kept for as long as their topics keep records.",
    }


def _looked_up(options: IntakeOptions) -> str:
    if options.geo_db is None:
        return "not at all"
    return "country and city, by a database on the collector's own machine, before it is truncated"


def _clicks(options: IntakeOptions) -> dict[str, Any] | None:
    """What else is stored of them."""
    if options.clicks_topic is None:
        return None
    return {"topic": options.clicks_topic, "fields": [*WebClick.__struct_encode_fields__]}
