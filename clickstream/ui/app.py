"""The wiring list: what is served at which address."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from clickstream.ui import api, wire
from clickstream.ui.guard import PROTOCOL, Guard
from clickstream.ui.socket import TRY_LATER, Tab
from clickstream.ui.wiring import Wiring

HEALTH = "/healthz"


def application(wiring: Wiring) -> ASGIApp:
    """All of it, behind the guard."""

    async def live(socket: WebSocket) -> None:
        await _live(socket, wiring)

    async def metrics(_request: Request) -> Response:
        text = await wiring.workers.run(wiring.metrics.text)
        return Response(text, headers={"content-type": wiring.metrics.content_type})

    async def health(_request: Request) -> Response:
        # Whether this process works; that Kafka is away is no reason to start it again.
        return JSONResponse({"status": "ok", "kafka": wiring.services.statuses.topic().stage})

    return Guard(
        Starlette(
            routes=[
                WebSocketRoute("/live", live),
                Mount("/api", routes=api.routes(wiring)),
                Route("/metrics", metrics),
                Route(HEALTH, health),
                Route("/{path:path}", wiring.files.answer),
            ]
        ),
        wiring.rules,
    )


async def _live(socket: WebSocket, wiring: Wiring) -> None:
    offered = [one.strip() for one in socket.headers.get("sec-websocket-protocol", "").split(",")]
    await socket.accept(PROTOCOL if PROTOCOL in offered else None)
    tabs = wiring.tabs
    if tabs.is_full or tabs.are_closing:
        tabs.refused += 1
        # Only after the handshake can a page see why.
        await socket.close(TRY_LATER, "too many tabs are open" if tabs.is_full else "stopping")
        return
    hello = wire.hello(wiring.hello(socket.scope["state"]["knows_token"]))
    await tabs.serve(Tab(socket, wiring.views, wiring.workers, hello, wiring.services.clock))
