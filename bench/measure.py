"""What a program costs, seen from outside: wall time, CPU time, peak memory. Linux only (/proc)."""

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clickstream.errors import ClickstreamError

SAMPLE_EVERY_S = 0.05
RUN_WITHIN_S = 900.0


@dataclass(frozen=True)
class Usage:
    """One run of a program: seconds from its start to its exit, user and system CPU seconds of it and of
    the children it waited for, and its largest resident size in MB (10^6 bytes)."""

    seconds: float
    cpu: float
    peak_mb: float


@dataclass(frozen=True)
class Ended:
    """A program that ended well: what it cost and what it wrote."""

    usage: Usage
    stdout: str
    stderr: str


def run(command: Sequence[str], timeout: float = RUN_WITHIN_S, memory_of: "type[PeakMemory] | None" = None) -> Ended:
    """Run a program to its end. `memory_of`: whose memory counts; by default that of this one process.

    Raises ClickstreamError, with the last lines it wrote, when it fails or takes over `timeout` seconds.
    """
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        began = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
        watchdog = threading.Timer(timeout, process.kill)
        watchdog.start()
        try:
            with (memory_of or PeakMemory)(process.pid) as memory:
                _, status, spent = os.wait4(process.pid, 0)
            ended = time.monotonic()
            process.returncode = os.waitstatus_to_exitcode(status)
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            watchdog.cancel()
        texts = []
        for file in (stdout, stderr):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    if process.returncode != 0:
        raise ClickstreamError(_failure(command, process.returncode, timeout, texts))
    return Ended(Usage(ended - began, spent.ru_utime + spent.ru_stime, memory.peak_mb), *texts)


def _failure(command: Sequence[str], code: int, timeout: float, texts: Sequence[str]) -> str:
    how = f"did not end within {timeout:.0f} s" if code == -signal.SIGKILL else f"ended with {code}"
    last = [line for text in texts for line in text.splitlines()[-8:]]
    # A class path is longer than all the rest.
    shown = " ".join(word if len(word) < 200 else word[:40] + "..." for word in command)
    return "\n".join([f"{shown} {how}:", *last])


class PeakMemory:
    """Follows a process's largest resident size while the block runs.

    Not from wait4: Linux lets a new process begin with the peak of the process that started it. The mark only
    ever rises, so reading it now and then misses no more than the growth of the last moments.
    """

    every_s = SAMPLE_EVERY_S

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self.peak_mb = 0.0

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._ended.wait(self.every_s):
            try:
                self.peak_mb = max(self.peak_mb, self.bytes() / 1e6)
            except OSError:
                return

    def bytes(self) -> int:
        """What is seen now. Raises OSError when the process is gone."""
        return peak_of(Path(f"/proc/{self._pid}/status").read_text())


class PeakOfTree(PeakMemory):
    """Follows the resident size of a process and all its descendants together, as it is now and then."""

    every_s = 0.25  # it looks at every process of the machine: some milliseconds

    def bytes(self) -> int:
        parents: dict[int, int] = {}
        resident: dict[int, int] = {}
        for directory in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it may end meanwhile
                pid, stat = int(directory.name), (directory / "stat").read_text()
                parents[pid], resident[pid] = parent_and_pages(stat)
        if self._pid not in parents:
            raise ProcessLookupError
        return sum(resident[pid] for pid in family(self._pid, parents)) * os.sysconf("SC_PAGE_SIZE")


def peak_of(status: str) -> int:
    """Bytes of VmHWM in the text of /proc/PID/status; 0 for a process that has ended (it has none)."""
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def peak_mb(pid: int) -> float:
    """The most that a running process has held so far, in MB (10^6 bytes). Raises FileNotFoundError without it."""
    return peak_of(Path(f"/proc/{pid}/status").read_text()) / 1e6


def resident_mb(pid: int) -> float:
    """What a running process holds now, in MB. Raises FileNotFoundError without it."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def ticks_of(stat: str) -> int:
    """User and system clock ticks in the text of /proc/PID/stat (fields 14 and 15, see proc(5))."""
    after_name = stat.rpartition(")")[2].split()
    return int(after_name[11]) + int(after_name[12])


def cpu_seconds(pid: int) -> float:
    """CPU seconds that a running process has used so far."""
    return ticks_of(Path(f"/proc/{pid}/stat").read_text()) / os.sysconf("SC_CLK_TCK")


def parent_and_pages(stat: str) -> tuple[int, int]:
    """Parent's pid and resident pages in the text of /proc/PID/stat (fields 4 and 24, see proc(5))."""
    after_name = stat.rpartition(")")[2].split()
    return int(after_name[1]), int(after_name[21])


def family(pid: int, parents: Mapping[int, int]) -> set[int]:
    """A process and its descendants; `parents` maps pids to their parents'."""
    found: set[int] = set()
    new = {pid}
    while new:
        found |= new
        new = {child for child, parent in parents.items() if parent in new} - found
    return found


def family_of(pid: int) -> set[int]:
    """A running process and its descendants."""
    parents: dict[int, int] = {}
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it may end meanwhile
            parents[int(directory.name)], _ = parent_and_pages((directory / "stat").read_text())
    return family(pid, parents)


def machine() -> str:
    """This machine in a few words: processors, their model, memory."""
    cores = len(os.sched_getaffinity(0))
    memory = Path("/proc/meminfo").read_text()
    return describe(cores, Path("/proc/cpuinfo").read_text(), memory)


def describe(cores: int, cpuinfo: str, meminfo: str) -> str:
    """`machine`, from the texts of /proc/cpuinfo and /proc/meminfo."""
    models = [line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name")]
    total = next(int(line.split()[1]) for line in meminfo.splitlines() if line.startswith("MemTotal:"))
    model = models[0] if models else "unknown model"
    return f"{cores} CPU cores ({model}), {total * 1024 / 1e9:.0f} GB of memory"
