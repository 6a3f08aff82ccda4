"""Before the first row: what the state says of the file's statements, topics and results is taken up."""

import threading
from collections.abc import Mapping

from clickstream.kafka.produce import Sender
from clickstream.tables.engine.added import asked_anew, begin_added
from clickstream.tables.engine.options import EngineOptions
from clickstream.tables.engine.pipeline import Pipeline
from clickstream.tables.engine.sources.beginning import starts_at_a_time
from clickstream.tables.engine.sources.sources import Sources
from clickstream.tables.engine.state.statements import Statements
from clickstream.tables.engine.state.store import State
from clickstream.tables.engine.writing.form import Form
from clickstream.tables.engine.writing.topics import ResultTopics
from clickstream.tables.engine.writing.writer import Writer
from clickstream.tables.sql.model import Program


def pipeline_of(
    program: Program,
    statements: Statements,
    options: EngineOptions,
    state: State,
    sources: Sources,
    forms: Mapping[str, Form],
    sender: Sender,
    writer: Writer,
) -> Pipeline:
    """The compiled statements, with all that they keep in the state: in one transaction."""
    state.begin()
    begin_added(state, program.inserts, statements)
    pipeline = Pipeline(
        program,
        state.memberships(),
        sources.tables,
        forms,
        sender,
        writer,
        late_topic=options.late_topic,
        changes=options.changes,
    )
    anew = asked_anew(state, program.inserts)
    for name, reference in sources.tables.items():
        # Versions that are still there stay: the topic may have them no more.
        if reference.create(state.db) or name in anew:
            state.forget_source(name)
    sources.show_nothing(state.db)
    pipeline.prepare(state.db)
    state.commit()
    return pipeline


def find_places(sources: Sources, state: State, stop: threading.Event) -> bool:
    """Wait for all topics, and find where each is to be read on; False when stopped meanwhile.

    A place that depends on when it was looked for is stored at once: records that come before the next start are read
    there, even if this run sees none.

    Raises ClickstreamError when a topic does not exist and is not waited for, or its log contradicts the state;
    Stopped.
    """
    for name, source in sources.by_table.items():
        if not source.wait_for_topic(stop):
            return False
        progress = state.progress(name)
        source.restore(progress, stop)
        if progress is None and starts_at_a_time(source.table):
            state.begin()
            state.save(name, source.progress())
            state.commit()
    return True


def mark_ends(pipeline: Pipeline, state: State, topics: ResultTopics) -> None:
    """From here on a restart reads back what was written: note where results without such a mark end now."""
    missing = [one for one in pipeline.results if one.is_read_back and not state.written(one.name)]
    if missing:
        state.begin()
        for result in missing:
            state.save_written(result.name, topics.ends(result.target.topic), {})
        state.commit()
