"""Making sure that a registry still has the schemas that are written with, where nobody waits for its answer."""

import threading
from collections.abc import Callable, Iterable
from typing import Protocol

from clickstream.avro.http import RegistryAway
from clickstream.avro.registry import Registry, UnknownSchema
from clickstream.avro.schema import same
from clickstream.errors import ClickstreamError

# An id is asked for once; whether the registry still has it is asked so often.
MAKE_SURE_EVERY_S = 30.0


class Written(Protocol):
    """What is written with: a schema, and the id that the registry gave it."""

    schema_id: int
    text: str


class Guard:
    """Asks now and then for one schema, each time on a thread of its own: a registry may be silent for many seconds."""

    def __init__(self, registry: Registry, schema_id: int, text: str, clock: Callable[[], float]) -> None:
        self._registry = registry
        self._schema_id = schema_id
        self._text = text
        self._clock = clock
        self._sure_until = clock() + MAKE_SURE_EVERY_S
        self._asking = threading.Lock()  # released by the thread that asks
        self._problem: Exception | None = None

    def check(self) -> None:
        """Waits for nothing. Raises ClickstreamError when an answer has said that the registry was wiped."""
        if self._problem is not None:
            raise self._problem
        if self._clock() >= self._sure_until and self._asking.acquire(blocking=False):
            self._sure_until = self._clock() + MAKE_SURE_EVERY_S
            threading.Thread(target=self._ask, name="schema registry", daemon=True).start()

    def _ask(self) -> None:
        try:
            must_still_have(self._registry, self._schema_id, self._text)
        except Exception as problem:  # noqa: BLE001 - raised again by who writes
            self._problem = problem
        finally:
            self._asking.release()


def keep_sure(
    registry: Registry, written: Iterable[Written], stop: threading.Event, every_s: float = MAKE_SURE_EVERY_S
) -> None:
    """Ask now and then until `stop` is set; raises ClickstreamError when it was wiped, or is another one.

    For those who write in processes that ask no registry.
    """
    known = [(one.schema_id, one.text) for one in written]
    while not stop.wait(every_s):
        for schema_id, text in known:
            must_still_have(registry, schema_id, text)


def must_still_have(registry: Registry, schema_id: int, text: str) -> None:
    """Raises ClickstreamError when the registry was wiped or exchanged: it no longer has a schema, or another one."""
    try:
        found = registry.schema(schema_id).text
    except RegistryAway:
        return
    except UnknownSchema:
        found = None
    if found is None or not same(found, text):
        said = "no longer has" if found is None else "now has another"
        raise ClickstreamError(
            f"The schema registry at {registry.where} {said} schema {schema_id}: it was wiped, or is another one. "
            "Restore it: records that name its ids cannot be read without it. Then start again."
        )
