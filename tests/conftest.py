"""Options of the whole suite."""

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes depends on what else the machine does. What a run finds must not depend on chance: the same
# examples each time; others are tried by --slow.
ANY_MACHINE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("the same examples", ANY_MACHINE, derandomize=True)
settings.register_profile("other examples", ANY_MACHINE)
settings.load_profile("the same examples")

# Of every JVM that tests start: half the CPU of one that runs for a minute goes into compiling code well.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")

TESTS = Path(__file__).parent
# Of one slow test; the others have the time-out of pyproject.toml, or their own.
SLOW_TIMEOUT_S = 3600
TIME_OUT = pytest.StashKey[Any]()  # of a test, as pytest-timeout has it


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests that take minutes, too")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--slow"):
        settings.load_profile("other examples")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items[:] = _mixed(items)
    all_of_them = config.getoption("--slow")
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(
                pytest.mark.timeout(SLOW_TIMEOUT_S)
                if all_of_them
                else pytest.mark.skip(reason="takes minutes; --slow runs it"),
                append=False,  # before a time-out that the test has for its quick cases
            )


@pytest.hookimpl(optionalhook=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> None:
    item.stash[TIME_OUT] = settings


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test that is tried once more has its time once more: pytest-timeout sets one timer for all attempts."""
    if getattr(item, "execution_count", 1) > 1 and TIME_OUT in item.stash:
        item.ihook.pytest_timeout_cancel_timer(item=item)
        item.ihook.pytest_timeout_set_timer(item=item, settings=item.stash[TIME_OUT])


def _mixed(items: list[pytest.Item]) -> list[pytest.Item]:
    """Whole files, those with a browser evenly between those with a real Kafka: the former compute, the latter wait."""
    files: dict[str, dict[Path, list[pytest.Item]]] = {}
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        files.setdefault(folder, {}).setdefault(item.path, []).append(item)
    placed: list[tuple[bool, float, list[pytest.Item]]] = []
    for folder, found in files.items():
        real = folder in ("browser", "integration")
        placed += [(not real, number / len(found), tests) for number, tests in enumerate(found.values())]
    return [item for *_, tests in sorted(placed, key=lambda one: one[:2]) for item in tests]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Reports travel between pytest-xdist's processes as UTF-8, which has no halves of characters as a log may have."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report
