"""Asking running parts to do something else.

POST /api/control     {"part": ID, "action": ACTION, "value": NUMBER or null}, as records.Command
"""

import time
from threading import Event

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from clickstream.errors import ClickstreamError
from clickstream.parts import commanding
from clickstream.parts.status import Reports
from clickstream.records import Action, Answer
from clickstream.ui.api.jobs import Refused, answer, on_thread, refusal
from clickstream.ui.wiring import Wiring

# The command and its answer have as long as commanding.carry_out gives them, and the topics are read before that.
WITHIN_S = 40.0


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As records.Command."""

    part: str
    action: Action
    value: float | None = None


class Control:
    """The answers, of one server."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    async def ask(self, request: Request) -> Response:
        """Sends a command, and answers what came of it (records.Answer). The guard has seen the token; without
        --allow-control it is refused."""
        try:
            if not self._wiring.control:
                raise Refused(403, "This page only reads. To ask parts for something: clickstream ui --allow-control")
            asked = _asked(await request.body())
            return answer(await on_thread(lambda stop: self._carried_out(asked, stop), WITHIN_S))
        except ClickstreamError as problem:
            return refusal(problem)

    def _carried_out(self, asked: Asked, stop: Event) -> Answer:
        cluster, settings = self._wiring.services.cluster, self._wiring.services.settings
        reports = Reports(cluster, settings["status-topic"])
        try:
            found = commanding.steerable(reports.look(stop), asked.part, time.time())
        except ClickstreamError as problem:
            raise Refused(409, str(problem)) from None
        command = commanding.command(found.id, asked.action, asked.value)
        return commanding.carry_out(cluster, settings["control-topic"], reports, command, stop)


def _asked(body: bytes) -> Asked:
    try:
        return msgspec.json.decode(body, type=Asked)
    except msgspec.MsgspecError as error:
        raise Refused(400, f'{{"part", "action", "value"}} is expected: {error}.') from None


def routes(wiring: Wiring) -> list[BaseRoute]:
    """Below /api."""
    return [Route("/control", Control(wiring).ask, methods=["POST"])]
