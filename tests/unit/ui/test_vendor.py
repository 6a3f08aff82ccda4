"""What the pages load of others is what vendor.toml says: nothing more, nothing else."""

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from docs.generate import ROOT

STATIC = ROOT / "clickstream" / "ui" / "static"
PACKAGES: list[dict[str, Any]] = tomllib.loads((STATIC / "vendor" / "vendor.toml").read_text("utf-8"))["package"]
FILES: dict[str, str] = {one["path"]: one["sha256"] for package in PACKAGES for one in package["files"]}


@pytest.mark.parametrize("path", FILES)
def test_each_file_is_as_it_was_published(path: str) -> None:
    assert hashlib.sha256((STATIC / path).read_bytes()).hexdigest() == FILES[path]


def test_no_other_file_is_there() -> None:
    folders = (STATIC / "vendor", STATIC / "fonts")
    found = {file.relative_to(STATIC).as_posix() for folder in folders for file in folder.rglob("*") if file.is_file()}
    assert found == {*FILES, "vendor/vendor.toml"}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package["name"])
def test_each_package_has_a_version_and_comes_with_its_licence(package: dict[str, Any]) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"])
    assert package["license"] in {"MIT", "ISC", "OFL-1.1"}
    [licence] = [one for one in package["files"] if one["source"] == "LICENSE"]
    assert "Copyright" in Path(STATIC, licence["path"]).read_text("utf-8") or package["license"] == "OFL-1.1"
