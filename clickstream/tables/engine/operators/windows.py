"""The arithmetic of windows, as SQL over milliseconds. Windows are aligned to 1970-01-01T00:00:00Z."""

from clickstream.tables.sql.model import Window


class Grid:
    """TUMBLE, HOP and CUMULATE as panes of `slide_ms`; a window is made of the panes from its start to its end."""

    def __init__(self, window: Window) -> None:
        self.kind = window.kind
        self.size = window.size_ms
        self.slide = window.slide_ms or window.size_ms

    @property
    def single(self) -> bool:
        """Whether every pane is in one window only."""
        return self.slide == self.size

    def pane(self, time: str) -> str:
        """The start of the pane of a time."""
        return f"({time} - {modulo(time, self.slide)})"

    def first_end(self, pane: str, watermark: str) -> str:
        """The first end of a window that takes a row of the pane, which came after `watermark`.

        A window is too late for it when watermark >= end - 1.
        """
        after = f"{watermark} + {1 + self.slide}"
        return f"greatest({pane} + {self.slide}, {after} - {modulo(after, self.slide)})"

    def last_end(self, pane: str) -> str:
        """The last end of a window that has the pane."""
        if self.kind == "CUMULATE":
            return f"({pane} - {modulo(pane, self.size)} + {self.size})"
        return f"({pane} + {self.size})"

    def start(self, end: str) -> str:
        """Where the window with that end starts."""
        if self.kind == "CUMULATE":
            before = f"({end} - 1)"
            return f"({before} - {modulo(before, self.size)})"
        return f"({end} - {self.size})"

    def ends(self, first: str, last: str) -> str:
        """One row for each end from `first` to `last`, both included."""
        return first if self.single else f"unnest(generate_series({first}, {last}, {self.slide}))"

    def order(self, pane: str, first_end: str, end: str) -> tuple[str, str]:
        """In which order Flink adds a window's panes: by the first number (0 or more), then by the second.

        HOP: the last pane first. CUMULATE: pane by pane, what was late for earlier windows before the pane that the
        window ends with. (As HoppingSlicesIterable and CumulativeSliceAssigner.mergeSlices in Flink 2.3.)
        """
        if self.kind == "CUMULATE":
            late = f"{first_end} > {pane} + {self.slide}"
            return (
                f"({first_end} - {self.start(end)}) // {self.slide}",
                f"CASE WHEN {late} THEN {pane} ELSE {2**62} END",
            )
        return f"({end} - {pane}) // {self.slide}", first_end

    def closed_at(self, watermark: int) -> int:
        """The highest end (ms) of a window that is closed at `watermark`: watermark >= end - 1."""
        return (watermark + 1) // self.slide * self.slide


def window_column(role: str, start: str, end: str) -> str:
    """window_start, window_end or window_time as a TIMESTAMP, from a window's start and end in ms."""
    return {
        "window_start": f"make_timestamp_ms({start})",
        "window_end": f"make_timestamp_ms({end})",
        "window_time": f"make_timestamp_ms({end} - 1)",
    }[role]


def modulo(value: str, by: object) -> str:
    """Never negative, as % would be for times before 1970."""
    return f"((({value}) % {by} + {by}) % {by})"
