"""An archive of which a file is damaged, or was deleted by hand."""

from pathlib import Path

import pytest

from clickstream.errors import ClickstreamError
from clickstream.sinks.inputs import whole
from clickstream.sinks.parquet.layout import Layout
from tests.unit.sinks.archives import TOPIC, batch, claim, data_files, fill, origins, record, target


def test_a_damaged_file_is_left_as_it_is_and_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one = target(tmp_path, Layout(small_files=1))
    claim(one)
    one.write(batch([record(0)]))
    [name] = data_files(tmp_path)
    (tmp_path / name).write_bytes(b"PAR1 is not all")
    for number in range(1, 4):
        one.write(batch([record(number)]))
    assert len(data_files(tmp_path)) == 4
    assert [one.levelname for one in caplog.records].count("WARNING") == 1
    assert "hour=07 cannot be read" in caplog.text


def test_a_file_that_somebody_deleted_is_said_at_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(target(tmp_path), [record(0), record(1)], 1)
    (tmp_path / data_files(tmp_path)[0]).unlink()
    claim(target(tmp_path))
    assert "lacks 1 files that its manifest names" in caplog.text


def test_a_manifest_with_a_gap_is_not_read(tmp_path: Path) -> None:
    fill(target(tmp_path), [record(0), record(1)], 1)
    (tmp_path / TOPIC / "manifest" / "000000000002.json").unlink()
    with pytest.raises(ClickstreamError, match="has a gap"):
        claim(target(tmp_path))


@pytest.mark.parametrize("damage", ["a gap", "a damaged version", "a newer format"])
def test_a_damaged_table_stops_no_sink_of_another_one(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    fill(target(tmp_path), [record(0), record(1)], 1)
    manifest = tmp_path / TOPIC / "manifest"
    newest = manifest / "000000000003.json"
    if damage == "a gap":
        (manifest / "000000000002.json").unlink()
    else:
        newest.write_bytes(
            b"{" if damage == "a damaged version" else newest.read_bytes().replace(b"{", b'{"format":2,', 1)
        )
    source = whole("other")
    one = target(tmp_path)

    fill(one, [record(number, topic="other") for number in range(3)], 1, source)

    assert origins(tmp_path, "other") == [(0, 0), (0, 1), (0, 2)]
    [said] = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert said.startswith(f"archive.sql is without table {TOPIC}: ")


def test_a_table_that_was_damaged_is_shown_again(tmp_path: Path) -> None:
    fill(target(tmp_path), [record(0)], 1)
    newest = tmp_path / TOPIC / "manifest" / "000000000002.json"
    whole_, source = newest.read_bytes(), whole("other")
    newest.write_bytes(b"")
    one = target(tmp_path)
    fill(one, [record(0, topic="other")], 1, source)

    newest.write_bytes(whole_)
    fill(target(tmp_path), [record(0), record(1)], 1)  # its own sink goes on
    one.write(batch([record(1, topic="other")], source))

    assert origins(tmp_path) == [(0, 0), (0, 1)]
    assert origins(tmp_path, "other") == [(0, 0), (0, 1)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is damaged"),
        (b'{"format": 2, "version": 3}', "is damaged|update it"),
        (b'{"format": 1, "\xff": "\xff"}', "is damaged"),
        (b'{"format": 1, "a": %b' % (b"[" * 5_000), "is damaged"),
    ],
)
def test_a_damaged_version_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    fill(target(tmp_path), [record(0), record(1)], 1)
    (tmp_path / TOPIC / "manifest" / "000000000003.json").write_bytes(content)
    with pytest.raises(ClickstreamError, match=f"000000000003.json ({words})"):
        claim(target(tmp_path))
