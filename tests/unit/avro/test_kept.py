"""Ids of schemas that outlast a registry that is away, and the guard that notices one that was wiped."""

import threading
from pathlib import Path

from clickstream.avro.codec import encoder
from clickstream.avro.guard import keep_sure
from clickstream.avro.kept import Kept, KeptSchemas
from clickstream.errors import ClickstreamError
from tests.support import PATIENCE, wait_until
from tests.unit.avro.fakeregistry import USER, FakeRegistry


def test_an_id_is_of_its_registry_subject_and_schema(tmp_path: Path) -> None:
    kept = KeptSchemas(tmp_path / "folder" / "schemas.json")
    assert kept.id_of("here", "a-value", USER) is None
    kept.keep([Kept("here", "a-value", USER, 7)])
    assert kept.id_of("here", "a-value", USER) == 7
    assert [kept.id_of("there", "a-value", USER), kept.id_of("here", "b", USER), kept.id_of("here", "a-value", "")] == [
        None
    ] * 3
    (tmp_path / "folder" / "schemas.json").write_bytes(b"\xff{")
    assert kept.id_of("here", "a-value", USER) is None


def test_the_guard_waits_for_a_registry_that_is_away_and_raises_for_one_that_was_wiped(fake: FakeRegistry) -> None:
    own = encoder(fake.registry(), "users-value", USER, register=True)
    stop = threading.Event()
    found: list[ClickstreamError] = []

    def work() -> None:
        try:
            keep_sure(fake.registry(), [own], stop, 0.01)
        except ClickstreamError as problem:
            found.append(problem)

    fake.fail = 503, b""
    thread = threading.Thread(target=work)
    thread.start()
    asked = len(fake.requests)
    wait_until(lambda: len(fake.requests) >= asked + 3, 30)
    assert thread.is_alive()
    fake.schemas.clear()
    fake.fail = None
    thread.join(30 * PATIENCE)
    assert "no longer has schema 1" in str(found[0])


def test_the_guard_ends_with_the_part(fake: FakeRegistry) -> None:
    stop = threading.Event()
    stop.set()
    keep_sure(fake.registry(), [], stop)
    assert fake.requests == []
