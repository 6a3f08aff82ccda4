"""The routes: what is answered to which request, and what of it is taken."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from clickstream.collect.counts import Totals
from clickstream.collect.delivery.tickets import NobodyTookIt
from clickstream.collect.explain import Recent
from clickstream.collect.http.application import Application, Limits, Shown
from clickstream.collect.http.files import digest, scripts
from clickstream.collect.model import Reason, Refused, Taken
from clickstream.collect.protocols.divolte.answers import ETAG
from tests.unit.collect.fakes import FakeDelivery, FakeIntake, FakeProtocol, FakeScope, outgoing


class Site:
    """An Application with what it needs, and a way to ask it."""

    def __init__(self, shown: Shown | None = None, **given: Any) -> None:
        self.intake, self.delivery, self.totals = FakeIntake(), FakeDelivery(), Totals()
        self.application = Application(
            self.intake, self.delivery, self.totals, dead_letter_topic="dead", shown=shown or Shown(), **given
        )

    def ask(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> FakeProtocol:
        protocol = FakeProtocol(body or b"")
        length = {} if body is None else {"content-length": str(len(body))}
        scope = FakeScope(method, target, {**length, **(headers or {})})
        asyncio.run(self.application.__rsgi__(scope, protocol))
        return protocol


REFUSED = Refused(Reason.NOT_AN_EVENT, "event: missing", b"{}", 3)
UNREADABLE = Refused(Reason.NOT_JSON, "the body is not JSON", b"x")


def test_events_are_taken_with_their_body() -> None:
    site = Site()
    answer = site.ask("POST", "/e?x=1", {"user-agent": "a"}, b"[]")
    assert answer.status == 200
    assert json.loads(answer.body) == {"accepted": 1, "refused": []}
    (request,) = site.intake.requests
    assert (request.method, request.path, request.query, request.body) == ("POST", "/e", "x=1", b"[]")
    assert request.peer == "192.0.2.7"
    assert request.headers["user-agent"] == "a"
    assert len(site.delivery.submitted) == 1


def test_the_address_of_a_peer_of_ipv6_is_without_its_port() -> None:
    site = Site()
    asyncio.run(site.application.__rsgi__(FakeScope("GET", "/e.gif", client="[2001:db8::1]:99"), FakeProtocol()))
    assert site.intake.requests[0].peer == "2001:db8::1"


def test_several_lines_of_a_header_are_joined() -> None:
    site = Site()
    headers = [("x-forwarded-for", "192.0.2.1"), ("accept", "*/*"), ("x-forwarded-for", "192.0.2.2")]
    asyncio.run(site.application.__rsgi__(FakeScope("GET", "/e.gif", headers), FakeProtocol()))
    assert site.intake.requests[0].headers["x-forwarded-for"] == "192.0.2.1, 192.0.2.2"


def test_what_is_refused_is_told_and_becomes_a_dead_letter() -> None:
    site = Site()
    site.intake.taken = lambda _request: Taken([outgoing("1")], [REFUSED])
    answer = site.ask("POST", "/e", body=b"[]")
    assert answer.status == 200
    told = {"index": 3, "reason": "not-an-event", "detail": "event: missing"}
    assert json.loads(answer.body) == {"accepted": 1, "refused": [told]}
    (record,) = site.delivery.submitted[1].records
    headers = dict(record.headers or [])
    assert (record.topic, record.value) == ("dead", b"{}")
    assert headers["origin-request"] == b"POST /e"
    assert headers["origin-index"] == b"3"
    assert headers["kind"] == b"not-an-event"
    assert site.totals.of["dead_letters"] == site.totals.of["refused_not_an_event"] == 1


@pytest.mark.parametrize(
    ("taken", "status"),
    [
        (Taken([], [UNREADABLE]), 400),
        (Taken([], [REFUSED]), 200),
        (Taken([outgoing("1")], [UNREADABLE]), 200),
        (Taken([], []), 200),
    ],
)
def test_only_a_body_of_which_nothing_can_be_read_is_a_bad_request(taken: Taken, status: int) -> None:
    site = Site()
    site.intake.taken = lambda _request: taken
    assert site.ask("POST", "/e", body=b"x").status == status


@pytest.mark.parametrize(
    ("method", "target", "headers", "body"),
    [
        ("POST", "/e", {}, b"{}"),
        ("GET", "/e.gif?url=x", {}, None),
        ("GET", "/csc-event?p=x", {}, None),
        ("POST", "/json-source?p=0:a:b", {"content-type": "application/json"}, b"{}"),
    ],
)
def test_who_opted_out_is_counted_and_nothing_else(
    method: str, target: str, headers: dict[str, str], body: bytes | None
) -> None:
    site = Site()
    site.intake.taken = lambda _request: Taken(opted_out=True)
    answer = site.ask(method, target, headers, body)
    assert answer.status == 204
    assert answer.body == b""
    assert answer.header("set-cookie") is None
    assert site.delivery.submitted == []
    assert site.totals.of["opted_out"] == 1


@pytest.mark.parametrize(
    ("method", "target", "body"), [("POST", "/e", b"{}"), ("GET", "/e.gif", None), ("GET", "/csc-event", None)]
)
def test_what_nobody_takes_is_asked_for_again(method: str, target: str, body: bytes | None) -> None:
    class Nobody:
        def __await__(self) -> Any:
            yield from ()
            raise NobodyTookIt("nobody")

    site = Site()
    site.delivery.answer = Nobody()
    answer = site.ask(method, target, body=body)
    assert answer.status == 503
    assert answer.header("retry-after") == "10"
    assert site.totals.of["unavailable"] == 1
    assert len(site.intake.given_back) == 1


@pytest.mark.parametrize(("waiting", "status"), [(2, 200), (3, 503)])
def test_more_requests_at_once_than_are_taken_come_again(waiting: int, status: int) -> None:
    site = Site(limits=Limits(at_once=3))
    site.application.busy = waiting
    answer = site.ask("POST", "/e", body=b"{}")
    assert answer.status == status
    assert answer.header("retry-after") == (None if status == 200 else "10")
    assert site.ask("GET", "/ping").status == 200


def test_the_pixel_is_never_kept() -> None:
    site = Site()
    answer = site.ask("GET", "/e.gif?url=https://shop.example/")
    assert (answer.status, len(answer.body), answer.header("content-type")) == (200, 43, "image/gif")
    assert answer.header("cache-control") == "no-store"


def test_a_pixel_without_an_event_says_why() -> None:
    site = Site()
    site.intake.taken = lambda _request: Taken([], [REFUSED])
    assert site.ask("GET", "/e.gif").status == 400


def test_divoltes_image_is_answered_as_divolte_does() -> None:
    site = Site()
    site.intake.taken = lambda _request: Taken([], [REFUSED])
    answer = site.ask("GET", "/csc-event?bad")
    assert (answer.status, len(answer.body), answer.header("etag")) == (200, 43, ETAG)
    again = site.ask("GET", "/csc-event?bad", {"if-none-match": ETAG})
    assert (again.status, again.body) == (304, b"")
    assert len(site.intake.requests) == 2  # a repeat is an event, too


@pytest.mark.parametrize(
    ("target", "content_type", "status", "taken"),
    [
        ("/json-source?p=0:is8tiwk4:GKv5gCc5TtrvBTs9bXfVD8KIQ3oO~sEg", "application/json", 204, 1),
        ("/json-source?p=0:is8tiwk4:GKv5gCc5TtrvBTs9bXfVD8KIQ3oO~sEg", "text/plain", 415, 0),
        ("/json-source", "application/json", 400, 1),
    ],
)
def test_divoltes_json_is_answered_as_divolte_does(target: str, content_type: str, status: int, taken: int) -> None:
    site = Site()
    assert site.ask("POST", target, {"content-type": content_type}, b"{}").status == status
    assert len(site.intake.requests) == taken


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/e", 405),
        ("PUT", "/e", 405),
        ("POST", "/ping", 405),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/<script>alert(1)</script>", 404),
    ],
)
def test_what_is_not_there_is_said_without_an_echo(method: str, target: str, status: int) -> None:
    answer = Site().ask(method, target)
    assert answer.status == status
    assert target.strip("/.") == "" or target.encode() not in answer.body
    assert len(answer.body) < 60
    assert (answer.header("allow") is not None) == (status == 405)


@pytest.mark.parametrize("path", ["/ping", "/healthz", "/metrics", "/privacy.json", "/tag.js"])
def test_head_is_get_without_the_body(path: str, tmp_path: Path) -> None:
    (tmp_path / "tag.js").write_bytes(b"tag()")
    site = Site(Shown(scripts(None, tmp_path), metrics=b"m 1\n"))
    assert site.ask("GET", path).body
    head = site.ask("HEAD", path)
    assert (head.status, head.body) == (200, b"")


def test_a_head_of_the_pixel_is_no_event() -> None:
    site = Site()
    assert site.ask("HEAD", "/e.gif?url=x").status == 200
    assert site.intake.requests == []


def test_scripts_are_served_with_their_version(tmp_path: Path) -> None:
    (tmp_path / "tag.js").write_bytes(b"tag()")
    (tmp_path / "mine.js").write_bytes(b"divolte()")
    site = Site(Shown(scripts(tmp_path / "mine.js", tmp_path)))
    tag = site.ask("GET", "/tag.js")
    etag = tag.header("etag")
    assert tag.body == b"tag()"
    assert etag is not None
    unchanged = site.ask("GET", "/tag.js", {"if-none-match": etag})
    assert (unchanged.status, unchanged.body) == (304, b"")
    fixed = site.ask("GET", f"/tag-{digest(b'tag()')}.js")
    assert f'</tag-{digest(b"tag()")}.js>; rel="alternate"; integrity="sha384-' in (tag.header("link") or "")
    assert fixed.body == b"tag()"
    assert "immutable" in (fixed.header("cache-control") or "")
    assert site.ask("GET", "/divolte.js").body == b"divolte()"


def test_ping_sends_load_balancers_away_while_draining() -> None:
    site = Site()
    assert site.ask("GET", "/ping").status == 200
    site.application.draining = True
    answer = site.ask("GET", "/ping")
    assert answer.status == 503
    assert answer.header("connection") == "close"
    assert site.ask("POST", "/e", body=b"{}").status == 200
    assert site.ask("GET", "/healthz").status == 200


def test_health_says_that_kafka_is_away() -> None:
    site = Site(Shown(spooling=True))
    answer = site.ask("GET", "/healthz")
    assert answer.status == 200  # events are taken: nobody is to restart it
    assert b"Kafka is away" in answer.body


@pytest.mark.parametrize("encoding", ["gzip", "br", "GZIP", "deflate, gzip"])
def test_compressed_bodies_are_refused_unread(encoding: str) -> None:
    site = Site()
    protocol = FakeProtocol(b"\x1f\x8b")
    scope = FakeScope("POST", "/e", {"content-encoding": encoding, "content-length": "2"})
    asyncio.run(site.application.__rsgi__(scope, protocol))
    assert protocol.status == 415
    assert not protocol.was_read
    assert site.intake.requests == []


@pytest.mark.parametrize("length", ["1001", "999999999999999999999", "-1", "0x10", "1e3"])
def test_a_body_that_says_to_be_too_large_is_refused_unread(length: str) -> None:
    site = Site(limits=Limits(body=1_000))
    protocol = FakeProtocol()
    asyncio.run(site.application.__rsgi__(FakeScope("POST", "/e", {"content-length": length}), protocol))
    assert protocol.status == 413
    assert not protocol.was_read
    assert protocol.header("connection") == "close"


def test_a_chunked_body_is_counted_while_it_is_read() -> None:
    site = Site(limits=Limits(body=1_000))
    for size, status in ((1_000, 200), (1_001, 413)):
        protocol = FakeProtocol(bytes(size))
        asyncio.run(site.application.__rsgi__(FakeScope("POST", "/e", {"transfer-encoding": "chunked"}), protocol))
        assert protocol.status == status


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    class Slow(FakeProtocol):
        async def __call__(self) -> bytes:
            await asyncio.sleep(60)
            return b""

    site = Site(limits=Limits(body_s=0.01))
    protocol = Slow()
    asyncio.run(site.application.__rsgi__(FakeScope("POST", "/e", {"content-length": "5"}), protocol))
    assert protocol.status == 408
    assert protocol.header("connection") == "close"


def test_one_address_may_not_send_without_end() -> None:
    site = Site(limits=Limits(rate=1))
    found = [site.ask("GET", "/e.gif", {"x-client": client}).status for client in ("a", "a", "a", "b")]
    assert found == [200, 200, 429, 200]
    refused = site.ask("GET", "/e.gif", {"x-client": "a"})
    assert refused.header("retry-after") == "1"
    assert site.totals.of["rate_limited"] == 2
    assert site.ask("GET", "/ping", {"x-client": "a"}).status == 200


@pytest.mark.parametrize("origins", [[], ["https://shop.example"]], ids=["all", "listed"])
@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/ping"])
@pytest.mark.parametrize("trouble", [False, True])
def test_how_the_collector_does_no_page_may_read(path: str, origins: list[str], trouble: bool) -> None:
    site = Site(Shown(metrics=b"m 1\n", spooling=trouble), origins=origins)
    site.application.draining = trouble
    for method in ("GET", "HEAD"):
        answer = site.ask(method, path, {"origin": "https://shop.example"})
        assert answer.status in (200, 503)
        assert not [name for name, _value in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(("method", "target"), [("GET", "/e.gif"), ("GET", "/csc-event"), ("GET", "/privacy.json")])
def test_pages_may_read_what_is_for_them(method: str, target: str) -> None:
    assert Site().ask(method, target).header("access-control-allow-origin") == "*"


@pytest.mark.parametrize("target", ["/e", "/nothing", "/tag.js"])
def test_any_page_may_read_what_is_said_to_events_without_credentials(target: str) -> None:
    answer = Site().ask("POST", target, {"origin": "https://shop.example"}, b"{}")
    assert answer.header("access-control-allow-origin") == "*"
    assert answer.header("access-control-allow-credentials") is None
    assert answer.header("access-control-expose-headers") == "Retry-After"


def test_listed_origins_may_send_credentials_and_others_read_nothing() -> None:
    site = Site(origins=["https://shop.example"])
    listed = site.ask("POST", "/e", {"origin": "https://shop.example"}, b"{}")
    assert listed.header("access-control-allow-origin") == "https://shop.example"
    assert listed.header("access-control-allow-credentials") == "true"
    assert listed.header("vary") == "Origin"
    other = site.ask("POST", "/e", {"origin": "https://shop.example.evil.example"}, b"{}")
    assert other.header("access-control-allow-origin") is None
    assert other.header("vary") == "Origin"


def test_a_preflight_is_answered() -> None:
    answer = Site().ask("OPTIONS", "/e", {"origin": "https://shop.example", "access-control-request-method": "POST"})
    assert answer.status == 204
    assert answer.header("access-control-allow-methods") == "POST"
    assert answer.header("access-control-allow-headers") == "Content-Type"


def test_what_goes_wrong_in_one_request_is_its_own(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_request: object) -> Taken:
        raise RuntimeError("secret of the request")

    site = Site()
    site.intake.taken = broken
    answer = site.ask("POST", "/e", body=b"secret of the request")
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert "secret" not in caplog.text
    assert "RuntimeError" in caplog.text
    assert site.totals.of["failed"] == 1


def test_with_explain_the_last_requests_are_told_step_by_step() -> None:
    recent = Recent(kept=2)
    site = Site(recent=recent, limits=Limits(body=10))
    site.intake.taken = lambda _request: Taken([outgoing("1")], [REFUSED], address="192.0.2.0")
    site.ask("GET", "/ping")
    site.ask("POST", "/e", body=b"first")
    site.ask("POST", "/e", body=b"{}")
    site.ask("POST", "/e", body=b"far too large")
    taken, limited = recent.recent()
    assert (taken["endpoint"], taken["status"], taken["address"]) == ("POST /e", 200, "192.0.2.0")
    assert [step["verdict"] for step in taken["steps"]] == ["passed", "passed", "read"]
    event, letter = taken["events"]
    assert event["steps"][-1] == {"step": "delivery", "verdict": "kafka", "detail": None}
    assert letter["steps"][-1]["step"] == "dead letter"
    assert letter["steps"][0]["detail"] == "not-an-event: event: missing"
    assert limited["steps"] == [{"step": "limits", "verdict": "refused", "detail": "the body is too large"}]
    assert limited["address"] == "192.0.2.0"
    json.dumps(recent.recent())


def test_a_body_that_does_not_say_to_be_json_is_told_and_counted() -> None:
    recent = Recent()
    site = Site(recent=recent)
    assert site.ask("POST", "/json-source?p=0:a:b", {"content-type": "text/plain"}, b"{}").status == 415
    (seen,) = recent.recent()
    assert (seen["endpoint"], seen["status"], seen["address"]) == ("POST /json-source", 415, "192.0.2.0")
    assert seen["steps"] == [{"step": "limits", "verdict": "refused", "detail": "the body is not application/json"}]
    assert site.totals.of["not_json_bodies"] == 1


def test_who_has_opted_out_is_not_asked_for_json() -> None:
    site = Site()
    site.intake.taken = lambda _request: Taken(opted_out=True)
    answer = site.ask("POST", "/json-source?p=0:a:b", {"content-type": "text/plain", "dnt": "1"}, b"{}")
    assert answer.status == 204
    assert (site.totals.of["opted_out"], site.totals.of["not_json_bodies"]) == (1, 0)


@pytest.mark.parametrize(
    ("target", "endpoint", "status", "why"),
    [
        ("/secret?secret", "POST (another path)", 404, "nothing takes events at this path"),
        ("/ping?secret", "POST /ping", 405, "another method is expected"),
        ("/e?secret", "POST /e", 500, "an unexpected error"),
    ],
)
def test_what_was_sent_and_not_read_is_told_in_fixed_words(target: str, endpoint: str, status: int, why: str) -> None:
    def broken(_request: object) -> Taken:
        raise RuntimeError("secret")

    recent = Recent()
    site = Site(recent=recent)
    site.intake.taken = broken
    assert site.ask("POST", target, body=b"secret").status == status
    assert site.ask("POST", target, {"sec-gpc": "1"}, body=b"secret").status == status  # and nothing is kept of it
    (seen,) = recent.recent()
    assert (seen["endpoint"], seen["status"]) == (endpoint, status)
    assert seen["steps"] == [{"step": "limits", "verdict": "refused", "detail": why}]
    assert "secret" not in json.dumps(seen)


def test_of_what_is_only_asked_for_nothing_is_told() -> None:
    recent = Recent()
    site = Site(recent=recent)
    assert [site.ask("GET", target).status for target in ("/nothing", "/e")] == [404, 405]
    assert recent.recent() == []


@pytest.mark.parametrize("header", ["sec-gpc", "dnt"])
def test_of_who_has_opted_out_not_even_a_limit_is_told(header: str) -> None:
    recent = Recent()
    site = Site(recent=recent, limits=Limits(body=10))
    assert site.ask("POST", "/e", {header: "1"}, body=b"far too large").status == 413
    assert recent.recent() == []
