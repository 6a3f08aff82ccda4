"""Options of the whole suite."""

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes depends on what else the machine does.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# Of one slow test; the others have the time-out of pyproject.toml, or their own.
SLOW_TIMEOUT_S = 3600


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests that take minutes, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    all_of_them = config.getoption("--slow")
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(
                pytest.mark.timeout(SLOW_TIMEOUT_S)
                if all_of_them
                else pytest.mark.skip(reason="takes minutes; --slow runs it"),
                append=False,  # before a time-out that the test has for its quick cases
            )
