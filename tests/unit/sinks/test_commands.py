"""What the commands of sinks refuse before anything is started, without showing a secret."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from clickstream.cli import clickstream
from clickstream.errors import ConfigError

HOOK = "http://h/hunter2"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["webhook", "--url", "ftp://u:hunter2@host/hunter2"], "has to begin with https://"),
        (["webhook", "--url", "https://host:hunter2/"], "is not understood"),
        (["webhook", "--url", "https://host/hunter2 x"], "have to be encoded"),
        (["webhook", "--template", "{x}", "--url", HOOK], "needs --format slack"),
        (["webhook", "--template", "{x}", "--format", "slack", "--url", HOOK], "names x; the columns are key"),
        (["webhook", "--template", "{a!r}", "--format", "slack", "--url", HOOK], "only names of columns"),
        (["webhook", "--template", "{", "--format", "slack", "--url", HOOK], "A brace itself is written twice"),
        (["webhook", "--from", "7", "--url", HOOK], "--from takes a time"),
        (["webhook", "--from", "end", "--from-start", "--url", HOOK], "Either --from or"),
        (
            [
                "webhook",
                "--url-file",
                "/none/such",
            ],
            "Cannot read /none/such",
        ),
        (["webhook", "--url", HOOK, "--reset", "--yes"], "say --from-start or --from TIME"),
        (["webhook"], "Where to post?"),
        (["rabbitmq", "--url", "http://u:hunter2@host"], "amqp://user:password@host"),
        (["rabbitmq", "--url", "amqp://u:hunter2@host:port/"], "amqp://user:password@host"),
        (["rabbitmq", "--url", "amqp://u:hunter2@host/?heartbeat=hunter2"], "amqp://user:password@host"),
        (["rabbitmq"], "Where is RabbitMQ?"),
        (["opensearch", "--url", "ftp://u:hunter2@host"], "http://localhost:9200 or"),
        (["opensearch", "--url", "https://u:hunter2@host:port/"], "http://localhost:9200 or"),
        (["opensearch", "--url", "https://u:hunter2@host/?x=hunter2"], "http://localhost:9200 or"),
        (["opensearch", "--url", "https://u:hunter 2@host/"], "have to be encoded"),
        (["opensearch", "--url", HOOK, "--ca-file", "/none/such"], "needs a URL that begins with https://"),
        (["opensearch", "--url", "https://h", "--ca-file", "/none/such"], "Cannot read /none/such: No such file"),
        (["opensearch", "--url", "https://h", "--ca-file", __file__], "it holds no certificates"),
        (["opensearch"], "Where is OpenSearch?"),
    ],
)
def test_what_cannot_be_is_said_before_anything_starts(options: list[str], words: str) -> None:
    done = CliRunner().invoke(clickstream, ["sink", *options, "some-topic", "-b", "127.0.0.1:1"])
    assert isinstance(done.exception, ConfigError), done.output
    assert words in str(done.exception)
    assert "hunter2" not in str(done.exception) + done.output


def test_a_key_to_sign_with_is_not_short(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("short\n")
    done = CliRunner().invoke(
        clickstream, ["sink", "webhook", "some-topic", "--url", HOOK, "--sign-key-file", str(path)]
    )
    assert isinstance(done.exception, ConfigError)
    assert "has 5 bytes" in str(done.exception)


def test_a_client_that_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pika", None)
    done = CliRunner().invoke(clickstream, ["sink", "rabbitmq", "some-topic", "--url", "amqp://h"])
    assert isinstance(done.exception, ConfigError)
    assert "pip install 'clickstream[rabbitmq]'" in str(done.exception)
    assert CliRunner().invoke(clickstream, ["sink", "--help"]).exit_code == 0
