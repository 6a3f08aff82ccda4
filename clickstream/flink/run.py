"""Files of SQL on Flink: to their end or for ever in a JVM of ours, or handed to a cluster."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from clickstream.errors import ClickstreamError
from clickstream.flink.gateway import Gateway, Operation, Session, gateway
from clickstream.flink.jobs import overview, running_as
from clickstream.flink.jvm import Runtime
from clickstream.flink.rest import Refused, Rest
from clickstream.flink.script import Script

_POLL = 0.3
_PARALLELISM = ("parallelism.default", "table.exec.resource.default-parallelism")
_ALWAYS = {"table.local-time-zone": "UTC"}


@dataclass(frozen=True)
class _Job:
    script: Script
    session: Session
    operation: Operation


def run(
    runtime: Runtime,
    directory: Path,
    scripts: Sequence[Script],
    stop: Event,
    notify: Callable[[str], None],
    *,
    bounded: bool,
    parallelism: int | None,
) -> bool:
    """Run files in a JVM of ours: bounded ones one after the other, others side by side.

    Whether they ended by themselves, before `stop` was set. Raises ClickstreamError with the root cause of the
    first that failed.
    """
    # With checkpoints a job that fails would be started again for ever; a run of ours ends and says why.
    local = {**_ALWAYS, "execution.target": "local", "table.dml-sync": "true", "restart-strategy.type": "none"}
    with gateway(runtime, directory) as flink:
        running: list[_Job] = []
        for script in scripts:
            running.append(_start(flink, script, {**_settings(script, parallelism), **local}))
            notify(f"{script.name}: running")
            if bounded and not _watch(running, stop, notify):
                return False
        return _watch(running, stop, notify)


def submit(
    runtime: Runtime,
    directory: Path,
    script: Script,
    rest: str,
    *,
    parallelism: int | None,
    savepoint: str | None,
) -> str:
    """Start a file's job on the cluster whose REST interface is at HOST:PORT, from a savepoint if given; its id.

    The connector goes along, and for tables in Avro the format, so the cluster needs nothing but Flink. Raises
    ClickstreamError.
    """
    host, _, port = rest.rpartition(":")
    tables = script.program.tables.values()
    avro = any(table.avro() is not None or table.avro("key") is not None for table in tables)
    remote = {
        **_ALWAYS,
        "execution.target": "remote",
        "rest.address": host,
        "rest.port": port,
        "table.dml-sync": "false",
        "pipeline.jars": ";".join(path.as_uri() for path in runtime.connectors(avro=avro)),
        **({"execution.state-recovery.path": savepoint} if savepoint else {}),
    }
    with gateway(runtime, directory, short=True) as flink:
        job = _start(flink, script, {**_settings(script, parallelism), **remote})
        with _named(script):
            return job.operation.result()


def warnings(rest: Rest, script: Script, parallelism: int | None) -> list[str]:
    """What to know before a file is submitted: a job of it that runs already, and slots that are missing.

    Raises ClickstreamError.
    """
    settings = _settings(script, parallelism)
    found = [
        f"{settings['pipeline.name']} runs already as job {job}; two of them write each row twice. "
        f"End that one: clickstream flink cancel {job}"
        for job in running_as(rest, settings["pipeline.name"])
    ]
    needed = max((int(settings[key]) for key in _PARALLELISM if settings.get(key, "").isdigit()), default=1)
    free = overview(rest).free
    if needed > free:
        found.append(f"the job needs {needed} slots, {free} are free: it waits for more, and fails after 5 minutes.")
    return found


def _settings(script: Script, parallelism: int | None) -> dict[str, str]:
    """The file's own, over what a file need not say, under what the command line says."""
    plain = {"pipeline.name": script.name, "parallelism.default": "1"}
    chosen = {} if parallelism is None else dict.fromkeys(_PARALLELISM, str(parallelism))
    return {**plain, **script.settings, **chosen}


def _start(flink: Gateway, script: Script, settings: dict[str, str]) -> _Job:
    with _named(script):
        session = flink.session(settings)
        for definition in script.definitions:
            session.execute(definition)
        return _Job(script, session, session.start(script.job))


def _watch(running: list[_Job], stop: Event, notify: Callable[[str], None]) -> bool:
    """Wait until all ended, and take them out; False: `stop` was set before."""
    while running:
        for job in list(running):
            if not job.operation.running():
                with _named(job.script):
                    job.operation.result()
                    job.session.close()
                running.remove(job)
                notify(f"{job.script.name}: finished")
        if running and stop.wait(_POLL):
            return False
    return True


@contextmanager
def _named(script: Script) -> Iterator[None]:
    """Says which file it was that Flink refused or that failed."""
    try:
        yield
    except Refused as error:
        raise ClickstreamError(f"{script.name} failed on Flink: {error}") from error
