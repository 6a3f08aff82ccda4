"""One topic as the server's panel tells it, with numbers of which no two columns have the same order."""

import json
from collections.abc import Callable
from typing import Any

from tests.browser.fakeserver import FakeServer

TOPIC = "clickstream"
ASKED = "/api/topics/clickstream/records"
SETTINGS = [
    ("cleanup.policy", "delete", "delete", ""),
    ("retention.ms", "86400000", "604800000", "topic"),
    ("max.message.bytes", "1048588", "1048588", ""),
    ("min.insync.replicas", "2", "1", "broker"),
]
# Lag and seconds by partition; None is not known.
GROUPS: dict[str, list[tuple[int | None, float | None]]] = {
    "slow": [(900, 3.0), (100, 70.0), (0, 0.0)],
    "old": [(5, 9_000.0), (2, 1.0), (30, 4.0)],
    "unknown": [(None, None)],
    "quick": [(0, 0.0), (1, 0.5), (0, 0.0)],
}
# Client, host and partitions of the members; None is not known.
MEMBERS: dict[str, list[tuple[str, str, list[int]]] | None] = {
    "slow": [("<b>billing</b>\u202e", "10.0.0.7", [0, 1]), ("spare", "a-host-with-a-long-name.example.net", [])],
    "old": [],
    "unknown": None,
    "quick": [(f"quick-{number}", "127.0.0.1", [number] if number < 3 else []) for number in range(12)],
}


UUID = "3f2a91c0-5d1e-4b6f-8a7c-00112233445"


def fill(server: FakeServer) -> None:
    """It has the topic, and no records of it."""
    server.states |= {"topic": topic, "tail": lambda _params, _now: None}
    server.answers[ASKED] = found([])


def topic(params: dict[str, Any], now: int) -> dict[str, Any]:
    return {
        "at": now,
        "problem": "",
        "there": True,
        "command": "",
        "bucket_ms": 5_000,
        "no_size": "",
        "topic": {
            "name": params["topic"],
            "kind": "source",
            "partitions": 3,
            "replication": 1,
            "records": 40_000,
            "size": 2_000_000,
            "last_write": now - 500,
            "rate": 17.0,
            "history": [float(10 + number % 7) for number in range(60)],
            "policy": "delete",
            "retention_ms": 86_400_000,
        },
        "bytes_per_s": 6_090.0,
        "partitions": [partition(number) for number in range(3)],
        "readers": [reader(name) for name in GROUPS],
        "reader_problem": "",
        "settings": [dict(zip(("name", "value", "default", "source"), one, strict=True)) for one in SETTINGS],
    }


# Begin, end, size and rate of the partitions: each column has another order.
PARTITIONS = [(50, 20_050, 7_000, 3.0), (90, 9_017, 9_000, 9.0), (5, 100_000_000, 8_000, 1.0)]


def partition(number: int) -> dict[str, Any]:
    low, high, size, rate = PARTITIONS[number]
    return {
        "partition": number,
        "leader": 1,
        "replicas": [1],
        "isr": [1],
        "low": str(low),
        "high": str(high),
        "records": high - low,
        "size": size,
        "rate": rate,
        "history": [rate] * 30,
    }


def reader(name: str) -> dict[str, Any]:
    parts = GROUPS[name]
    known = [lag for lag, _seconds in parts if lag is not None]
    waits = [seconds for _lag, seconds in parts if seconds is not None]
    return {
        "name": name,
        "stored": False,
        "state": "empty" if MEMBERS[name] == [] else "stable",
        "members": members(name),
        "lag": sum(known) if known else None,
        "seconds": max(waits) if waits else None,
        "trend": "steady",
        "history": known * 10,
        "partitions": [
            {
                "partition": number,
                "next": None if lag is None else str(PARTITIONS[number][1] - lag),
                "end": str(PARTITIONS[number][1]),
                "lag": lag,
                "seconds": seconds,
                "note": "",
            }
            for number, (lag, seconds) in enumerate(parts)
        ],
        "problem": "",
    }


def members(group: str) -> list[dict[str, Any]] | None:
    found = MEMBERS[group]
    if found is None:
        return None
    return [
        {"id": f"{client}-{UUID}{number}", "client": client, "host": host, "partitions": partitions}
        for number, (client, host, partitions) in enumerate(found)
    ]


def row(partition: int, offset: int, time: int | None, *cells: str | None, key: str | None = None) -> dict[str, Any]:
    value = f'{{"n":{cells[0] if cells else offset}}}'
    return {
        "partition": partition,
        "offset": str(offset),
        "time": time,
        "size": 10 + (offset * 7 + partition) % 5,
        "key": None if key is None else {"length": len(key), "text": key},
        "value": {"length": len(value), "text": value},
        "headers": 0,
        "cells": list(cells),
    }


def topics(params: dict[str, Any], now: int) -> dict[str, Any]:
    """The list of topics, with the one."""
    one = topic({"topic": TOPIC}, now)["topic"]
    return {"at": now, "problem": "", "no_size": "", "topics": [{**one, "internal": False, "lag": 0, "reader": "slow"}]}


def found(rows: list[dict[str, Any]], *, end: str = "complete", places: str | None = None) -> Callable[..., Any]:
    """The answer to a search: these rows, in order."""
    progress = {"read": len(rows), "found": len(rows), "total": len(rows)}
    answer = {"rows": rows, "end": end, "progress": progress, "places": places}
    return lambda _asked: (200, json.dumps({"answer": answer}) + "\n")


def letter(offset: int, time: int, *, retried: bool = False) -> dict[str, Any]:
    return {
        "partition": 0, "offset": str(offset), "time": time, "reason": f"no JSON {offset}", "part": "counter",
        "origin": f"clicks partition 0 offset {offset}", "bytes": 2, "retried": retried, "refusal": "",
    }  # fmt: skip


def dead(letters: list[tuple[dict[str, Any], int | None]]) -> Callable[[dict[str, Any], int], dict[str, Any]]:
    """The panel of dead letters: each letter, and when it was sent again."""

    def state(params: dict[str, Any], now: int) -> dict[str, Any]:
        at = params.get("at", now)
        rows = [{**one, "retried": sent is not None and sent <= at} for one, sent in letters if one["time"] <= at]
        topic_ = {"name": "dead", "stage": "live", "since": 0, "words": "", "command": "clickstream topics create dead"}
        return {"topic": topic_, "records": len(rows), "rows": rows[::-1]}

    return state


def whole_letter(offset: int, time: int) -> dict[str, Any]:
    """What is asked for when a letter is chosen."""
    value = {"length": 2, "start": 0, "next": None, "text": "{]"}
    return {
        **letter(offset, time), "origin_topic": "clicks", "length": 2, "key": None, "value": value, "headers": [],
        "bad": 1,
    }  # fmt: skip
