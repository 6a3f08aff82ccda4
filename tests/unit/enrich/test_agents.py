import pytest

from clickstream.enrich.agents import KNOWN_AGENTS, MAX_LENGTH, Agent, _known, agent
from clickstream.generate.people import AGENTS, ROBOT
from tests.support import PATIENCE, quickest

GENERATED = {
    "computer": [
        ("Chrome", "Windows", "desktop"),
        ("Firefox", "Windows", "desktop"),
        ("Safari", "Mac OS X", "desktop"),
        ("Firefox", "Linux", "desktop"),
        ("Edge", "Windows", "desktop"),
    ],
    "mobile": [
        ("Chrome Mobile", "Android", "phone"),
        ("Mobile Safari", "iOS", "phone"),
        ("Firefox Mobile", "Android", "phone"),
    ],
    "tablet": [("Mobile Safari", "iOS", "tablet")],
}


@pytest.mark.parametrize("device", GENERATED)
def test_agents_of_the_generator(device: str) -> None:
    found = [agent(text) for own, text in AGENTS if own == device]
    assert [(one.browser, one.os, one.device) for one in found] == GENERATED[device]
    assert not any(one.bot for one in found)


@pytest.mark.parametrize("text", [None, "", "  ", "-"])
def test_no_agent_is_a_robot(text: str | None) -> None:
    assert agent(text) == Agent("other", "other", "robot", "empty")


@pytest.mark.parametrize("text", [ROBOT, "curl/8.0", "python-requests/2.31", "Mozilla/5.0 (compatible; bingbot/2.0)"])
def test_robots(text: str) -> None:
    assert agent(text).bot
    assert agent(text).device == "robot"


@pytest.mark.parametrize("text", [ROBOT, "curl/8.0"])
def test_why_a_robot_is_one(text: str) -> None:
    assert agent(text).reason == "list"
    person = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
    assert agent(person).reason is None
    assert agent(person.replace("Chrome", "HeadlessChrome")).reason == "headless"
    assert agent(person + " jsdom/20.0").reason == "headless", "no list has it"


def test_a_tablet_with_android_does_not_say_mobile() -> None:
    tablet = (
        "Mozilla/5.0 (Linux; Android 13; SM-X900) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"
    )
    assert agent(tablet).device == "tablet"
    assert agent(tablet.replace("Safari", "Mobile Safari")).device == "phone"


@pytest.mark.parametrize("text", ["\x00\u202e", "\udc80", "(" * 100_000, "a" * 1_000_000, "%s%n"])
def test_hostile_agents_are_agents_like_others(text: str) -> None:
    assert agent(text).os == "other"


@pytest.mark.parametrize(
    "text", ["z" * MAX_LENGTH, "x-_1" * 250, "a b/1.2;" * 125, "Mozilla/5.0 (" + "ü" * 900, "(" * MAX_LENGTH]
)
def test_no_agent_takes_long(text: str) -> None:
    agent(text[:-1])  # what is loaded once is loaded

    def asked() -> None:
        _known.cache_clear()
        agent(text)

    assert quickest(asked) < 0.03 * PATIENCE


@pytest.mark.parametrize("text", ["x" * 300 + "bot", "somespider" + "x" * 300, "y " * 100 + "crawler"])
def test_a_robot_with_a_long_name_is_one(text: str) -> None:
    assert agent(text).reason == "list"


def test_what_is_remembered_is_bounded() -> None:
    assert _known.cache_info().maxsize == KNOWN_AGENTS
    before = _known.cache_info().misses
    agent("x" * MAX_LENGTH + "one")
    agent("x" * MAX_LENGTH + "other")
    assert _known.cache_info().misses == before + 1, "only so much of a text is looked at, and kept"
