"""The real jars from the real repository."""

import shutil
from pathlib import Path

import pytest

from clickstream.errors import ClickstreamError
from clickstream.java import jars
from clickstream.java.lockfile import read
from tests.support import missing


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache of the test's own with all jars of the broker in it."""
    try:
        files = jars.ensure("kafka", lambda _: None)
    except ClickstreamError as error:
        missing(f"no jars: {error}")
    for file in files:
        shutil.copy(file, tmp_path)
    return tmp_path


def test_truncated_falsified_and_lost_jars_are_fetched_again(cache: Path) -> None:
    small = sorted(read()["kafka"].jars, key=lambda jar: jar.size)[:3]
    truncated, falsified, lost = (cache / jar.file_name for jar in small)
    truncated.write_bytes(truncated.read_bytes()[:1000])
    falsified.write_bytes(falsified.read_bytes()[::-1])
    lost.unlink()
    said: list[str] = []
    try:
        jars.ensure("kafka", said.append, cache=cache)
    except ClickstreamError as error:
        if "no connection" in str(error):
            missing(str(error))
        raise
    assert all(jars.matches(cache / jar.file_name, jar) for jar in small)
    assert any(truncated.name in line and falsified.name in line for line in said)
