"""The archive's life, with a program in the place of java that makes a file."""

import os
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from clickstream.broker.classdata import KEPT, ClassData


@pytest.fixture(autouse=True)
def same_priority(mocker: MockerFixture) -> None:
    """The tests shall not go on at the lowest priority."""
    mocker.patch("clickstream.broker.classdata.os.nice")


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    path = tmp_path / "classes.lst"
    path.write_text("java/lang/Object\n")
    return path


MAKES_IT = 'for option; do case "$option" in -XX:SharedArchiveFile=*) touch "${option#*=}"; esac; done'


def java(tmp_path: Path, script: str = MAKES_IT) -> str:
    path = tmp_path / "java"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_first_the_classes_are_noted_then_the_archive_is_used(tmp_path: Path, classes: Path) -> None:
    data = ClassData(tmp_path / "cache", java(tmp_path), [])
    assert data.options() == ["-XX:DumpLoadedClassList=classes.lst"]
    data.make(classes)
    assert data.options() == [f"-XX:SharedArchiveFile={data.archive}"]
    assert data.discard()
    assert not data.discard()


def test_a_failure_leaves_nothing_behind_that_is_used(tmp_path: Path, classes: Path) -> None:
    data = ClassData(tmp_path / "cache", java(tmp_path, f"{MAKES_IT}; exit 1"), [])
    data.make(classes)
    assert not data.archive.exists()
    again = ClassData(tmp_path / "cache", java(tmp_path), [])
    again.make(classes)
    assert again.archive.exists()
    assert list((tmp_path / "cache").glob("*.tmp")) == []


def test_without_a_class_list_nothing_is_made(tmp_path: Path) -> None:
    data = ClassData(tmp_path / "cache", java(tmp_path), [])
    data.make(tmp_path / "missing")
    assert not data.archive.exists()


def test_a_changed_jar_or_java_needs_another_archive(tmp_path: Path) -> None:
    jar = tmp_path / "a.jar"
    jar.write_text("1")
    runtime = java(tmp_path)
    first = ClassData(tmp_path, runtime, [str(jar)]).archive
    assert ClassData(tmp_path, runtime, [str(jar)]).archive == first
    os.utime(jar, (1, 1))
    second = ClassData(tmp_path, runtime, [str(jar)]).archive
    java(tmp_path, "exit 0")
    third = ClassData(tmp_path, runtime, [str(jar)]).archive
    assert len({first, second, third}) == 3


def test_only_a_few_archives_are_kept(tmp_path: Path, classes: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    for age in range(5):
        (cache / f"{age}.jsa").touch()
        os.utime(cache / f"{age}.jsa", (100 - age, 100 - age))
    data = ClassData(cache, java(tmp_path), [])
    data.make(classes)
    assert {path.name for path in cache.glob("*.jsa")} == {
        data.archive.name,
        *(f"{age}.jsa" for age in range(KEPT - 1)),
    }
