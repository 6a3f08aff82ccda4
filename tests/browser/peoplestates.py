"""States of the pages about people: sessions, errors, products. As the server's panels make them."""

import math
from typing import Any

MINUTE = 60_000
GAP = 30_000
LIVE = {"stage": "live", "since": 0, "words": ""}
NAMES = ("ClaraTanaka", "PavelLindqvist", "AmaraYilmaz", "KenjiYilmaz", "FreyaSato", "LuciaReyes", "OmarCastillo")
CITIES = ("Leeds", "Utrecht", "Pune", None)
PAGES = ("/index.html", "/cart.html", "/reports/quarter.csv", "/products/desk-lamp-with-a-very-long-name.html")


def topic(name: str, **members: Any) -> dict[str, Any]:
    return {"name": name, "command": f"clickstream fill {name}", **LIVE, **members}


def missing(name: str) -> dict[str, Any]:
    return topic(name, stage="missing", words=f"There is no topic {name}.")


def name_of(user: int) -> str:
    return f"{NAMES[user % len(NAMES)]}_{user}"


def sessions_of(user: int, from_: int, to: int) -> list[dict[str, Any]]:
    """Sessions of a user in view: each of them stays where it is as time goes on."""
    period = 150_000 + user * 7_000
    found: list[dict[str, Any]] = []
    for number in range((from_ - 120_000 - user * 11_000) // period, to // period + 1):
        start = number * period + user * 11_000
        length = 20_000 + (number * 37 + user * 13) % 90 * 1_000
        clicks = [at for at in range(start, start + length + 1, 9_000) if from_ <= at <= to]
        if clicks:
            found.append(
                {
                    "start": start,
                    "last": clicks[-1],
                    "bytes": int(3_000 * math.exp((number * 7 + user * 5) % 60 / 9)),
                    "hits": len(clicks),
                    "open": to - clicks[-1] < GAP,
                    "clicks": clicks,
                    "bridges": [],
                }
            )
    if user == 3 and found and found[-1]["last"] - found[-1]["start"] > 20_000:
        bridge = {"start": found[-1]["start"] + 9_000, "end": found[-1]["start"] + 18_000, "at": to - 9_000}
        found[-1]["bridges"] = [bridge]
    return found


def sessions(params: dict[str, Any], now: int) -> dict[str, Any]:
    to = params["to"] or now
    from_ = to - params["range"]
    picked = [value for dim, sign, value in params["filters"] if dim == "user" and sign == "="]
    users = [int(value) for value in picked] or list(range(60))
    lanes: list[dict[str, Any]] = [
        {"user": str(user), "name": name_of(user), "sessions": bars}
        for user in users
        if (bars := sessions_of(user, from_, to))
    ]
    rows = [row(lane, bar) for lane in lanes for bar in lane["sessions"]]
    over = params.get("over")
    chosen = [one for one in rows if over is None or one["bytes"] > over]
    chosen.sort(key=lambda one: one[params["sort"]] or "", reverse=params["down"])
    sizes: dict[int, list[int]] = {}
    for one in rows:
        digits = 10 ** max(0, len(str(one["bytes"])) - 2)
        sizes.setdefault(-(-one["bytes"] // digits) * digits, [0, 0])[one["open"]] += 1
    minutes = list(range(from_ // MINUTE * MINUTE, to, MINUTE))
    shown: list[Any] = lanes[: params["lanes"]]
    return {
        "from": from_,
        "to": to,
        "final": to - 5_000,
        "newest": now - 300,
        "covered_from": None,
        "gap": GAP,
        "total": len(rows),
        "open": sum(one["open"] for one in rows),
        "seen": len(rows),
        "users": len(lanes),
        "lanes": shown + [None] * (params["lanes"] - len(shown)),
        "sizes": [[octets, *counts] for octets, counts in sorted(sizes.items())],
        "rows": chosen[:50],
        "minutes": minutes,
        "activity": [
            {
                "user": str(user),
                "name": name_of(user),
                "city": CITIES[user % 4],
                "ip": f"10.0.0.{user}",
                "ips": 1 + user % 3,
                "clicks": 300 - user * 9,
                "events": [10 + (index * 7 + user * 3) % 17 for index in range(len(minutes))],
                "pages": [4 + (index * 7 + user * 3) % 9 for index in range(len(minutes))],
            }
            for user in users[:10]
        ],
        "active_users": len(lanes),
        "people": topic("clickstream_users"),
        "clicks": topic("clickstream"),
    }


def row(lane: dict[str, Any], bar: dict[str, Any]) -> dict[str, Any]:
    user = int(lane["user"])
    return {
        "user": lane["user"],
        "name": lane["name"],
        "city": CITIES[user % 4],
        "start": bar["start"],
        "last": bar["last"],
        "length": bar["last"] - bar["start"],
        "hits": bar["hits"],
        "bytes": bar["bytes"],
        "errors": user % 3,
        "page": PAGES[user % 4],
        "open": bar["open"],
        "cut": False,
    }


CODES = {
    "404": ("Page not found", 0.6),
    "407": ("Proxy authentication required", 0.3),
    "405": ("Method not allowed", 0.2),
    "406": ("Not acceptable", 0.2),
    "500": ("Internal server error", 0.1),
    "200": ("Successful", 90.0),
    "302": ("Redirect", 3.0),
}


def errors(params: dict[str, Any], now: int) -> dict[str, Any]:
    to = params["to"] or now
    bucket = {5: 5_000, 15: 10_000, 30: 15_000, 60: 30_000}.get(params["range"] // MINUTE, MINUTE)
    from_ = (to - params["range"]) // bucket * bucket
    times = list(range(from_, to, bucket))
    minutes = list(range(-(-from_ // MINUTE) * MINUTE, to // MINUTE * MINUTE, MINUTE))

    def counts(share: float, at: list[int], step: int) -> list[int]:
        return [int(share * step / 5_000 * (1 + math.sin(time / 70_000 + share))) for time in at]

    codes: list[dict[str, Any]] = []
    for status, (name, share) in CODES.items():
        per_minute = counts(share, minutes, MINUTE)
        codes.append(
            {
                "status": status,
                "name": name,
                "total": sum(counts(share, times, bucket)),
                "last_minute": per_minute[-1] if per_minute else 0,
                "per_minute": per_minute,
                "alerts": {"404": 1, "407": 1}.get(status, 0),
            }
        )
    series = {status: counts(share, times, bucket) for status, (_name, share) in CODES.items() if int(status) >= 400}
    hits = sum(one["total"] for one in codes)
    where = {
        "page": {"rows": [["/offers/winter.html", 432, 80], ["/cart.html", 73, 70]], "more": 17, "total": 680},
        "user": {"rows": [["3", 40, 3], ["4", 20, None]], "more": 0, "total": 60},
        "ip": {"rows": [["10.0.0.3", 40, 3]], "more": 0, "total": 40},
    }
    return {
        "from": from_,
        "to": to,
        "bucket": bucket,
        "final": to - 5_000,
        "newest": now - 300,
        "covered_from": None,
        "read_until": None,
        "times": times,
        "series": series,
        "minutes": minutes,
        "hits_per_minute": [900] * len(minutes),
        "errors_per_minute": [20 + index % 7 for index in range(len(minutes))],
        "hits": hits,
        "errors": sum(map(sum, series.values())),
        "last_hits": 1_000,
        "last_errors": 24,
        "visitors": {"met": 421, "all": 2_000},
        "codes": codes,
        "where": where,
        "names": {"3": name_of(3)},
        "alerts": [
            alert("404", now - 26 * MINUTE, now - 22 * MINUTE, 100, False),
            alert("407", now - 2 * MINUTE, now - 6_000, 18, True),
        ],
        "limit": 5,
        "alerts_topic": topic("errors_per_min_alert"),
        "codes_topic": topic("clickstream_codes"),
        "clicks": topic("clickstream"),
    }


def alert(status: str, from_: int, to: int, peak: int, is_open: bool) -> dict[str, Any]:
    name = CODES[status][0]
    return {"status": status, "name": name, "from": from_, "to": to, "peak": peak, "now": peak - 2, "open": is_open}


EVENTS = {"productview": 620, "addtobasket": 187, "removefrombasket": 71, "purchase": 122}


def products(params: dict[str, Any], now: int) -> dict[str, Any]:
    to = params["to"] or now
    bucket = {5: 5_000, 15: 10_000, 30: 15_000, 60: 30_000}.get(params["range"] // MINUTE, MINUTE)
    from_ = (to - params["range"]) // bucket * bucket
    times = list(range(from_, to, bucket))
    minutes = list(range(from_ // MINUTE * MINUTE, to, MINUTE))
    series = {
        name: [int(rate * bucket / 1_000 * (1 + 0.2 * math.sin(at / 90_000 + rate))) for at in times]
        for name, rate in EVENTS.items()
    }
    series = {name: [*values[:-1], int(values[-1] * (to - times[-1]) / bucket)] for name, values in series.items()}
    counts = {name: rate * 4_182 for name, rate in EVENTS.items()}
    total = sum(counts.values())
    return {
        "from": from_,
        "to": to,
        "bucket": bucket,
        "final": to - 5_000,
        "covered_from": None,
        "read_until": None,
        "times": times,
        "series": series,
        "totals": {name: sum(values) for name, values in series.items()},
        "rates": {name: float(rate) for name, rate in EVENTS.items()},
        "names": list(EVENTS),
        "more": 0,
        "minutes": minutes,
        "users": [2_900 + index % 9 for index in range(len(minutes))],
        "tally": {"group": "clickstream-demo", "counts": counts, "total": total, "at": now - 400, "groups": 1},
        "proof": {
            "topic": "event-topic",
            "partitions": 3,
            "end": total + 1_045,
            "passed": total,
            "behind": 1_045,
            "counted": total,
        },
        "ran": {"producers": 1, "acknowledged": 1_204, "counters": 2, "counted": 1_100, "dead_letters": 0},
        "counted_at": now,
        "count_words": "",
        "events": topic("event-topic"),
        "tallies": topic("unique-event-topic"),
    }


USERS = {"productview": 2_000, "addtobasket": 600, "purchase": 390, "removefrombasket": 230}


def funnel(params: dict[str, Any], now: int) -> dict[str, Any]:
    to = params["to"] or now
    steps: list[dict[str, Any]] = []
    for name in params["steps"]:
        before, first = (steps[-1]["users"], steps[0]["users"]) if steps else (None, None)
        users = min(USERS.get(name, 100), before or 10_000)
        steps.append(step(name, users, before, first))
    removed = step("removefrombasket", 228, 600, 600) if "addtobasket" in params["steps"] else None
    return {
        "from": to - params["range"],
        "to": to,
        "covered_from": None,
        "users": 2_300,
        "window": params["window"],
        "steps": steps,
        "removed": removed,
    }


def step(name: str, users: int, before: int | None, first: int | None) -> dict[str, Any]:
    return {
        "name": name,
        "users": users,
        "conversion": users / before if before else None,
        "overall": users / first if first else 1.0,
        "median_ms": 41_000 if before else None,
        "p90_ms": 190_000 if before else None,
    }


STATES = {"sessions": sessions, "errors": errors, "products": products, "funnel": funnel}
