"""The spool: what it took is given out, in order, through restarts, damage and full disks, and within its bounds."""

import errno
import fcntl
import logging
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from clickstream.collect.delivery.spool.folder import Folder
from clickstream.collect.delivery.spool.frames import HEADER, framed
from clickstream.collect.delivery.spool.spool import Bounds, Spool

ROOMY = Bounds(10**8, free_floor=0)


def payloads(number: int, first: int = 0) -> list[bytes]:
    return [f"payload {first + place}".encode() for place in range(number)]


def keep_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """No segment can be deleted."""
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".spool":
            raise OSError(errno.EROFS, "Read-only file system")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)


def drained(spool: Spool, octets: int = 10**6) -> list[bytes]:
    """All that it gives out."""
    found: list[bytes] = []
    while chunk := spool.read(octets):
        found += chunk.payloads
        spool.delivered(chunk)
    return found


def test_gives_out_what_it_took_in_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ROOMY)
    assert spool.append(payloads(3)) == 3
    assert spool.append(payloads(2, first=3)) == 2
    assert drained(spool) == payloads(5)
    assert spool.empty
    assert spool.size == 0


def test_gives_the_same_chunk_until_it_is_delivered(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ROOMY)
    spool.append(payloads(10))
    first, again = spool.read(18), spool.read(18)
    assert first is not None
    assert again is not None
    assert first.payloads == again.payloads == payloads(2)
    spool.delivered(first)
    assert drained(spool) == payloads(8, first=2)


def test_a_restart_goes_on_where_delivery_was(tmp_path: Path) -> None:
    spool = Spool(tmp_path, Bounds(10**8, free_floor=0, segment=60))
    for number in range(10):
        spool.append(payloads(1, first=number))
    for _ in range(3):
        chunk = spool.read(1)
        assert chunk is not None
        spool.delivered(chunk)
    spool.close()
    again = Spool(tmp_path, ROOMY)
    again.append(payloads(2, first=10))
    assert drained(again) == payloads(9, first=3)


def test_a_restart_in_the_middle_of_a_segment_repeats_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ROOMY)
    spool.append(payloads(10))
    chunk = spool.read(36)
    assert chunk is not None
    assert not chunk.last
    spool.delivered(chunk)
    spool.close()
    assert drained(Spool(tmp_path, ROOMY)) == payloads(6, first=4)


def test_a_position_that_cannot_be_saved_is_kept_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_folder: Folder, _segment: Path, _offset: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Folder, "save_position", full)
    spool = Spool(tmp_path, ROOMY)
    spool.append(payloads(10))
    assert drained(spool, 18) == payloads(10)
    assert "No space left" in caplog.text


def test_what_the_disk_does_not_let_go_of_is_delivered_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, ROOMY)
    spool.append(payloads(3))
    with monkeypatch.context() as read_only:
        keep_segments(read_only)
        assert drained(spool) == payloads(3)
        assert spool.empty
        assert spool.size == 0
        spool.append(payloads(2, first=3))
        assert drained(spool) == payloads(2, first=3)
    assert list(tmp_path.rglob("*.spool"))
    spool.adopt()
    assert not list(tmp_path.rglob("*.spool"))
    spool.append(payloads(1, first=5))
    assert drained(spool) == payloads(1, first=5)


def test_what_the_disk_did_not_let_go_of_is_not_delivered_again_by_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(tmp_path, ROOMY)
    spool.append(payloads(3))
    with monkeypatch.context() as read_only:
        keep_segments(read_only)
        assert drained(spool) == payloads(3)
    assert "cannot be removed: [Errno 30]" in caplog.text
    spool.close()
    assert drained(Spool(tmp_path, ROOMY)) == []


def test_order_holds_when_new_ones_come_while_old_ones_are_read(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ROOMY)
    spool.append(payloads(2))
    chunk = spool.read(10**6)
    assert chunk is not None
    spool.append(payloads(2, first=2))
    spool.delivered(chunk)
    assert drained(spool) == payloads(2, first=2)


def test_what_a_killed_worker_left_is_taken_over(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import os, sys
        from pathlib import Path
        from clickstream.collect.delivery.spool.spool import Bounds, Spool
        Spool(Path(sys.argv[1]), Bounds(10**8, free_floor=0)).append([b"from the dead"])
        os.kill(os.getpid(), 9)
        """
    )
    living = Spool(tmp_path, ROOMY)
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False).returncode == -9
    assert living.empty
    living.adopt()
    living.append([b"mine"])
    assert drained(living) == [b"from the dead", b"mine"]
    living.close()
    assert list(tmp_path.glob("worker-*")) == []


def left_by_dead_workers(root: Path, *contents: list[bytes]) -> None:
    """A folder for each, of workers that lived at the same time."""
    spools = [Spool(root, ROOMY) for _ in contents]
    for spool, content in zip(spools, contents, strict=True):
        spool.append(content)
    for spool in spools:
        spool.close()


def test_what_dead_workers_left_is_spread_over_those_that_start(tmp_path: Path) -> None:
    left_by_dead_workers(tmp_path, payloads(6), payloads(6))
    one, other = Spool(tmp_path, ROOMY), Spool(tmp_path, ROOMY)
    assert one.append(payloads(1)) == other.append(payloads(1)) == 1


def test_fewer_workers_take_over_one_after_the_other(tmp_path: Path) -> None:
    left_by_dead_workers(tmp_path, [b"a"], [b"b"], [b"c"])
    spool = Spool(tmp_path, ROOMY)
    found = [drained(spool)]
    for _ in range(2):
        spool.adopt()
        assert spool.size == len(HEADER) + len(framed(b"a"))
        found.append(drained(spool))
    assert sorted(found) == [[b"a"], [b"b"], [b"c"]]
    spool.adopt()
    assert spool.empty


def test_a_folder_is_nobodys_before_it_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flock = fcntl.flock
    other = Spool(tmp_path, ROOMY)

    def meanwhile(handle: int, how: int) -> None:
        if not how & fcntl.LOCK_NB:  # a folder is being made
            monkeypatch.setattr(fcntl, "flock", flock)
            other.adopt()
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", meanwhile)
    spool = Spool(tmp_path, ROOMY)
    assert spool.append(payloads(1)) == 1
    other.adopt()
    assert drained(spool) == payloads(1)


def test_what_somebody_deleted_is_not_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    left_by_dead_workers(tmp_path, payloads(1), payloads(1))
    spool = Spool(tmp_path, ROOMY)
    spool.adopt()
    spool.append(payloads(1))
    for segment in tmp_path.glob("worker-*/*.spool"):
        segment.unlink()
    assert spool.read(1) is None
    assert spool.empty
    assert spool.size == 0
    assert "3 files of the spool" in caplog.text
    assert spool.append(payloads(1)) == 1
    assert drained(spool) == payloads(1)


def test_what_is_written_after_its_file_was_deleted_is_there(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ROOMY)
    spool.append(payloads(1))
    next(tmp_path.glob("worker-*/*.spool")).unlink()
    spool.append(payloads(1, first=1))
    assert drained(spool) == payloads(1, first=1)
    assert spool.empty


def test_what_a_living_worker_has_is_left_alone(tmp_path: Path) -> None:
    one, other = Spool(tmp_path, ROOMY), Spool(tmp_path, ROOMY)
    one.append(payloads(1))
    other.adopt()
    assert drained(other) == []
    assert drained(one) == payloads(1)


def test_a_name_is_not_taken_again_with_an_old_position(tmp_path: Path) -> None:
    folder = Folder.create(tmp_path)
    segment = folder.next_segment()
    folder.save_position(segment, 4711)
    assert folder.position(segment) == 4711
    assert folder.next_segment() != segment
    folder.forget_position()
    assert folder.position(segment) == 0


@pytest.mark.parametrize("cut", range(len(HEADER) + 3 * len(framed(b"payload 0"))))
def test_a_segment_that_is_cut_anywhere_costs_only_what_is_not_whole(tmp_path: Path, cut: int) -> None:
    spool = Spool(tmp_path, ROOMY)
    spool.append(payloads(3))
    spool.close()
    (segment,) = tmp_path.glob("worker-*/*.spool")
    os.truncate(segment, cut)
    again = Spool(tmp_path, ROOMY)
    again.append(payloads(1, first=3))
    whole = max(0, cut - len(HEADER)) // len(framed(b"payload 0"))
    assert drained(again) == [*payloads(whole), *payloads(1, first=3)]
    again.close()


def test_damaged_bytes_are_set_aside_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spool = Spool(tmp_path, ROOMY)
    spool.append(payloads(3))
    spool.close()
    (segment,) = tmp_path.glob("worker-*/*.spool")
    content = bytearray(segment.read_bytes())
    content[len(HEADER) + len(framed(b"payload 0")) + 14] ^= 1
    segment.write_bytes(bytes(content) + bytes(100))
    with caplog.at_level(logging.ERROR):
        assert drained(Spool(tmp_path, ROOMY)) == [b"payload 0", b"payload 2"]
    (beside,) = tmp_path.glob("*.bad")
    assert len(beside.read_bytes()) == len(framed(b"payload 1")) + 100
    assert "21 bytes of the spool's file" in caplog.text
    assert "100 bytes of the spool's file" in caplog.text


def test_a_segment_of_another_format_is_set_aside_whole(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spool = Spool(tmp_path, ROOMY)
    spool.append(payloads(2))
    spool.close()
    (segment,) = tmp_path.glob("worker-*/*.spool")
    other = b"CSSPOOL\x02" + segment.read_bytes()[len(HEADER) :]
    segment.write_bytes(other)
    assert drained(Spool(tmp_path, ROOMY)) == []
    (beside,) = tmp_path.glob("*.bad")
    assert beside.read_bytes() == other
    assert "its format is none that this version reads" in caplog.text


def test_takes_no_more_than_its_size(tmp_path: Path) -> None:
    frame = len(framed(b"payload 0"))
    spool = Spool(tmp_path, Bounds(2 * len(HEADER) + 5 * frame, free_floor=0))
    assert spool.append(payloads(3)) == 3
    assert spool.append(payloads(3, first=3)) == 2
    assert spool.append(payloads(1, first=9)) == 0
    assert drained(spool) == payloads(5)
    assert spool.append(payloads(1)) == 1


def test_one_that_takes_over_more_than_a_share_goes_on_as_long_as_there_is_room(tmp_path: Path) -> None:
    """Four workers where one has left the most of what all may take."""
    frame = len(framed(b"payload 0"))
    left_by_dead_workers(tmp_path, payloads(6))
    bounds = Bounds(2 * len(HEADER) + 8 * frame, free_floor=0)
    heir, *_others = (Spool(tmp_path, bounds) for _ in range(4))
    assert heir.append(payloads(4, first=6)) == 2
    assert drained(heir) == payloads(8)


def test_the_bound_is_that_of_all_workers_together(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frame = len(framed(b"payload 0"))
    bounds, now = Bounds(2 * len(HEADER) + 6 * frame, free_floor=0), 0.0
    one, other = (Spool(tmp_path, bounds, lambda: now) for _ in range(2))
    assert one.append(payloads(4)) == 4
    assert other.append(payloads(4)) == 2
    assert other.append(payloads(1)) == 0
    assert "takes no more" in caplog.text
    assert drained(one) == payloads(4)
    now = 1.0
    assert other.append(payloads(3)) == 3


def test_what_dead_workers_left_counts_whoever_has_it(tmp_path: Path) -> None:
    frame = len(framed(b"payload 0"))
    left_by_dead_workers(tmp_path, payloads(2), payloads(2))
    spool = Spool(tmp_path, Bounds(3 * len(HEADER) + 5 * frame, free_floor=0))
    assert spool.append(payloads(2)) == 1
    assert len(drained(spool)) == 3
    spool.adopt()
    assert spool.append(payloads(9)) == 3


def test_leaves_others_their_room_on_the_disk(tmp_path: Path) -> None:
    disk = os.statvfs(tmp_path)
    spool = Spool(tmp_path, Bounds(10**9, free_floor=disk.f_bavail * disk.f_frsize))
    assert spool.append(payloads(1)) == 0
    assert spool.empty


def test_a_write_that_ends_in_the_middle_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, ROOMY)
    spool.append(payloads(2))
    write = os.write
    full = OSError(28, "No space left on device")
    answers: list[int | OSError] = [7, full]

    def short(handle: int, data: bytes) -> int:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return write(handle, bytes(data)[:answer])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", short)
        assert spool.append(payloads(3, first=2)) == 0
    assert spool.append(payloads(1, first=5)) == 1
    assert drained(spool) == [*payloads(2), *payloads(1, first=5)]
    assert list(tmp_path.glob("*.bad")) == []


def test_a_disk_that_is_full_at_once_leaves_no_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, ROOMY)
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda _handle, _data: 3)
        assert spool.append(payloads(1)) == 0
    assert spool.size == 0
    assert spool.empty
    assert list(tmp_path.glob("worker-*/*.spool")) == []


def test_a_limit_of_the_system_on_files_is_met_as_a_full_disk_is(tmp_path: Path) -> None:
    """RLIMIT_FSIZE cuts a write in the middle, as a full disk does."""
    program = textwrap.dedent(
        """
        import resource, sys
        from pathlib import Path
        from clickstream.collect.delivery.spool.spool import Bounds, Spool
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        spool = Spool(Path(sys.argv[1]), Bounds(10**8, free_floor=0))
        taken = sum(spool.append([b"x" * 97]) for _ in range(20))
        found = []
        while chunk := spool.read(10**6):
            found += chunk.payloads
            spool.delivered(chunk)
        assert 9 <= taken < 20 and found == [b"x" * 97] * taken, (taken, len(found))
        """
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("*.bad")) == []


def test_with_fsync_a_batch_is_on_the_disk_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    Spool(tmp_path / "fast", ROOMY).append(payloads(3))
    assert synced == []
    Spool(tmp_path / "safe", Bounds(10**8, free_floor=0, fsync=True)).append(payloads(3))
    assert len(synced) == 1


def test_a_large_backlog_is_read_piece_by_piece(tmp_path: Path) -> None:
    """In a process of its own: what it needs at most is that of its whole life. Sparse files cost the disk nothing."""
    program = textwrap.dedent(
        """
        import re, sys
        from pathlib import Path
        from clickstream.collect.delivery.spool.spool import Bounds, Spool
        root = Path(sys.argv[1])
        writing = Spool(root, Bounds(10**10, free_floor=0))
        for _ in range(int(sys.argv[2])):
            writing.append([bytes(500_000)] * 16)
        size = writing.size
        writing.close()
        reading = Spool(root, Bounds(10**10, free_floor=0))
        number = 0
        while chunk := reading.read(500_000):
            number += len(chunk.payloads)
            reading.delivered(chunk)
        # Not what getrusage says: a new process begins with the peak of the one that started it.
        peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
        print(size, number, int(peak[1]) // 1024)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), "16"], check=True, capture_output=True, text=True
    )
    size, number, megabytes = map(int, done.stdout.split())
    assert size > 120 * 10**6
    assert number == 16 * 16
    assert megabytes < 110
