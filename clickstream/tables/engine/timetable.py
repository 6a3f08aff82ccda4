"""When a transaction is committed, when windows are closed in it, and when early rows are written."""

from collections.abc import Callable

# Batches that are waiting go into one transaction for up to this long.
COMMIT_EVERY_S = 0.25
# Nobody waits for the rows of a read to the end.
COMMIT_EVERY_S_BOUNDED = 1.0
# What batches need is let go with the commit.
BATCHES_PER_COMMIT = 4
# Closing windows costs some 10 ms for each result, however few there are: while batches wait, it is done less often
# than commits are.
CLOSE_EVERY_S = 1.0
CLOSE_EVERY_S_BOUNDED = 3.0


class Timetable:
    """`early_interval`: at least so long (s) between early rows, None: there are none. `clock` gives s.

    In a `bounded` run nobody waits for rows.
    """

    def __init__(self, clock: Callable[[], float], *, bounded: bool, early_interval: float | None) -> None:
        self._clock = clock
        self._commit_every = COMMIT_EVERY_S_BOUNDED if bounded else COMMIT_EVERY_S
        self._close_every = CLOSE_EVERY_S_BOUNDED if bounded else CLOSE_EVERY_S
        self._early_interval = early_interval
        self._begun = 0.0
        self._batches = 0
        self._close_at = 0.0
        self._early_at = 0.0
        self._changed = False  # rows came since the last early rows

    def began(self) -> None:
        """A transaction begins."""
        self._begun, self._batches = self._clock(), 0

    def took_batch(self) -> None:
        """The transaction has a batch more."""
        self._batches += 1

    def commit_is_due(self) -> bool:
        """Whether the transaction is large or old enough."""
        return self._batches >= BATCHES_PER_COMMIT or self._clock() - self._begun > self._commit_every

    def closing_is_due(self) -> bool:
        """Whether windows are to be closed although batches wait."""
        return self._clock() >= self._close_at

    def closed(self) -> None:
        """Windows were closed."""
        self._close_at = self._clock() + self._close_every

    # --- early rows

    def changed(self) -> None:
        """There are rows that early ones do not show yet."""
        self._changed = True

    def early_rows_are_due(self) -> bool:
        """Whether there is something to show, and the last early rows are old enough."""
        return self._early_interval is not None and self._changed and self._clock() >= self._early_at

    def showed(self, *, anything: bool) -> None:
        """Early rows show all that there is; `anything`: there are some."""
        assert self._early_interval is not None
        self._changed = False
        if anything:
            self._early_at = self._clock() + self._early_interval

    def early_rows_in(self) -> float | None:
        """In how many seconds early rows will be due; None: nothing is to be shown."""
        return self._early_at - self._clock() if self._early_interval is not None and self._changed else None
