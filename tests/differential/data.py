"""Made-up topics for the differential tests: seeded, small, and full of borders."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.differential.rows import Record
from tests.differential.texts import moment, time_text

BEGIN = 1_700_000_000_000  # ms; 2023-11-14 22:13:20
DELAY = 5_000  # ms, of every watermark in the files
BORDER = 5_000  # ms; every window of the files begins and ends at a multiple of it
GAPS = (2_000, 3_000, 4_000)  # ms, of sessions

Make = Callable[[random.Random, int, int], dict[str, object]]


@dataclass(frozen=True)
class Variant:
    """How rows arrive. `jitter` (ms): how much later than their turn; `late`: some more than the delay.

    `flink`: without what Flink cannot do: rows without event time end its jobs or get lost, and a deleted row of a
    reference is deleted for the time before, too.
    """

    name: str
    partitions: int = 1
    jitter: int = 0
    late: bool = False
    flink: bool = True
    count: int = 600


# Within the delay is less than the delay: a row as old as the watermark can be the last moment of a closed window.
VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("ordered"),
        Variant("disordered", partitions=3, jitter=DELAY - 100),
        Variant("late", jitter=DELAY, late=True),
        Variant("late-apart", partitions=3, jitter=DELAY, late=True, flink=False),
    )
}


def topics(variant: Variant, seed: int = 1) -> dict[str, list[Record]]:
    """The records of every topic that the files read, by the topic's name without the run's suffix."""
    rng = random.Random(f"{variant.name} {seed}")
    slow = _times(rng, variant.count, 6)
    made = {
        "clicks": _stream(rng, variant, _times(rng, variant.count, 1), _click),
        "clickstream": _stream(rng, variant, slow, _web_click, key="ip"),
        "vip-clicks": _stream(rng, variant, slow[:200], _vip_click, key="user_id"),
        "event-topic": _stream(rng, variant, slow[:300], _event),
    }
    end = slow[-1]
    made |= {
        "users": _reference(rng, variant, end, "userid", range(1, 6), _user),
        "codes": _reference(rng, variant, end, "code", (200, 301, 404, 500), _code),
        "nobody": [],
        "clickstream_users": _reference(rng, variant, end, "user_id", range(1, 6), _web_user),
        "clickstream_codes": _reference(rng, variant, end, "code", (200, 301, 404, 500), _web_code),
        "vip-users": _reference(rng, variant, end, "user_id", [f"user_{one}" for one in range(1, 6)], _vip_user),
    }
    # What is drawn last leaves the others as they are.
    made["taps"] = _stream(rng, variant, _times(rng, variant.count // 2, 2), _click)
    return made


# --- when


def _times(rng: random.Random, count: int, pace: int) -> list[int]:
    """Event times in order: equal ones, gaps that sessions just bridge and just do not, borders of windows."""
    time, made = BEGIN + rng.randrange(10_000), []
    for _ in range(count):
        time += pace * rng.choice((0, 0, 1, 50, 100, 250, 250, 250, 400, 500, 500, 1000, 1000, 4001))
        if rng.random() < 0.05:
            time += BORDER - time % BORDER + rng.choice((-1, 0, 0, 1))
        made.append(time)
    return made


def _arrivals(rng: random.Random, variant: Variant, times: Sequence[int]) -> list[int]:
    """The times in the order in which their rows arrive; late ones stand just before, at and after borders too."""
    turns = [(time + rng.randint(0, variant.jitter), time) for time in times]
    if variant.late:
        turns = [(turn + rng.choice((0,) * 9 + (30_000,)), time) for turn, time in turns]
    made: list[int] = []
    for _turn, time in sorted(turns):
        made.append(time)
        if variant.late and rng.random() < 0.1:
            watermark = max(made) - DELAY
            made.append(watermark // BORDER * BORDER + rng.choice((-BORDER, 0, BORDER)) + rng.choice((-1, 0, 1)))
            made.append(watermark + rng.choice((-1, 0, 1)))
    return made + (_sessions_that_just_close(made[-1]) if variant.late else [])


def _sessions_that_just_close(time: int) -> list[int]:
    """Rows that touch a session whose last moment the watermark has just not reached, reaches, and has passed; and
    rows that would be a session so old by themselves.
    """
    made = []
    for gap in GAPS:
        for beyond in (-1, 0, 1):
            time += 60_000
            made += [time, time + gap - 1 + beyond + DELAY, time + gap]
            time += 60_000
            made += [time, time - DELAY - gap + 1 + beyond]
    return made


# --- streams


def _stream(
    rng: random.Random, variant: Variant, times: Sequence[int], make: Make, key: str | None = None
) -> list[Record]:
    offsets = [0] * variant.partitions
    made = []
    for number, time in enumerate(_arrivals(rng, variant, times)):
        fields = make(rng, number, time)
        name = None if key is None else json.dumps(fields[key]).encode()
        values: list[bytes | None] = [json.dumps(fields, ensure_ascii=rng.random() < 0.5).encode()]
        if rng.random() < 0.1:
            values.append(_flawed(rng, make(rng, -number, time), timeless=not variant.flink))
        for value in values:
            partition = rng.randrange(variant.partitions)
            headers = ((("n", str(number).encode()),)) if number % 3 else ()
            made.append(Record(partition, offsets[partition], time, name, value, headers))
            offsets[partition] += 1
    return made


def _flawed(rng: random.Random, fields: dict[str, object], *, timeless: bool) -> bytes | None:
    """A value that is not, or not quite, what the tables declare."""
    whole = json.dumps(fields)
    unreadable = (b"", b"not JSON", b"42", b"null", b'"text"', b"[1, 2]", whole[:-3].encode(), b'{"ip": "\xff"}', None)
    if rng.random() < 0.3:
        return rng.choice(unreadable)
    odd = [(name, text) for name, text in _ODD_FIELDS if name in fields]
    odd += [(name, text) for name in fields if timeless or name not in _TIMES for text in _NOTHING]
    name, text = rng.choice(odd)
    changed = {**fields, name: None}
    if text == "":
        del changed[name]
    return json.dumps(changed).replace(f'"{name}": null', f'"{name}": {text}').encode()


_TIMES = ("t", "_time", "event_time", "date")
_NOTHING = ("null", "")
_ODD_FIELDS = (
    *(("status", text) for text in ('"404"', '" 404 "', '"abc"', "1.9", "-1.9", "2147483648", "true", '""', "2e2")),
    *(("bytes", text) for text in ('"12"', "1.5", "9223372036854775808", "null", "false")),
    *(("price", text) for text in ('"1.5"', "2", "1e2", '"x"', "true", '" 0.25 "')),
    *(("ok", text) for text in ('"true"', '"TRUE"', '"yes"', "1", "0", "null")),
    *(("ip", text) for text in ("5", "1.50", "true", '{"a": [1, "x", null], "b": 1.50}', "[]", "null", '""')),
    *(("request", text) for text in ('"a\\"b\\\\c\\n"', '"\\u00fc\\ud83d\\ude00"', "-0.0", "1e5")),
    *(("userid", text) for text in ('"2"', '"two"', "null", "2.0")),
    *(("at", text) for text in ('"2023-11-14"', '"soon"', "null", "17", "")),
    *(("day", text) for text in ('"2023-02-30"', "null", "0", '"2024-02-29"')),
)


def _maybe(rng: random.Random, value: object, without: float) -> object:
    return None if rng.random() < without else value


def _click(rng: random.Random, number: int, time: int) -> dict[str, object]:
    return {
        "id": number,
        "ip": _maybe(rng, f"10.0.0.{rng.randint(1, 4)}", 0.05),
        "userid": _maybe(rng, rng.randint(1, 6), 0.15),
        "status": _maybe(rng, rng.choice((200, 200, 301, 404, 404, 500)), 0.05),
        "bytes": _maybe(rng, rng.choice((0, 7, 500, 3_000_000_000)), 0.05),
        # Quarters: sums of them are exact in whatever order.
        "price": _maybe(rng, rng.randint(-40, 400) / 4, 0.05),
        "ok": _maybe(rng, rng.random() < 0.5, 0.1),
        "request": rng.choice(("/index.html", "/a?q=1", "/search?q=%25", "/Ärger", "")),
        "t": time,
        "at": time_text(time),
        "day": str(moment(time + rng.choice((0, 86_400_000))).date()),
    }


def _web_click(rng: random.Random, number: int, time: int) -> dict[str, object]:
    return {
        "ip": _maybe(rng, f"111.152.45.{rng.randint(1, 5)}", 0.02),
        "userid": _maybe(rng, rng.randint(1, 6), 0.1),
        "remote_user": "-",
        "time": "14/Nov/2023:22:13:20 +0000",
        "_time": time,
        "request": rng.choice(("GET /index.html HTTP/1.1", "GET /images/track.png HTTP/1.1", "GET /site/login.html")),
        "status": _maybe(rng, rng.choice((200, 200, 301, 404, 404, 500)), 0.02),
        "bytes": _maybe(rng, rng.choice((278, 1289, 200_000)), 0.02),
        "referrer": "-",
        "agent": f"agent {number}",
    }


def _vip_click(rng: random.Random, number: int, time: int) -> dict[str, object]:
    action = rng.choice(("view", "buy"))
    return {"user_id": f"user_{rng.randint(1, 6)}", "page": number % 7, "action": action, "event_time": time}


def _event(rng: random.Random, number: int, time: int) -> dict[str, object]:
    name = rng.choice(("productview", "purchase", "addtobasket", "removefrombasket"))
    date = moment(time).strftime("%Y-%m-%dT%H:%M:%SUTC")
    return {"date": date, "productId": f"p{number % 9}", "eventName": name, "userId": f"u{rng.randint(1, 9)}"}


# --- references


def _reference(
    rng: random.Random, variant: Variant, end: int, key: str, keys: Sequence[int | str], make: Make
) -> list[Record]:
    """Versions of each key: from before the stream or from its midst on, changed and deleted while it runs."""
    changes = sorted(((change, one) for one in keys for change in _changes(rng, end)), key=lambda change: change[0])
    offsets = [0] * variant.partitions
    made = []
    for number, (time, one) in enumerate(changes):
        name = json.dumps({key: one}).encode()
        partition = sum(name) % variant.partitions
        value: bytes | None = json.dumps({key: one, **make(rng, number, time)}).encode()
        # With times of their own, Flink would not see that rows are deleted.
        deletes = not variant.flink or (time < BEGIN and make is not _code)
        if deletes and rng.random() < 0.15:
            value = None
        elif rng.random() < 0.1:
            value = rng.choice((b"broken", b"[]"))
        made.append(Record(partition, offsets[partition], time, name, value))
        offsets[partition] += 1
    return made


def _changes(rng: random.Random, end: int) -> Iterator[int]:
    if rng.random() < 0.8:
        yield BEGIN - 3_600_000
    if rng.random() < 0.5:
        yield BEGIN - 1_800_000
    for _ in range(4):
        yield BEGIN + rng.randrange((end - BEGIN) // 6) // 500 * 500


def _user(rng: random.Random, number: int, time: int) -> dict[str, object]:
    return {"name": f"user {number}", "city": _maybe(rng, rng.choice(("Rome", "Oslo")), 0.2)}


def _code(rng: random.Random, number: int, time: int) -> dict[str, object]:
    return {"definition": f"code {number}", "since": time + rng.choice((0, -500, 1000))}


def _web_user(rng: random.Random, number: int, time: int) -> dict[str, object]:
    names = {"registered_at": time, "first_name": "A", "last_name": "B", "level": "Gold"}
    return {"username": f"user_{number % 4}", "city": _maybe(rng, rng.choice(("Rome", "Oslo")), 0.2), **names}


def _web_code(rng: random.Random, number: int, time: int) -> dict[str, object]:
    return {"definition": rng.choice(("Fine", "Elsewhere", "Not here"))}


def _vip_user(rng: random.Random, number: int, time: int) -> dict[str, object]:
    return {"name": f"name {number}", "level": rng.choice(("PLATINUM", "GOLD"))}
