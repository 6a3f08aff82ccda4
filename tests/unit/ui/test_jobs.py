"""Answers that a thread makes: they end when the client leaves, and when the server does."""

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import Message

from clickstream.errors import ClickstreamError
from clickstream.ui.api import jobs
from clickstream.ui.api.jobs import Left, Put, Refused, Streamed, on_thread
from tests.support import wait_until
from tests.unit.ui.asgi import scope

WITHIN_S = 60.0


class Client:
    """Asks for an answer, takes it, and leaves when it is told to."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""
        self.complete = False
        self.leaves = asyncio.Event()
        self.slow = False

    async def receive(self) -> Message:
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        if self.slow:
            await self.leaves.wait()
        self.body += message["body"]
        self.complete = not message.get("more_body", False)


def serve(work: jobs.Work, act: Callable[[Client], Any] = lambda client: None, method: str = "GET") -> Client:
    """What a client got of it."""

    async def served() -> Client:
        client = Client()
        stopping = asyncio.Event()
        acting = asyncio.create_task(_acted(act, client, stopping))
        async with asyncio.timeout(WITHIN_S):
            asked = scope("http", "/", [], method)
            await Streamed(work, "text/plain", stopping=stopping)(asked, client.receive, client.send)
        acting.cancel()
        return client

    return asyncio.run(served())


async def _acted(act: Callable[..., Any], client: Client, stopping: asyncio.Event) -> None:
    client.stopping = stopping  # type: ignore[attr-defined]
    found = act(client)
    if found is not None:
        await found


def test_pieces_arrive_in_order() -> None:
    def work(put: Put, _stop: threading.Event) -> None:
        for number in range(50):
            put(b"%d," % number)

    client = serve(work)
    assert (client.status, client.complete) == (200, True)
    assert client.body == b"".join(b"%d," % number for number in range(50))


@pytest.mark.parametrize(
    ("problem", "status"),
    [(Refused(403, "no exports"), 403), (ClickstreamError("Kafka is away"), 503), (RuntimeError("secret"), 500)],
)
def test_what_fails_before_the_first_piece_is_an_answer_with_words(problem: Exception, status: int) -> None:
    def work(_put: Put, _stop: threading.Event) -> None:
        raise problem

    client = serve(work)
    said = json.loads(client.body)["error"]
    assert client.status == status
    assert "secret" not in said
    assert (str(problem) in said) == (status != 500)


def test_what_fails_later_breaks_off_and_does_not_look_whole() -> None:
    def work(put: Put, _stop: threading.Event) -> None:
        put(b"half")
        raise ClickstreamError("Kafka is away")

    with pytest.raises(RuntimeError, match="broke off: Kafka is away"):
        serve(work)


class Endless:
    """Work that goes on until somebody ends it."""

    def __init__(self) -> None:
        self.ended = threading.Event()

    def __call__(self, put: Put, stop: threading.Event) -> None:
        try:
            while not stop.is_set():
                put(b"x" * 1_000)
        except Left:
            raise
        finally:
            self.ended.set()


@pytest.mark.parametrize("slow", [False, True])
def test_the_work_ends_when_the_client_leaves(slow: bool) -> None:
    work = Endless()

    async def leave(client: Client) -> None:
        client.slow = slow
        await asyncio.sleep(0)
        while not slow and not client.body:
            await asyncio.sleep(0.01)
        client.leaves.set()

    client = serve(work, leave)
    assert work.ended.wait(WITHIN_S)
    assert not client.complete


def test_a_client_that_reads_nothing_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "SEND_WITHIN_S", 0.05)
    monkeypatch.setattr(jobs, "_room", threading.BoundedSemaphore(1))
    work = Endless()

    def stall(client: Client) -> None:
        client.slow = True

    with pytest.raises(RuntimeError, match=r"broke off: the client read nothing for 0\.05 s"):
        serve(work, stall)
    assert work.ended.wait(WITHIN_S)
    wait_until(lambda: jobs._room.acquire(blocking=False), 60, "its place is free again")


def test_the_work_ends_when_the_server_does() -> None:
    work = Endless()

    async def stop(client: Client) -> None:
        while not client.body:
            await asyncio.sleep(0.01)
        client.stopping.set()  # type: ignore[attr-defined]

    serve(work, stop)
    assert work.ended.wait(WITHIN_S)


def test_no_more_than_so_many_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_room", threading.BoundedSemaphore(1))
    assert jobs._room.acquire()
    client = serve(lambda put, _stop: put(b"x"))
    assert (client.status, "wait for one of them" in client.body.decode()) == (503, True)
    jobs._room.release()
    assert serve(lambda put, _stop: put(b"x")).status == 200
    wait_until(lambda: jobs._room.acquire(blocking=False), 60, "its place is free again")


def test_a_head_says_whether_there_is_room_and_does_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_room", threading.BoundedSemaphore(1))
    worked = threading.Event()

    def work(_put: Put, _stop: threading.Event) -> None:
        worked.set()

    assert [serve(work, method="HEAD").status for _ in range(3)] == [200, 200, 200]
    assert not worked.is_set()
    assert jobs._room.acquire(blocking=False)
    assert serve(work, method="HEAD").status == 503


def test_a_question_on_a_thread_answers_fails_and_takes_no_longer_than_it_may() -> None:
    assert asyncio.run(on_thread(lambda _stop: 7)) == 7

    def fail(_stop: threading.Event) -> None:
        raise ClickstreamError("no")

    with pytest.raises(ClickstreamError, match="no"):
        asyncio.run(on_thread(fail))
    stopped = threading.Event()

    def wait(stop: threading.Event) -> None:
        stop.wait(WITHIN_S)
        stopped.set()

    with pytest.raises(Refused, match="did not answer within"):
        asyncio.run(on_thread(wait, 0.05))
    assert stopped.wait(WITHIN_S)
