"""How a long-running part does: a line or a view on a terminal, plain lines in the log elsewhere."""

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

from rich.text import Text

from clickstream.cli.streams import on_terminal
from clickstream.parts.part import Part, Rates
from clickstream.screen import bar
from clickstream.screen.live import Frame, Size, interactive, live

log = logging.getLogger(__name__)

ON_TERMINAL_EVERY_S = 0.5
IN_LOG_EVERY_S = 10.0


@contextmanager
def showing(frame: Frame, plain: Callable[[], str], *, quiet: bool = False) -> Iterator[None]:
    """While the block runs, on standard error: `frame` twice a second, or `plain` now and then where none can move.

    The last frame, drawn when the block has ended, stays.
    """
    if quiet:
        yield
        return
    stop = threading.Event()
    if interactive(sys.stderr):
        thread = threading.Thread(target=_on_terminal, args=(frame, stop), daemon=True)
    else:
        thread = threading.Thread(target=_in_log, args=(plain, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _on_terminal(frame: Frame, stop: threading.Event) -> None:
    with live(sys.stderr) as view:
        ended = False
        while not ended:
            ended = stop.wait(ON_TERMINAL_EVERY_S)
            view.draw(frame)


def _in_log(plain: Callable[[], str], stop: threading.Event) -> None:
    while not stop.wait(IN_LOG_EVERY_S):
        log.info("%s", plain())


def figures(
    first: str, totals: Mapping[str, int], rates: Mapping[str, float], gauges: Mapping[str, float]
) -> list[str]:
    """Totals in words: `acknowledged 1,234 (617/s)`, then the others that are not 0, and the gauges."""
    others = [f"{_words(name)} {value:,}" for name, value in totals.items() if name != first and value]
    return [
        f"{_words(first)} {totals[first]:,} ({rates[first]:,.0f}/s)",
        *others,
        *(f"{_words(name)} {value:,.0f}" for name, value in gauges.items()),
    ]


def _words(name: str) -> str:
    return name.replace("_", " ")


def progress(
    part: Part, total_name: str, *, total: int | None = None, quiet: bool = False
) -> AbstractContextManager[None]:
    """Show how `part.totals()[total_name]` grows while the block runs; with `total`, how much is left."""
    rates = Rates()
    begin = time.monotonic()

    def found() -> tuple[int, list[str]]:
        totals = part.totals()
        return totals[total_name], figures(total_name, totals, rates.of(totals), part.gauges())

    def frame(size: Size) -> list[Text]:
        done, (first, *others) = found()
        seconds = time.monotonic() - begin
        if not total:
            return [bar.line(size.width, part.kind, [first, bar.clock(seconds), *others])]
        share = min(1.0, done / total)
        about = [f"{share:.0%}", bar.remaining(min(done, total), total, seconds)]
        return [bar.line(size.width, part.kind, [first, *about, *others], share)]

    def plain() -> str:
        _done, (first, *others) = found()
        return f"{part.kind}: {', '.join([first + (f' of {total:,}' if total else ''), *others])}"

    return showing(frame, plain, quiet=quiet)


def typed(names: Sequence[str]) -> bool:
    """Whether one of the files, standard input as -, is typed on the terminal, where a view would be in the way."""
    return "-" in names and on_terminal()


@contextmanager
def passing(words: str, total: int, *, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, gone at the end, for reading `total` offsets; it is told how many more passed."""
    if quiet:
        yield lambda _passed: None
        return
    with bar.counting(sys.stderr, words, total) as advance:
        yield advance or (lambda _passed: None)
