"""The routes of the collector, and the way of a request through them: the hot path."""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from clickstream.collect.counts import Totals
from clickstream.collect.delivery.tickets import WAITING, NobodyTookIt
from clickstream.collect.explain import Recent, Seen, request_of
from clickstream.collect.http import answers
from clickstream.collect.http.answers import Answer, Cors
from clickstream.collect.http.body import Broken, TooLarge, TooSlow, read_body
from clickstream.collect.http.files import Script
from clickstream.collect.http.limits import RateLimit
from clickstream.collect.intake import Paths
from clickstream.collect.letters import letter_of
from clickstream.collect.model import Outgoing, Reason, Request, Taken
from clickstream.collect.protocols.divolte.answers import image_status, json_status
from clickstream.collect.visitors.address import truncated
from clickstream.collect.visitors.consent import opted_out

log = logging.getLogger(__name__)

SAY_EVERY_S = 5.0
_CLOSE = ("connection", "close")
_BODY_PROBLEMS = {
    TooLarge: (answers.TOO_LARGE, "too_large", "the body is too large"),
    TooSlow: (answers.SLOW_BODY, "too_slow", "the body took too long"),
    Broken: (answers.BROKEN_BODY, "broken_bodies", "the body cannot be read"),
}


class Takes(Protocol):
    """What makes events of requests: an Intake."""

    def take(self, request: Request) -> Taken: ...

    def not_stored(self, taken: Taken) -> None: ...

    def client(self, request: Request) -> str: ...


class Delivers(Protocol):
    """What brings them to Kafka: a Delivery."""

    def submit(self, outgoings: Sequence[Outgoing], verdicts: list[str] | None = None) -> Awaitable[None]: ...


@dataclass(frozen=True)
class Limits:
    """`rate`: requests per second of one address, 0: any number; `body` in bytes, for which it has `body_s` seconds;
    `at_once`: requests that are not answered yet."""

    body: int = 256 * 1024
    body_s: float = 10.0
    rate: float = 100.0
    at_once: int = 4_096


@dataclass
class Shown:
    """What is answered besides events: may be replaced while requests are served."""

    scripts: Mapping[str, Script] = field(default_factory=dict)
    privacy: bytes = b"{}"
    metrics: bytes = b""
    metrics_type: str = "text/plain; version=0.0.4; charset=utf-8"
    spooling: bool = False


_Answering = Callable[["Application", Any, Any, dict[str, str]], Awaitable[Answer]]


class Application:
    """RSGI: https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md. Nothing of a request is in an
    answer or in a log."""

    def __init__(
        self,
        intake: Takes,
        delivery: Delivers,
        totals: Totals,
        *,
        dead_letter_topic: str,
        shown: Shown,
        limits: Limits | None = None,
        origins: Sequence[str] = (),
        paths: Paths | None = None,
        recent: Recent | None = None,
    ) -> None:
        """`recent` keeps what `--explain` shows; without it nothing is kept."""
        self._intake = intake
        self._delivery = delivery
        self._count = totals.of
        self._totals = totals
        self._dead_letter_topic = dead_letter_topic
        self._shown = shown
        self._limits = limits or Limits()
        self._rate = RateLimit(self._limits.rate)
        self._cors = Cors(origins)
        self._recent = recent
        self._said_at = float("-inf")
        self.draining = False
        self.busy = 0  # requests that are not answered yet
        self._routes = self._routed(paths or Paths())

    def _routed(self, at: Paths) -> dict[str, dict[str, _Answering]]:
        reading = {"/ping": _ping, "/healthz": _healthz, "/metrics": _metrics, "/privacy.json": _privacy}
        routes: dict[str, dict[str, _Answering]] = {
            path: {"GET": answering, "HEAD": answering} for path, answering in reading.items()
        }
        for path in self._shown.scripts:
            routes[path] = {"GET": _script, "HEAD": _script}
        routes[at.pixel] = {"GET": _pixel, "HEAD": _nothing_taken}
        routes[at.divolte] = {"GET": _divolte_pixel, "HEAD": _nothing_taken}
        routes[at.events] = {"POST": _events, "OPTIONS": _preflight}
        routes[at.divolte_json] = {"POST": _divolte_json, "OPTIONS": _preflight}
        return routes

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """One request, as granian calls it."""
        self.busy += 1
        try:
            listed = scope.headers.items()
            headers = dict(listed)
            if len(headers) != len(listed):
                headers = _joined(listed)
            answer = await self._answer(scope, protocol, headers)
            out = [*answer.headers, *self._cors.headers(headers)] if answer.for_pages else [*answer.headers]
            if self.draining:
                out.append(_CLOSE)
            if answer.body and scope.method != "HEAD":
                protocol.response_bytes(answer.status, out, answer.body)
            else:
                protocol.response_empty(answer.status, out)
        finally:
            self.busy -= 1

    async def _answer(self, scope: Any, protocol: Any, headers: dict[str, str]) -> Answer:
        methods = self._routes.get(scope.path)
        if methods is None:
            return self._astray(scope, headers, answers.NOT_FOUND, "nothing takes events at this path")
        answering = methods.get(scope.method)
        if answering is None:
            return self._astray(scope, headers, answers.not_allowed(list(methods)), "another method is expected")
        try:
            return await answering(self, scope, protocol, headers)
        except Exception as problem:
            self._count["failed"] += 1
            if time.monotonic() > self._said_at + SAY_EVERY_S:
                self._said_at = time.monotonic()
                # Its text may quote the request.
                log.error("A request failed of an unexpected %s.", type(problem).__name__)
                log.debug("Traceback:", exc_info=problem)
            self._note_unread(scope, headers, answers.FAILED, "an unexpected error")
            return answers.FAILED

    def _astray(self, scope: Any, headers: dict[str, str], answer: Answer, why: str) -> Answer:
        # Browsers and scanners ask for much; only what is sent may be an event that somebody misses.
        if scope.method == "POST":
            self._note_unread(scope, headers, answer, why)
        return answer

    def _note_unread(self, scope: Any, headers: dict[str, str], answer: Answer, why: str) -> None:
        """Without an address, which may be what cannot be told, and without a path that is the sender's own words."""
        if self._recent is not None and not opted_out(headers):
            path = scope.path if scope.path in self._routes else "(another path)"
            endpoint = f"{scope.method} {path}"
            self._recent.note(Seen(int(time.time() * 1000), endpoint, answer.status, limit=why))

    def request(self, scope: Any, headers: dict[str, str]) -> Request | Answer:
        """The request, without a body; or what is answered to one that is over a limit."""
        self._count["requests"] += 1
        now = int(time.time() * 1000)
        peer = scope.client.rpartition(":")[0].strip("[]")
        request = Request(scope.method, scope.path, scope.query_string, headers, peer, now)
        if self._limits.rate and not self._rate.admits(self._intake.client(request)):
            self._count["rate_limited"] += 1
            return self._limited(request, answers.rate_limited(self._rate.retry_after), "too many requests")
        if self.busy > self._limits.at_once:
            self._count["unavailable"] += 1
            return self._limited(request, answers.TOO_BUSY, "too many requests at once")
        return request

    async def request_with_body(self, scope: Any, protocol: Any, headers: dict[str, str]) -> Request | Answer:
        """The same of one that has a body, whose limits hold as well."""
        request = self.request(scope, headers)
        if not isinstance(request, Request):
            return request
        if headers.get("content-encoding", "identity").lower() != "identity":
            self._count["encoded_bodies"] += 1
            return self._limited(request, answers.ENCODED, "the body has a Content-Encoding")
        try:
            body = await read_body(protocol, headers, self._limits.body, self._limits.body_s)
        except (TooLarge, TooSlow, Broken) as problem:
            answer, counted, why = _BODY_PROBLEMS[type(problem)]
            self._count[counted] += 1
            return self._limited(request, answer, why)
        return Request(request.method, request.path, request.query, headers, request.peer, request.received_at, body)

    def not_json(self, request: Request) -> Answer:
        """What is answered to a body that does not say that it is JSON where it has to."""
        self._count["not_json_bodies"] += 1
        return self._limited(request, answers.NOT_JSON, "the body is not application/json")

    def _limited(self, request: Request, answer: Answer, why: str) -> Answer:
        # Of whoever has opted out nothing is kept, not even that a limit was met.
        if self._recent is not None and not opted_out(request.headers):
            address = truncated(self._intake.client(request))
            self._recent.note(Seen(request.received_at, request_of(request), answer.status, address=address, limit=why))
        return answer

    async def store(self, request: Request, answering: Callable[[Taken], Answer]) -> Answer:
        """Take the request; once all of it is stored, the answer is what `answering` makes of it."""
        taken = self._intake.take(request)
        if taken.opted_out:
            self._count["opted_out"] += 1
            answer, verdicts = answers.NOTHING, []
        else:
            self._totals.taken(taken)
            outgoings = taken.events
            if taken.refused:
                endpoint = request_of(request)
                letters = [letter_of(one, endpoint, self._dead_letter_topic) for one in taken.refused]
                outgoings = [*outgoings, *letters]
            verdicts = [WAITING] * len(outgoings) if self._recent is not None else []
            try:
                await self._delivery.submit(outgoings, verdicts or None)
                answer = answering(taken)
            except NobodyTookIt:
                self._intake.not_stored(taken)
                self._count["unavailable"] += 1
                answer = answers.NOBODY
        if self._recent is not None:
            self._recent.note(Seen.of(request, answer.status, taken, verdicts))
        return answer

    @property
    def shown(self) -> Shown:
        """What is answered besides events."""
        return self._shown


def _joined(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Several lines of one name as one, in their order (RFC 9110, 5.3)."""
    found: dict[str, str] = {}
    for name, value in headers:
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


async def _events(application: Application, scope: Any, protocol: Any, headers: dict[str, str]) -> Answer:
    request = await application.request_with_body(scope, protocol, headers)
    return await application.store(request, _told) if isinstance(request, Request) else request


def _told(taken: Taken) -> Answer:
    unreadable = not taken.events and any(one.reason is Reason.NOT_JSON for one in taken.refused)
    return answers.verdicts(len(taken.events), taken.refused, status=400 if unreadable else 200)


async def _pixel(application: Application, scope: Any, _protocol: Any, headers: dict[str, str]) -> Answer:
    request = application.request(scope, headers)
    return await application.store(request, _pixel_told) if isinstance(request, Request) else request


def _pixel_told(taken: Taken) -> Answer:
    return answers.PIXEL if taken.events else answers.verdicts(0, taken.refused, status=400)


async def _divolte_pixel(application: Application, scope: Any, _protocol: Any, headers: dict[str, str]) -> Answer:
    request = application.request(scope, headers)
    if not isinstance(request, Request):
        return request
    answer = answers.DIVOLTE_PIXEL if image_status(headers) == 200 else answers.DIVOLTE_AGAIN
    return await application.store(request, lambda _taken: answer)


async def _divolte_json(application: Application, scope: Any, protocol: Any, headers: dict[str, str]) -> Answer:
    request = await application.request_with_body(scope, protocol, headers)
    if not isinstance(request, Request):
        return request
    answer = _DIVOLTE_JSON[json_status(request)]
    # Of whoever has opted out nothing else is asked.
    if answer is answers.NOT_JSON and not opted_out(headers):
        return application.not_json(request)
    return await application.store(request, lambda _taken: answer)


_DIVOLTE_JSON = {204: answers.NOTHING, 400: answers.INCOMPLETE, 415: answers.NOT_JSON}


async def _preflight(_application: Application, _scope: Any, _protocol: Any, _headers: dict[str, str]) -> Answer:
    return answers.preflight("POST")


async def _nothing_taken(_application: Application, _scope: Any, _protocol: Any, _headers: dict[str, str]) -> Answer:
    return answers.PIXEL


async def _ping(application: Application, _scope: Any, _protocol: Any, _headers: dict[str, str]) -> Answer:
    return answers.DRAINING if application.draining else answers.PONG


async def _healthz(application: Application, _scope: Any, _protocol: Any, _headers: dict[str, str]) -> Answer:
    return answers.SPOOLING if application.shown.spooling else answers.HEALTHY


async def _metrics(application: Application, _scope: Any, _protocol: Any, _headers: dict[str, str]) -> Answer:
    shown = application.shown
    return answers.metrics(shown.metrics_type, shown.metrics)


async def _privacy(application: Application, _scope: Any, _protocol: Any, _headers: dict[str, str]) -> Answer:
    return answers.json(application.shown.privacy)


async def _script(application: Application, scope: Any, _protocol: Any, headers: dict[str, str]) -> Answer:
    return application.shown.scripts[scope.path].answer(headers.get("if-none-match"))
