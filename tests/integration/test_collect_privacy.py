"""After a run with every kind of request, addresses and ids are nowhere where they should not be."""

import json
from collections.abc import Iterator
from pathlib import Path

from clickstream.kafka.admin import existing
from clickstream.kafka.clients import Cluster
from clickstream.kafka.deadletter import headers_of
from tests.integration.brokers import MortalBroker
from tests.integration.collectsupport import AGENT, Collecting, collecting, event
from tests.integration.support import records
from tests.support import wait_until

# Of documentation (RFC 5737, RFC 3849): nothing else in a run looks like them.
ADDRESSES = ["203.0.113.77", "198.51.100.201", "2001:db8:7777:8888:9999:aaaa:bbbb:cccc"]
TRUNCATED = ["203.0.113.0", "198.51.100.0", "2001:db8:7777::"]
OPTED_OUT = "visitor-who-opted-out"
KEPT = "kept-"  # ids of those who have not
JSON = {"Content-Type": "application/json"}


def app_event(name: str, number: object) -> tuple[str, bytes]:
    """An event to Divolte's JSON source: where to, and the body."""
    sent = {
        "session_id": f"0:is8tiwk4:{name}-session",
        "event_id": f"{name}-app{number}",
        "is_new_party": True,
        "is_new_session": True,
        "client_timestamp_iso": "2026-11-30T12:00:00Z",
        "event_type": "opened",
    }
    return f"/json-source?p=0:is8tiwk4:{name}-party", json.dumps(sent).encode()


def requests(found: Collecting, phase: str) -> None:
    """Each way in, from each address, good and bad, and the same of somebody who has opted out."""
    for number, address in enumerate(ADDRESSES):
        own = {"X-Forwarded-For": f"10.9.9.9, {address}", "User-Agent": AGENT}
        known = event(id=f"{KEPT}{phase}-{number}", visitor=f"{KEPT}{phase}")
        nobody = {"id": f"{phase}-c{number}", "event": "pageview", "url": "https://shop.example/", "cookieless": True}
        out = json.dumps(event(id=f"{OPTED_OUT}-id", visitor=OPTED_OUT)).encode()
        assert found.post(known, nobody, {"id": "no-event"}, headers=own).json["accepted"] == 2
        assert found.ask("POST", "/e", b"{", own).status == 400
        assert found.ask("GET", f"/e.gif?event=open&url=https://shop.example/m{number}", headers=own).status == 200
        assert found.ask("GET", "/csc-event?p=odd", headers=own).status == 200
        target, sent = app_event(f"{KEPT}{phase}", number)
        assert found.ask("POST", target, sent, {**own, **JSON}).status == 204
        assert found.ask("POST", target, sent, own).status == 415
        assert found.ask("POST", f"/{KEPT}{phase}", sent, own).status == 404
        assert found.ask("POST", "/e", b"x" * 3_000, own).status == 413
        for header in ("Sec-GPC", "DNT"):
            no = {**own, header: "1"}
            assert found.ask("POST", "/e", out, no).status == 204
            assert found.ask("POST", "/e", OPTED_OUT.encode(), no).status == 204
            assert found.ask("GET", f"/e.gif?event=open&url=https://shop.example/{OPTED_OUT}", headers=no).status == 204
            assert found.ask("GET", f"/csc-event?p={OPTED_OUT}", headers=no).status in (200, 204)
            found.ask("POST", "/e", OPTED_OUT.encode() * 150, no)
            target, sent = app_event(OPTED_OUT, number)
            assert found.ask("POST", target, sent, {**no, **JSON}).status == 204
            assert found.ask("POST", target, sent, no).status == 204


def texts_in(folder: Path) -> Iterator[tuple[str, bytes]]:
    """All files of the collector, the spool among them."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes()


def everything(found: Collecting, *topics: str) -> bytes:
    """Keys, values and headers of all records of these topics; without any, of all topics."""
    every = [record for topic in topics or existing(Cluster(found.kafka)) for record in records(found.kafka, topic)]
    return b"\n".join(
        part or b""
        for record in every
        for part in (record.key(), record.value(), *(octets for _name, octets in headers_of(record)))
    )


def test_addresses_and_those_who_opted_out_are_nowhere(mortal: MortalBroker, topic_name: str, tmp_path: Path) -> None:
    options = ("--trusted-proxy", "127.0.0.1", "--explain", "--verbose", "--workers", "2", "--max-body", "2048")
    with collecting(mortal.address, topic_name, tmp_path, *options) as found:
        requests(found, "kafka")
        out = 6 * 2 * len(ADDRESSES)
        wait_until(lambda: found.metrics()["opted_out"] >= out, 20, lambda: f"{out} opted out: {found.metrics()}")
        with mortal.frozen():
            requests(found, "spool")
            files = dict(texts_in(tmp_path))
        spool = str(tmp_path / "collect" / "spool")
        spooled = [text for where, text in files.items() if where.startswith(spool)]
        assert any(f"{KEPT}spool".encode() in text for text in spooled)
        wait_until(
            lambda: found.metrics()["spooling"] == 0 and found.metrics()["spool_bytes"] == 0,
            90,
            "the spool is delivered",
            0.5,
        )
        # The last requests are told every two seconds.
        wait_until(lambda: b"/requests" in everything(found), 90, "the last requests are told", 0.5)
        stored, status = everything(found), everything(found, "clickstream-status")
        assert b"/requests" in status
        files |= {f"{where}, later": text for where, text in texts_in(tmp_path)}
        places = {**files, "what it said": found.part.said().encode(), "topics": stored}
    for where, text in places.items():
        for secret in [*ADDRESSES, OPTED_OUT]:
            assert secret.encode() not in text, f"{secret} is in {where}"
    # Ids of visitors are in their events, and nowhere else.
    no_events = {where: text for where, text in places.items() if where != "topics" and not where.startswith(spool)}
    for where, text in {**no_events, "the status topic": status}.items():
        assert KEPT.encode() not in text, f"an id of a visitor is in {where}"
    for kept in [*TRUNCATED, f"{KEPT}kafka", f"{KEPT}kafka-party", f"{KEPT}spool", f"{KEPT}spool-party"]:
        assert kept.encode() in stored, f"{kept} should be there: the search would find nothing"
