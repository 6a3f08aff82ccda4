"""Who may ask: one ASGI layer before all routes, for HTTP and for WebSockets alike.

A browser lets any page send requests to this machine, open WebSockets to it, and even read answers once its name
resolves to it. So a request must name one of our own names as its Host, and come from one of our own pages. What writes
needs the token, which is in the printed address; once others than this machine can connect, what reads needs it, too.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clickstream.terminal import escaped
from clickstream.ui.names import OwnNames, authority

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 4 * 1024 * 1024  # a dead letter of 1 MB, edited, as JSON in JSON
BODY_WITHIN_S = 30.0
PROTOCOL = "clickstream"  # of the WebSocket; offered with `token.TOKEN` beside it, as browsers let pages set no header
# Questions that are too long for an address are sent there by POST. They change nothing.
QUESTIONS = "/api/ask/"

HEADERS: tuple[tuple[bytes, bytes], ...] = tuple(
    (name.encode(), value.encode())
    for name, value in {
        "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "object-src 'none'",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-store",  # unless the route says otherwise
    }.items()
)


@dataclass(frozen=True)
class Refusal:
    """The answer to a request that is refused: an HTTP status, and words for people."""

    status: int
    words: str


@dataclass(frozen=True)
class Request:
    """What is known of a request before its body; `headers` in lower case, as often as they came."""

    path: str
    method: str  # "" for a WebSocket
    headers: Sequence[tuple[str, str]]

    @property
    def is_socket(self) -> bool:
        return not self.method

    @property
    def reads(self) -> bool:
        return self.method in ("GET", "HEAD")

    def one(self, name: str) -> str | None:
        """The header's value; None without it. Sent twice it counts as malformed: the two, joined."""
        found = [value for header, value in self.headers if header == name]
        return ", ".join(found) if found else None


@dataclass(frozen=True)
class Rules:
    """`is_public`: whether a path is a file of the pages, which everybody may read; `guarded`: others than this machine
    can connect."""

    names: OwnNames
    token: str
    guarded: bool
    is_public: Callable[[str], bool]

    def refusal(self, request: Request) -> Refusal | None:
        """Why it is refused; None: it may pass."""
        return self._wrong_host(request) or self._wrong_page(request) or self._without_token(request)

    def knows(self, request: Request) -> bool:
        """Whether it brings the token."""
        scheme, _, given = (request.one("authorization") or "").partition(" ")
        offered = (request.one("sec-websocket-protocol") or "").split(",")
        tokens = [given.strip()] if scheme.lower() == "bearer" else []
        tokens += [one.strip().removeprefix("token.") for one in offered if one.strip().startswith("token.")]
        return any(secrets.compare_digest(one.encode(), self.token.encode()) for one in tokens)

    def _wrong_host(self, request: Request) -> Refusal | None:
        host = request.one("host")
        asked = authority(host) if host else None
        if asked is not None and self.names.has(asked.host):
            return None
        return Refusal(
            421,
            f"This server does not answer to the name {escaped(host or '')[:100]!r}. If it is meant to: "
            "clickstream ui --public-name NAME",
        )

    def _wrong_page(self, request: Request) -> Refusal | None:
        origin = request.one("origin")
        asked = authority(request.one("host") or "")
        foreign = Refusal(403, "Only this server's own pages may ask for that.")
        if origin is None:
            if not request.reads:  # browsers always say where a write or a WebSocket comes from
                return foreign
        elif asked is None or not self.names.has_origin(origin, asked):
            return foreign
        if request.one("sec-fetch-site") in ("cross-site", "same-site"):
            # A link from elsewhere to a page is no harm; a picture, a script or a frame that is one of ours is.
            opens = request.one("sec-fetch-mode") == "navigate" and request.one("sec-fetch-dest") == "document"
            return None if opens and request.reads and self.is_public(request.path) else foreign
        return None

    def _without_token(self, request: Request) -> Refusal | None:
        if request.is_socket:
            needed = self.guarded
        elif request.reads:
            needed = self.guarded and not self.is_public(request.path)
        else:
            needed = self.guarded or not request.path.startswith(QUESTIONS)
        if not needed or self.knows(request):
            return None
        return Refusal(401, "The token is missing or wrong: open the address that `clickstream ui` printed.")


class Guard:
    """`app` behind the rules."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        asked = _request(scope)
        scope.setdefault("state", {})["knows_token"] = self._rules.knows(asked)
        refusal = self._rules.refusal(asked)
        if refusal is not None:
            log.debug("Refused %s %s: %s", asked.method or "WebSocket", escaped(asked.path), refusal.words)
        if asked.is_socket:
            await (self._app(scope, receive, send) if refusal is None else _refuse_socket(receive, send, refusal))
        elif refusal is None:
            await self._app(scope, _bounded(receive, _length(asked)), _with_headers(send))
        else:
            await _answer(_with_headers(send), refusal)


def _request(scope: Scope) -> Request:
    headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    return Request(scope["path"], "" if scope["type"] == "websocket" else scope["method"], headers)


def _length(request: Request) -> int:
    said = request.one("content-length") or "0"
    return int(said) if said.isascii() and said.isdigit() and len(said) < 16 else MAX_BODY_BYTES + 1


def _bounded(receive: Receive, announced: int) -> Receive:
    """A body of at most MAX_BODY_BYTES that comes within BODY_WITHIN_S; what is more raises HTTPException."""
    came = 0
    complete = False
    deadline = time.monotonic() + BODY_WITHIN_S

    async def bounded() -> Message:
        nonlocal came, complete
        if complete:
            return await receive()  # waits for the client to leave
        if announced > MAX_BODY_BYTES:
            raise HTTPException(413, f"At most {MAX_BODY_BYTES:,} bytes are taken.")
        try:
            message = await asyncio.wait_for(receive(), deadline - time.monotonic())
        except TimeoutError:
            raise HTTPException(408, f"The request did not arrive within {BODY_WITHIN_S:.0f} s.") from None
        came += len(message.get("body", b""))
        if came > MAX_BODY_BYTES:
            raise HTTPException(413, f"At most {MAX_BODY_BYTES:,} bytes are taken.")
        complete = not message.get("more_body", False)
        return message

    return bounded


def _with_headers(send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = list(message.get("headers", ()))
            known = {name.lower() for name, _value in given}
            message = {**message, "headers": given + [pair for pair in HEADERS if pair[0] not in known]}
        await send(message)

    return guarded


async def _answer(send: Send, refusal: Refusal) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{refusal.words}\n".encode()})


async def _refuse_socket(receive: Receive, send: Send, refusal: Refusal) -> None:
    """Before it is accepted: the handshake ends with HTTP 403."""
    await receive()
    await send({"type": "websocket.close", "code": 1008, "reason": refusal.words[:100]})
