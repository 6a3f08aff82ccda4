"""Processes that run a function, and are killed when it hangs."""

import contextlib
import os
import queue
import select
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import IO, cast

import msgspec

from clickstream.errors import ClickstreamError, ConfigError
from clickstream.interpreter import command_for, environment
from clickstream.terminal import escaped
from clickstream.transform.model import Answered, Call, Failed, FunctionAway, Outcome, Outcomes
from clickstream.transform.wire import Begin, Loaded, Pieces, Raised, Returned, Said, Unloadable, WasAway, frame

LOADS_WITHIN_S = 60.0
ENDS_WITHIN_S = 2.0
ENDS_LOOK_S = 0.005
# That it has ended is seen at once at the end of its output, unless something that it has started has that open, too.
LOOK_EVERY_S = 0.2
READ_BYTES = 1 << 18

# To a process that is alone, records are handed over in chunks of about this long: one by one, each would wait for two
# switches of processes. Where there are several, a slow call must not hold up others that one of them could make.
CHUNK_S = 0.02
MOST_AT_ONCE = 128


class Hung(Exception):
    """It has not answered in time."""


class Died(Exception):
    """The process has ended; the message says how."""


class Child:
    """One process. Used on one thread, but for `kill`."""

    def __init__(self, function: str) -> None:
        """Starts it, and waits until the function is loaded. Raises ConfigError when it cannot be."""
        self._to_write = bytearray(_begin(function))
        try:
            self._process = subprocess.Popen(
                command_for("clickstream.transform.child"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment(),
                start_new_session=True,  # Ctrl-C must not reach it, and whatever it starts is killed with it
            )
        except OSError as problem:
            raise ClickstreamError(f"The function's process cannot be started: {problem}.") from problem
        self._in = cast(IO[bytes], self._process.stdin)
        self._out = cast(IO[bytes], self._process.stdout)
        os.set_blocking(self._in.fileno(), False)
        self._reaping = threading.Lock()
        self._reaped = False
        self._pieces = Pieces()
        try:
            self._load(function)
        except BaseException:
            self.close()
            raise

    def _load(self, function: str) -> None:
        try:
            said = self.answer(LOADS_WITHIN_S)
        except Died as died:
            raise ConfigError(f"--function {function}: its process {died} while it was loaded.") from None
        except Hung:
            raise ConfigError(f"--function {function}: not loaded within {LOADS_WITHIN_S:.0f} s.") from None
        if isinstance(said, Unloadable):
            raise ConfigError(f"--function {function}: {said.reason}.")
        assert isinstance(said, Loaded), said

    def ask(self, calls: Sequence[Call]) -> None:
        """Have the function called for each, one after the other."""
        self._to_write += frame([call.record for call in calls])

    def answer(self, within: float) -> Said:
        """The next answer. Raises Hung after `within` seconds, Died."""
        deadline = time.monotonic() + within
        while True:
            try:
                said = self._pieces.next()
            except msgspec.MsgspecError as problem:
                raise Died(f"said what is no answer ({problem})") from None
            if said is not None:
                return said
            left = max(0.0, deadline - time.monotonic())
            # At the end once more: if it was we who were stopped for a while, the answer is here.
            if not self._exchange(left) and not left:
                raise Hung

    def _exchange(self, timeout: float) -> bool:
        """Write what it takes and read what it has said, waiting a while; whether there was anything of that."""
        poll = select.poll()
        poll.register(self._out, select.POLLIN)
        if self._to_write:
            poll.register(self._in, select.POLLOUT)
        ready = poll.poll(min(timeout, LOOK_EVERY_S) * 1000)
        if not ready and not self.running:
            ready = poll.poll(0)  # what it said at last
            if not ready:  # something that it has started holds its output open
                raise Died(self._how_it_ended())
        for number, _event in ready:
            if number == self._out.fileno():
                octets = os.read(number, READ_BYTES)
                if not octets:
                    raise Died(self._how_it_ended())
                self._pieces.add(octets)
            else:
                try:
                    del self._to_write[: os.write(number, self._to_write)]
                except BrokenPipeError:
                    self._to_write.clear()  # the end of its output says the rest
        return bool(ready)

    def _how_it_ended(self) -> str:
        self._wait()
        code = self._reap()
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"

    @property
    def running(self) -> bool:
        """Whether it has not ended. It is not reaped by asking: its number stays that of its group."""
        if self._reaped:
            return False
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            return self._process.poll() is None
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def kill(self) -> None:
        """SIGKILL, to it and to whatever it has started: that may go on when it has ended by itself."""
        with self._reaping, contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses if none is left
            if not self._reaped:
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Let it end, and kill it if it does not; what it has started is killed."""
        with contextlib.suppress(OSError):
            self._in.close()
        self._wait()
        self._reap()
        self._out.close()

    def _wait(self) -> None:
        """Until it has ended, ENDS_WITHIN_S at most."""
        deadline = time.monotonic() + ENDS_WITHIN_S
        while self.running and time.monotonic() < deadline:
            time.sleep(ENDS_LOOK_S)

    def _reap(self) -> int:
        """Kill what is left of it and of what it has started; returns the code that it ended with."""
        self.kill()
        with self._reaping:
            self._reaped = True  # from now on its number may be another's
        return self._process.wait()


class Processes:
    """A function of Python in `count` processes."""

    def __init__(self, function: str, count: int, deadline_s: float) -> None:
        """`function` is `module:callable` or `FILE.py:callable`; a call may take `deadline_s`."""
        self.where = function
        self.outcomes: Outcomes = queue.Queue()
        self.killed = 0
        self._count = count
        self._deadline_s = deadline_s
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._children: dict[int, Child] = {}
        self._lock = threading.Lock()
        self._closing = False

    def start(self) -> None:
        """Raises ConfigError when there is no such function."""
        self._children[0] = Child(self.where)
        for number in range(self._count):
            thread = threading.Thread(target=self._serve, args=(number,), name=f"function {number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def ask(self, call: Call) -> None:
        self._calls.put(call)

    def close(self) -> None:
        self._closing = True
        with self._lock:
            for child in self._children.values():
                child.kill()
        for _thread in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join(ENDS_WITHIN_S + 1.0)
        with self._lock:
            for child in self._children.values():
                child.close()
            self._children.clear()

    # --- on a thread for each process

    def _serve(self, number: int) -> None:
        size = 1
        while True:
            chunk = self._next_calls(size)
            if not chunk or self._closing:
                return
            begun = time.monotonic()
            try:
                self._work(number, deque(chunk))
            except ClickstreamError as problem:
                self.outcomes.put((chunk[-1], problem))
                return
            took = time.monotonic() - begun
            if self._count == 1:
                size = min(size * 2, MOST_AT_ONCE) if took < CHUNK_S else max(1, size // 2)

    def _next_calls(self, size: int) -> list[Call]:
        """Up to `size` calls; none when all is over."""
        calls: list[Call] = []
        while len(calls) < size:
            try:
                call = self._calls.get() if not calls else self._calls.get_nowait()
            except queue.Empty:
                break
            if call is None:
                self._calls.put(None)
                break
            calls.append(call)
        return calls

    def _work(self, number: int, calls: deque[Call]) -> None:
        """Make the calls; after one that hung or ended the process, the others go on in a new one."""
        while calls and not self._closing:
            child = self._child(number)
            child.ask(calls)
            try:
                while calls:
                    outcome = _outcome(child.answer(self._deadline_s))
                    self.outcomes.put((calls.popleft(), outcome))
                continue
            except Hung:
                self.killed += 1
                failed = Failed(f"no answer within {self._deadline_s:g} s: its process was killed", "deadline", True)
            except Died as died:
                failed = Failed(f"the function's process {died}", "died", True)
            self._drop(number)
            if not self._closing:
                self.outcomes.put((calls.popleft(), failed))

    def _child(self, number: int) -> Child:
        child = self._children.get(number)
        if child is not None and child.running:
            return child
        self._drop(number)
        child = Child(self.where)
        with self._lock:
            self._children[number] = child
        if self._closing:
            child.kill()
        return child

    def _drop(self, number: int) -> None:
        with self._lock:
            child = self._children.pop(number, None)
        if child is not None:
            child.kill()
            child.close()


def _begin(function: str) -> bytes:
    try:
        return frame(Begin(function))
    except UnicodeEncodeError:
        raise ConfigError(f"--function {escaped(function)}: its name is no UTF-8.") from None


def _outcome(said: Said) -> Outcome:
    match said:
        case Returned():
            return Answered(said.results)
        case Raised():
            return Failed(said.reason, said.kind)
        case WasAway():
            return FunctionAway(said.reason)
    return ClickstreamError(f"The function's process said what is no answer: {said}.")
