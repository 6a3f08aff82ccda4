"""The Dockerfile's own commands, executed below a folder instead of in an image, and a part run from the result."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.support import ROOT, make_topic
from tests.support import PATIENCE, free_port, missing, wait_until
from tests.unit.deploy.test_image import LAST, LINES, said, variables

pytestmark = [pytest.mark.slow]
BUILDING_S = 1500
ENDS_WITHIN_S = 30


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which /opt/clickstream is."""
    root = tmp_path_factory.mktemp("image")
    context = root / "src"
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line.startswith("!"):
            source, target = ROOT / line[1:], context / line[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
    python = root / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}")
    first = LINES[: len(LINES) - len(LAST)]
    for line in first:
        if line.startswith("RUN "):
            command = re.sub(r"(?<!\S)/(opt|wheels)\b", f"{root}/\\1", line.removeprefix("RUN "))
            done = subprocess.run(
                ["sh", "-e", "-c", command],
                cwd=context,
                env={**os.environ, "PATH": f"{python.parent}:{os.environ['PATH']}"},
                capture_output=True,
                text=True,
                check=False,
                timeout=BUILDING_S,
            )
            if done.returncode != 0 and "require-hashes" in command:
                missing(f"cannot install the requirements: {done.stderr[-500:]}")
            assert done.returncode == 0, done.stderr
    return root


def environment(image: Path, folder: Path, **more: str) -> dict[str, str]:
    """As the last stage sets it."""
    found = {name: value.replace("/var/lib/clickstream", str(folder)) for name, value in variables().items()}
    found["PATH"] = f"{image}/opt/clickstream/bin:/usr/bin:/bin"
    return {**found, **more}


@contextmanager
def started(image: Path, folder: Path, kafka: str, port: int, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    more = {"KAFKA_BOOTSTRAP_SERVERS": kafka, "CLICKSTREAM_METRICS_PORT": str(port)}
    with (folder / "said").open("wb") as out:
        part = subprocess.Popen(
            [image / "opt" / "clickstream" / "bin" / "clickstream", *words],
            cwd=folder,
            env=environment(image, folder, **more),
            stdout=out,
            stderr=out,
        )
    try:
        yield part
    finally:
        part.kill()
        part.wait()


def test_every_extra_that_the_image_is_for_is_there(image: Path) -> None:
    modules = "starlette, granian, crawlerdetect, duckdb, pyarrow, psycopg, pika, grpc, sqlglot, clickstream.ui.server"
    python = image / "opt" / "clickstream" / "bin" / "python"
    done = subprocess.run(
        [python, "-c", f"import {modules}"], capture_output=True, text=True, check=False, timeout=120 * PATIENCE
    )
    assert done.returncode == 0, done.stderr


def test_nothing_that_builds_is_left(image: Path) -> None:
    python = image / "opt" / "clickstream" / "bin" / "python"
    for module in ("pip", "setuptools", "hatchling"):
        done = subprocess.run(
            [python, "-c", f"import {module}"], capture_output=True, check=False, timeout=120 * PATIENCE
        )
        assert done.returncode != 0, module


def test_a_part_is_healthy_by_the_own_check_and_ends_well(
    image: Path, kafka: str, topic_name: str, tmp_path: Path
) -> None:
    make_topic(kafka, topic_name)
    port = free_port()
    (check,) = said("HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])
    asked = environment(image, tmp_path)
    asked["HEALTH_URL"] = asked["HEALTH_URL"].replace(asked["CLICKSTREAM_METRICS_PORT"], str(port))

    def healthy() -> bool:
        return (
            subprocess.run(command, env=asked, capture_output=True, check=False, timeout=60 * PATIENCE).returncode == 0
        )

    assert not healthy(), "nothing runs yet"
    words = shlex.split(f"run-counter --quiet --from-topic {topic_name} --to-topic {topic_name}-tally")
    with started(image, tmp_path, kafka, port, *words) as part:
        wait_until(healthy, 120, (tmp_path / "said").read_text)
        part.send_signal(signal.SIGTERM)
        assert part.wait(ENDS_WITHIN_S) == 0, (tmp_path / "said").read_text()
