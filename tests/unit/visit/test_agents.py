import pytest

from clickstream.enrich.agents import agent as told
from clickstream.visit.agents import AGENTS, Agent

VERSION = "156.0.8078.108"
EVERY = [pytest.param(agent, id=agent.name) for _, agent in AGENTS]

# What each system says of itself: in the header, in the client hint, to scripts.
SYSTEMS = {
    ("Windows NT 10.0", "Windows", "Win32"),
    ("Macintosh", "macOS", "MacIntel"),
    ("X11; Linux x86_64", "Linux", "Linux x86_64"),
    ("Linux; Android", "Android", "Linux armv81"),
}


def test_shares_are_of_a_hundred() -> None:
    assert sum(share for share, _ in AGENTS) == 100


@pytest.mark.parametrize("agent", EVERY)
def test_header_hints_and_scripts_name_the_same_system(agent: Agent) -> None:
    (system,) = [system for system in SYSTEMS if system[0] in agent.user_agent(VERSION)]
    assert (agent.client_hints(VERSION)["platform"], agent.for_scripts) == system[1:]


@pytest.mark.parametrize("agent", EVERY)
def test_header_and_hints_name_the_same_browser_and_version(agent: Agent) -> None:
    header, hints = agent.user_agent(VERSION), agent.client_hints(VERSION)
    brands = {brand["brand"]: brand["version"] for brand in hints["brands"]}
    assert brands["Chromium"] == "156"
    assert ("Microsoft Edge" in brands) == ("Edg/156.0.0.0" in header)
    assert "Chrome/156.0.0.0" in header
    assert {brand["version"] for brand in hints["fullVersionList"]} == {VERSION, "24.0.0.0"}


@pytest.mark.parametrize("agent", EVERY)
def test_phones_are_phones_everywhere(agent: Agent) -> None:
    hints = agent.client_hints(VERSION)
    assert hints["mobile"] == agent.phone == (" Mobile " in agent.user_agent(VERSION))
    assert bool(hints["model"]) == agent.touch == (hints["platform"] == "Android")
    if agent.phone:
        assert all(size.width < 500 < size.height and size.scale > 2 for size in agent.sizes)


@pytest.mark.parametrize("agent", EVERY)
def test_the_collector_takes_none_of_them_for_a_robot(agent: Agent) -> None:
    found = told(agent.user_agent(VERSION))
    assert found.reason is None
    assert found.device == ("phone" if agent.phone else "tablet" if agent.touch else "desktop")
