"""How many files a server leaves to all else."""

import resource

import pytest

from clickstream import openfiles


@pytest.mark.parametrize(
    ("allowed", "connections"),
    [
        (resource.RLIM_INFINITY, 16_384),
        (65_536, 16_384),
        (4_096, 3_584),
        (1_024, 512),
        (512, 256),
    ],
)
def test_connections_leave_files_to_others(allowed: int, connections: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (allowed, allowed))
    assert openfiles.for_connections() == connections
