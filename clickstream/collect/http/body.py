"""Reading a request's body within limits of our own: granian has none."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Protocol, cast

from granian._granian import RSGIProtocolClosed, RSGIProtocolError


class Incoming(Protocol):
    """Of granian's HTTP protocol, what gives the body."""

    async def __call__(self) -> bytes: ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class BodyProblem(Exception):
    """The body cannot be had; the connection is of no use any more."""


class TooLarge(BodyProblem):
    """It is longer than allowed."""


class TooSlow(BodyProblem):
    """It is not here in time."""


class Broken(BodyProblem):
    """It is not as HTTP has it, or its sender has left."""


async def read_body(incoming: Incoming, headers: Mapping[str, str], limit: int, within_s: float) -> bytes:
    """The whole of it, `limit` bytes at most; raises BodyProblem. What is too long is not read to its end."""
    length = headers.get("content-length")
    if length is None and "transfer-encoding" not in headers:
        return b""
    if length is not None and (not length.isdecimal() or int(length) > limit):
        raise TooLarge
    try:
        async with asyncio.timeout(within_s):
            if length is not None:
                return await incoming()
            return await _counted(incoming, limit)
    except TimeoutError:
        raise TooSlow from None
    except (RSGIProtocolError, RSGIProtocolClosed):
        raise Broken from None


async def _counted(incoming: Incoming, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in cast("AsyncIterator[bytes]", incoming):
        size += len(part)
        if size > limit:
            raise TooLarge
        parts.append(part)
    return b"".join(parts)
