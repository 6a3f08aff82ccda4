"""What the commands of `clickstream sink` share: which sources they take, and what they say of wrong ones."""

from pathlib import Path

import pytest

from clickstream.cli.sink.options import inputs, secret
from clickstream.errors import ConfigError


def topics_of(*sources: str, **given: str | tuple[str, ...]) -> list[str]:
    options = {"only": (), "columns": None, "key": None, "variables": (), **given}
    return [one.topic for one in inputs(sources, **options)]  # type: ignore[arg-type]


def test_a_shipped_file_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert topics_of("vip.sql") == ["vip-action"]
    assert topics_of("vip") == ["vip"]  # a topic


def test_a_file_here_goes_before_the_shipped_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("vip.sql").write_text("nonsense", "utf-8")
    with pytest.raises(Exception, match="1"):
        topics_of("vip.sql")


def test_only_some_results_of_a_file() -> None:
    assert topics_of("clickstream.sql", only=("errors_per_min",)) == ["errors_per_min"]
    with pytest.raises(ConfigError, match=r"writes no topic nonsense. It writes user_clickstream, "):
        topics_of("clickstream.sql", only=("nonsense",))


@pytest.mark.parametrize(
    ("sources", "given", "words"),
    [
        (("missing.sql",), {}, "missing.sql"),
        (("a", "b"), {"columns": "n INT"}, "--columns one TOPIC"),
        (("a",), {"only": ("a",)}, "--only needs one FILE.sql"),
        (("a",), {"key": "n"}, "it needs --columns"),
        (("a",), {"columns": "n NOTHING"}, "Give them as in CREATE TABLE"),
        (("a", "a"), {}, "Two inputs are"),
        (("a-b", "a_b"), {}, "Two inputs are table a_b"),
    ],
)
def test_what_does_not_fit_is_refused_with_words(
    sources: tuple[str, ...], given: dict[str, str | tuple[str, ...]], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        topics_of(*sources, **given)


def test_a_secret_comes_from_its_option_its_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "dsn"
    file.write_text("from-file\n", "utf-8")
    monkeypatch.setenv("CLICKSTREAM_SINK_X", "from-environment")
    assert secret("--dsn", "given", file, "CLICKSTREAM_SINK_X") == "given"
    assert secret("--dsn", None, file, "CLICKSTREAM_SINK_X") == "from-file"
    assert secret("--dsn", None, None, "CLICKSTREAM_SINK_X") == "from-environment"
    assert capsys.readouterr().err == ""

    assert secret("--dsn", "postgresql://me:hidden@h/d", None, "CLICKSTREAM_SINK_X") is not None
    said = capsys.readouterr().err
    assert "can see the password in --dsn: give it in CLICKSTREAM_SINK_X instead" in said
    assert "hidden" not in said


def test_a_file_with_an_address_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("\ufeffhttps://example.com\n", "utf-8")
    assert secret("--url", None, tmp_path / "url", "URL") == "https://example.com"
