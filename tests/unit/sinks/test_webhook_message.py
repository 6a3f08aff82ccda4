import json

import pytest

from clickstream.sinks.documents import Cleaned
from clickstream.sinks.webhook.message import BROKEN, MOST_CHARACTERS, Alert, Template, as_json, as_slack

ALERT = Alert("t/0/1", "errors", {"status": 404, "text": "<@U1> & co\n*x*", "none": None, "yes": True}, final=False)


def slack(alert: Alert, template: Template, cleaned: Cleaned | None = None) -> str:
    text: str = json.loads(as_slack(alert, template, Cleaned() if cleaned is None else cleaned))["text"]
    return text


def test_values_mention_and_link_nobody_and_begin_no_line() -> None:
    assert slack(ALERT, Template("{text}!")) == "&lt;@\u200bU1&gt; &amp; co\\u000a*x*!"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("@channel @all @here", "@|channel @|all @|here"),
        ("[click](https://evil.example)", "[click]|(https:|//evil.example)"),
        ("see HTTPS://evil.example", "see HTTPS:|//evil.example"),
        ("WWW.evil.example", "WWW|.evil.example"),
        ("a@b.example", "a@|b.example"),
        ("[a](//evil.example)", "[a]|(//evil.example)"),
        ("ends: [a]", "ends: [a]|"),
        ("ends with https:", "ends with https:|"),
        ("ends with https:/", "ends with https:|/"),
        ("12:30 (a) [b] c/d", "12:30 (a) [b] c/d"),
    ],
)
def test_no_chat_takes_a_value_for_a_mention_or_a_link(value: str, said: str) -> None:
    cleaned: Cleaned = Cleaned()
    assert slack(Alert("i", "t", {"a": value}, True), Template("{a}"), cleaned) == said.replace("|", "\u200b")
    assert dict(cleaned) == ({("a", BROKEN): 1} if said != value else {})


def test_two_values_make_no_link_together() -> None:
    values = {"a": "[click]", "b": "(//evil.example)"}
    assert slack(Alert("i", "t", values, True), Template("{a}{b}")) == "[click]\u200b(//evil.example)"


def test_the_template_itself_is_taken_as_it_is() -> None:
    template = Template("<!here> @all https://x {status} {{x}} {yes} {none}\nnext")
    assert slack(ALERT, template) == "<!here> @all https://x 404 {x} true NULL\nnext"


def test_without_a_template_all_columns_are_said_whatever_their_names() -> None:
    values = {"a{b}": 1, "c!r": "x", "d": None}
    assert slack(Alert("i", "t", values, True), Template.of_all(list(values))) == "a{b}: 1, c!r: x, d: NULL"


def test_a_long_value_is_cut_and_counted() -> None:
    cleaned: Cleaned = Cleaned()
    text = slack(Alert("i", "t", {"a": "x" * 10_000}, True), Template("{a}"), cleaned)
    assert len(text) == MOST_CHARACTERS
    assert list(cleaned.values()) == [1]


def test_a_summary_says_how_many() -> None:
    summary = Alert("i", "a & b", {}, True, left_out=1_234)
    assert slack(summary, Template("{x}")) == "a &amp; b: 1,234 more were left out within a minute."
    assert json.loads(as_json(summary)) == {"id": "i", "table": "a & b", "left_out": 1234}


def test_json_has_all_values() -> None:
    assert json.loads(as_json(ALERT)) == {"id": "t/0/1", "table": "errors", "final": False, "row": dict(ALERT.values)}
