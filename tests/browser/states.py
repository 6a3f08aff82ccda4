"""States as the server's panels make them, from numbers that depend on the time alone."""

import math
from typing import Any

MINUTE = 60_000
BUCKETS = {5: 5_000, 15: 10_000, 30: 15_000, 60: 30_000, 360: 60_000, 1440: 300_000}
DELAY = 5_000  # of the watermark

PAGES = [
    ("/index.html", 190),
    ("/products.html", 150),
    ("/cart.html", 84),
    ("/products/desk-lamp-with-a-very-long-name.html", 74),
    ("/search.html", 66),
    ("/products/rotary-phone.html", 61),
    ("/products/field-notebook.html", 52),
    ("/products/brass-compass.html", 47),
    ("/offers.html", 44),
    ("/checkout.html", 41),
    ("/account.html", 37),
    ("/login", 31),
]
REFERRERS = [("(none)", 460), ("www.google.com", 240), ("duckduckgo.com", 70), ("news.ycombinator.com", 50)]
BROWSERS = [("Chrome", 420), ("Safari", 210), ("Firefox", 150), ("Edge", 90), ("Googlebot", 40), ("curl", 20)]
SYSTEMS = [("Windows", 330), ("macOS", 200), ("iOS", 170), ("Android", 150), ("Linux", 90)]
DEVICES = [("Desktop", 580), ("Phone", 310), ("Tablet", 50)]
STATUSES = [("200", 970), ("302", 23), ("404", 8), ("407", 3), ("500", 1)]
NAMES = {
    "200": "Successful",
    "302": "Redirect",
    "404": "Page not found",
    "407": "Proxy authentication required",
    "500": "Internal server error",
}
COUNTRIES = [
    ("US", 442),
    ("DE", 243),
    ("IN", 184),
    ("GB", 137),
    ("FR", 111),
    ("BR", 107),
    ("JP", 80),
    ("CA", 76),
    ("AU", 61),
    ("ZA", 20),
    ("SG", 15),
    ("HK", 10),
    ("MT", 6),
    ("XK", 2),
]


def hits_at(at: int) -> float:
    """Clicks a minute at that time: waves of several lengths, never twice the same."""
    minutes = at / MINUTE
    return 900 + 220 * math.sin(minutes / 9) + 120 * math.sin(minutes / 2.3) + 60 * math.sin(minutes * 5.1)


def errors_at(at: int) -> float:
    return 14 + 10 * math.sin(at / 41_000) + (90 if at // MINUTE % 40 in (10, 11, 12) else 0)


def frame(params: dict[str, Any], now: int) -> dict[str, Any]:
    return {
        "kafka": {"ok": True, "since": None, "words": ""},
        "final": now - DELAY,
        "newest": now - 300,
        "empty": False,
        "behind": None,
        "holds": 60 * MINUTE,
        "alerts": {
            "open": [
                {
                    "status": "407",
                    "name": NAMES["407"],
                    "from": now - 2 * MINUTE,
                    "to": now,
                    "peak": 18,
                    "now": 16,
                    "limit": 5,
                }
            ],
            "earlier": 2,
            "last": now - 20 * MINUTE,
        },
        "numbers": {"overview": {"n": 380}},
    }


def overview(params: dict[str, Any], now: int) -> dict[str, Any]:
    to = params["to"] or now
    bucket = bucket_of(params["range"])
    from_ = (to - params["range"]) // bucket * bucket
    count = math.ceil((to - from_) / bucket)
    times = [from_ + index * bucket for index in range(count)]
    before = [time - params["range"] for time in times]
    share = 0.09 if params["filters"] else 1.0
    series = {
        name: {"values": [make(time) * share for time in times], "before": [make(time) * share for time in before]}
        for name, make in SERIES.items()
    }
    passed = (to - times[-1]) / bucket  # of the youngest bucket, which has only a part of its clicks yet
    for name in ("hits", "bytes", "errors_per_min"):
        series[name]["values"][-1] *= passed
    series["errors"] = {name: [value / share for value in values] for name, values in series["errors"].items()}
    figures = {
        name: {
            "value": one["values"][-2],
            "mean": sum(one["values"]) / count,
            "before": sum(one["before"]) / count,
            "few": False,
            "spark": one["values"][-61:-1],
        }
        for name, one in series.items()
        if name != "errors_per_min"
    }
    return {
        "from": from_,
        "to": to,
        "bucket": bucket,
        "final": min(to, now - DELAY),
        "newest": now - 300,
        "covered_from": None,
        "hits": 59_000,
        "setup": None,
        "figures": figures,
        "series": series,
        "alerts": [
            {"status": "404", "name": NAMES["404"], "from": now - 26 * MINUTE, "to": now - 22 * MINUTE, "peak": 100},
            {"status": "407", "name": NAMES["407"], "from": now - 2 * MINUTE, "to": now, "peak": 18},
        ],
        "read_until": None,
        "tops": tops(share),
        "names": {"status": NAMES},
        "places": {"source": "made up", "unknown": 12},
    }


SERIES = {
    "visitors": lambda at: hits_at(at) * 0.41,
    "hits": hits_at,
    "bytes": lambda at: hits_at(at) * 160,
    "errors": lambda at: errors_at(at) / hits_at(at),
    "active": lambda at: hits_at(at) * 0.12,
    "errors_per_min": errors_at,
}


def bucket_of(range_: int) -> int:
    return BUCKETS.get(range_ // MINUTE) or next(
        (one for one in (1_000, 2_000, 5_000, 10_000, 15_000, 30_000) if range_ / one <= 130), MINUTE
    )


def tops(share: float = 1.0) -> dict[str, Any]:
    lists = {
        "page": PAGES,
        "referrer": REFERRERS,
        "browser": BROWSERS,
        "os": SYSTEMS,
        "device": DEVICES,
        "status": STATUSES,
        "country": COUNTRIES,
    }
    return {name: top(values, share * (1 if name == "country" else 40)) for name, values in lists.items()}


def top(values: list[tuple[str, int]], factor: float) -> dict[str, Any]:
    rows = [[value, int(number * factor), int(number * factor * 0.95)] for value, number in values]
    return {"rows": rows, "more": 0, "total": sum(row[1] for row in rows)}


def empty(params: dict[str, Any], now: int) -> dict[str, Any]:
    """Kafka answers, and there is nothing in it."""
    state = overview(params, now)
    nothing = {"values": [0] * len(state["series"]["hits"]["values"]), "before": None}
    figure: dict[str, Any] = {"value": 0, "mean": 0, "before": None, "few": True, "spark": []}
    steps = [
        {"ok": True, "words": "Kafka answers at localhost:9092", "command": None},
        {
            "ok": False,
            "words": "The topic clickstream is empty. Make up some clicks:",
            "command": "clickstream generate web",
        },
        {"ok": False, "words": "or send the ones you have:", "command": "clickstream replay access.log"},
    ]
    return {
        **state,
        "final": None,
        "newest": None,
        "hits": 0,
        "setup": {"title": "No clicks yet", "steps": steps},
        "figures": dict.fromkeys(state["figures"], figure),
        "series": dict.fromkeys(state["series"], nothing),
        "alerts": [],
        "tops": {name: {"rows": [], "more": 0, "total": 0} for name in state["tops"]},
    }


def empty_frame(params: dict[str, Any], now: int) -> dict[str, Any]:
    return {**frame(params, now), "final": None, "newest": None, "empty": True, "alerts": None, "numbers": {}}


def filtered_to_nothing(params: dict[str, Any], now: int) -> dict[str, Any]:
    state = overview(params, now)
    return {**empty(params, now), "final": state["final"], "newest": state["newest"], "setup": None}


def quiet(params: dict[str, Any], now: int) -> dict[str, Any]:
    """Kafka answers, and nobody has clicked for four minutes."""
    return {**overview(params, now), "newest": now - 4 * MINUTE}


def kafka_away(since: int) -> Any:
    def make(params: dict[str, Any], now: int) -> dict[str, Any]:
        return {**frame(params, now), "kafka": {"ok": False, "since": since, "words": "connection refused"}}

    return make
