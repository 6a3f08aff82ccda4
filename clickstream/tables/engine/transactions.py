"""What goes into the state: batches are taken in, windows are closed, all rows are acknowledged, and then it commits.

One transaction takes in some batches, with their offsets; its rows are acknowledged by the broker before it commits.
See `writing.results` for why nothing is lost or written twice.
"""

import time

from clickstream.errors import ClickstreamError
from clickstream.kafka.patience import Stopped
from clickstream.tables.engine.fetching.fetcher import Batch
from clickstream.tables.engine.pace import Pace, longest_pause
from clickstream.tables.engine.pipeline import Pipeline
from clickstream.tables.engine.rest import Rest
from clickstream.tables.engine.sources.source import Source
from clickstream.tables.engine.sources.sources import Sources
from clickstream.tables.engine.state.store import Progress, State
from clickstream.tables.engine.timetable import Timetable
from clickstream.tables.engine.watermarks import Moment, TableWatermarks
from clickstream.tables.engine.writing.topics import ResultTopics
from clickstream.tables.engine.writing.writer import Writer


class Transactions:
    """Of one engine. `pace` says how soon after the last one the next rows are to be taken."""

    def __init__(
        self,
        state: State,
        pipeline: Pipeline,
        sources: Sources,
        writer: Writer,
        topics: ResultTopics,
        timetable: Timetable,
    ) -> None:
        self._state = state
        self._pipeline = pipeline
        self._sources = sources
        self._writer = writer
        self._topics = topics
        self._timetable = timetable
        self._rest = Rest(pipeline)
        clocks = {name: source.clock for name, source in sources.streams.items()}
        self._watermarks = TableWatermarks(clocks, pipeline.tables())
        self._watermarks.restore(state.floors())
        self._closed_at = Moment({}, {})
        delays = [0 if pipeline.gives_rows_at_once else clock.delay for clock in clocks.values()]
        self.pace = Pace(longest=longest_pause(min(delays, default=0) / 1000))
        self.is_open = False
        self.last_commit: float | None = None  # epoch s
        self.saved: dict[str, Progress] = {}  # by table, as it is stored

    def resume(self) -> None:
        """Show where the run goes on, and what is open, soon: nothing may come for long, and the last run may have
        died before it showed it."""
        for name in self._sources.by_table:
            if (progress := self._state.progress(name)) is not None:
                self.saved[name] = progress
        self._sources.show_lag()
        self._timetable.changed()  # early rows that the last run noted, and could not write

    def begin(self) -> None:
        """Begin one, unless one is open."""
        if not self.is_open:
            self._state.begin()
            self.is_open = True
            self._timetable.began()
            self.pace.began()

    def take(self, source: Source, batch: Batch) -> None:
        """Take a batch in; it belongs to the open transaction if it changes the state, to a new one if none is."""
        rows = batch.rows.num_rows if batch.rows is not None else 0
        if source.changes_state(batch):
            self.begin()
            self._timetable.took_batch()
            self.pace.took(rows)
        if source.take(self._state.db, batch):
            self._absorb()
            self._timetable.changed()
            if len(self._sources.streams) > 1:
                source.show_nothing(self._state.db)

    def something_is_due(self) -> bool:
        """Whether a watermark has gone on so far, although nothing comes, that something closes; or early rows."""
        self._watermarks.advance()
        prospects = self._watermarks.prospects()
        moved = prospects.is_ahead_of(self._closed_at)
        return self._timetable.early_rows_are_due() or (moved and self._rest.is_over(self._state.db, prospects))

    def take_nothing(self) -> None:
        """Have joins let go the rows that the watermark has passed meanwhile."""
        self.begin()
        self._sources.show_nothing(self._state.db)
        self._absorb()

    def _absorb(self) -> None:
        self._pipeline.take(self._state.db, self._watermarks.advance(), behind=self._sources.behind)
        self._rest.disturb()

    def finish(self, *, idle: bool) -> None:
        """Close what the watermark has passed, if it is time for it; have all rows acknowledged, commit.

        `idle`: no batch waits, and somebody would like to see what there is.
        """
        if self._pipeline.updates or idle or self._timetable.closing_is_due():
            self._timetable.closed()
            # The watermark of the last batch: joins have let go what it passed, and no more.
            self._closed_at = self._watermarks.now()
            self._pipeline.close(self._state.db, self._closed_at)
        if self._timetable.early_rows_are_due():
            self._timetable.showed(anything=self._pipeline.note_early(self._state.db))
        self.commit()

    def commit(self) -> None:
        """Have all rows acknowledged, and commit. Raises ClickstreamError when a row cannot be written, Stopped."""
        self._acknowledge()
        self._pipeline.before_commit(self._state, self._topics.ends)
        for name, source in self._sources.by_table.items():
            progress = source.progress()
            if progress != self.saved.get(name):
                self._state.save(name, progress)
                self.saved[name] = progress
        self._state.save_floors(self._watermarks.floors())
        self._state.commit()
        self.last_commit = time.time()
        self.is_open = False
        self._watermarks.stored()
        self._sources.show_lag()
        self._pipeline.after_commit(self._state.db)
        self._rest.disturb()
        self.pace.ended()

    def _acknowledge(self) -> None:
        try:
            self._writer.flush()
        except Stopped:
            raise
        except ClickstreamError as problem:
            raise self._topics.why(problem) from problem

    def drain(self, *, idle: bool) -> None:
        """Commit what was taken in; have the state forget what was handed over after the last commit."""
        if self.is_open:
            self.finish(idle=idle)
        if not self._pipeline.settled:
            self.begin()
            self.commit()

    def end(self) -> None:
        """Everything is read: close all windows. What they closed at is stored first, so that it holds for good."""
        pipeline, watermarks, db = self._pipeline, self._watermarks, self._state.db
        before = watermarks.now()
        watermarks.finish()
        self.take_nothing()
        # Only now: joins may have let go rows that opened windows.
        watermarks.end(pipeline.horizons(db))
        # Nothing is committed that groups without a window have not taken in.
        pipeline.close(db, before)
        self.commit()
        self.begin()
        pipeline.close(db, watermarks.now())
        self.commit()
