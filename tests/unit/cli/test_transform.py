from pathlib import Path

import pytest
from click.testing import CliRunner

from clickstream.cli import clickstream
from clickstream.cli.transform import MAX_NAME, _caller, check, default_name
from clickstream.errors import ConfigError


@pytest.mark.parametrize(
    ("function", "server", "words"),
    [
        (None, None, "Give either --function"),
        ("a:b", "host:1", "Give either --function"),
        ("vip.py", None, "FILE.py:NAME is expected"),
        ("vip.py:", None, "FILE.py:NAME is expected"),
        ("a-b:f", None, "FILE.py:NAME is expected"),
        ("a:b:c", None, "FILE.py:NAME is expected"),
        ("nowhere/vip.py:f", None, "there is no file nowhere/vip.py"),
        (None, "host", "HOST:PORT is expected"),
        (None, "host:0", "HOST:PORT is expected"),
        (None, "host:65536", "HOST:PORT is expected"),
        (None, "http://host:1", "HOST:PORT is expected"),
    ],
)
def test_what_can_be_no_function_is_refused(function: str | None, server: str | None, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        _caller(function, server, 1, 10.0)


def test_what_can_be_one(tmp_path: Path) -> None:
    path = tmp_path / "a file.py"
    path.touch()
    for function in ("module:f", "package.module:Class.f", f"{path}:f"):
        assert _caller(function, None, 1, 10.0).where == function
    for server in ("localhost:50051", "10.0.0.1:1", "[::1]:50051"):
        assert _caller(None, server, 1, 10.0).where == f"the server at {server}"


def test_a_deadline_is_longer_than_nothing() -> None:
    with pytest.raises(ConfigError, match="--deadline"):
        _caller("module:f", None, 1, 0.0)


@pytest.mark.parametrize(
    ("name", "topics", "words"),
    [
        ("n", {"--from": "a", "--to": "a", "--dead-letter-topic": "d"}, "--from and --to are both a"),
        ("n", {"--from": "a", "--to": "d", "--dead-letter-topic": "d"}, "--to and --dead-letter-topic are both d"),
        ("n", {"--from": "a b", "--to": "b", "--dead-letter-topic": "d"}, "--from 'a b'"),
        ("n/n", {"--from": "a", "--to": "b", "--dead-letter-topic": "d"}, "--name 'n/n'"),
        ("n" * 201, {"--from": "a", "--to": "b", "--dead-letter-topic": "d"}, "--name has 201 characters"),
    ],
)
def test_names_that_cannot_be_are_refused(name: str, topics: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check(name, topics)


def test_both_topics_have_to_be_told() -> None:
    done = CliRunner().invoke(clickstream, ["transform", "--from", "a"])
    assert done.exit_code == 2
    assert "--to" in done.output


def test_a_name_that_is_too_long_is_cut_and_still_of_its_topics_alone() -> None:
    assert default_name("a", "b") == "a-to-b"
    names = {default_name("a" * 199, topic) for topic in ("b", "c", "b" * 249)}
    assert len(names) == 3
    assert {len(name) for name in names} == {MAX_NAME}
    for name in names:
        check(name, {})
