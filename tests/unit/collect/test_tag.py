"""The page tag as it is shipped: what is in the file that browsers get."""

import gzip
import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from clickstream.collect.http.files import STATIC, scripts
from docs.generate import ROOT

MOST_BYTES = 4_096
BUILT = (STATIC / "tag.js").read_text("utf-8")
SOURCE = (STATIC / "tag.src.js").read_text("utf-8")


def test_it_is_built_from_its_source_as_it_is_now() -> None:
    """Both sums were written by bin/build-tag: a change of either file alone is seen."""
    lines = [line.split() for line in (STATIC / "tag.sha256").read_text().splitlines()]
    sums = {name: digest for digest, name in lines}

    found = {name: hashlib.sha256((STATIC / name).read_bytes()).hexdigest() for name in ("tag.src.js", "tag.js")}

    assert found == sums, "run bin/build-tag"


def test_it_is_small() -> None:
    assert len(gzip.compress(BUILT.encode(), 9)) <= MOST_BYTES


@pytest.mark.parametrize(
    "word",
    [
        *("unload", "preventDefault", "stopPropagation", "stopImmediatePropagation", "randomUUID", "eval", "Function"),
        *("innerHTML", "document.write", "cookie", "canvas", "fingerprint", "setItem(`", "XMLHttpRequest"),
    ],
)
def test_it_does_not_even_name_what_harms(word: str) -> None:
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", SOURCE, flags=re.DOTALL)

    assert word not in BUILT.replace("cookieless", "")
    assert word not in code.replace("cookieless", "")


def test_storage_is_touched_in_one_place_that_catches_what_it_throws() -> None:
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", SOURCE, flags=re.DOTALL)

    assert len(re.findall(r"\blocalStorage\b", code)) == 1
    assert "sessionStorage" not in code


def test_it_depends_on_nothing() -> None:
    assert not re.search(r"\bimport\b|\brequire\(|https?://(?!\?)", BUILT.replace("https?:", ""))


def test_nobody_who_uses_it_needs_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert shutil.which("npx") is None

    served = scripts(None)

    assert served["/tag.js"].whole.body == BUILT.encode()
    named = [
        path.name for path in (ROOT / "clickstream").rglob("*.py") if re.search(r"\bnpx\b", path.read_text("utf-8"))
    ]
    assert named == []


def test_the_command_that_builds_it_says_which_version_of_what() -> None:
    command = (ROOT / "bin" / "build-tag").read_text("utf-8")

    assert re.search(r"npx --yes terser@\d+\.\d+\.\d+ ", command)


@pytest.mark.slow
def test_building_it_again_makes_the_same_file(tmp_path: Path) -> None:
    if shutil.which("npx") is None:
        pytest.skip("Node is not here")
    checkout = tmp_path / "checkout"
    shutil.copytree(STATIC, checkout / "clickstream" / "collect" / "static")
    (checkout / "bin").mkdir()
    shutil.copy(ROOT / "bin" / "build-tag", checkout / "bin")
    (checkout / "clickstream" / "collect" / "static" / "tag.js").unlink()

    subprocess.run([checkout / "bin" / "build-tag"], check=True, capture_output=True)

    assert (checkout / "clickstream" / "collect" / "static" / "tag.js").read_text("utf-8") == BUILT
