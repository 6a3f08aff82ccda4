"""`clickstream flink`."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clickstream.broker.embedded import to_stderr
from clickstream.cli.options import App, app_options, cluster_options, stop_event
from clickstream.cli.output import echo_json, formats, say, show
from clickstream.cli.tables.file import FILE, Variables, variables_option, without_problems
from clickstream.errors import ConfigError
from clickstream.inspect import text
from clickstream.screen.layout import Column

if TYPE_CHECKING:
    from clickstream.flink.cluster import SessionCluster
    from clickstream.flink.rest import Rest
    from clickstream.flink.script import Script
    from clickstream.kafka.clients import Cluster

_exit_at_end = click.option("--exit-at-end", is_flag=True, help="End when all that is there now has been read.")
_parallelism = click.option(
    "--parallelism", type=click.IntRange(min=1), metavar="N", help="Subtasks per operator.  [default: the file's, or 1]"
)
_rest = click.option(
    "--rest", "address", metavar="HOST:PORT", help="The cluster's REST interface.  [default: of `flink cluster`]"
)


def _not_empty(_context: click.Context, _parameter: click.Parameter, given: str | None) -> str | None:
    """An empty variable in a script must not start a job over that was meant to go on."""
    if given is not None and not given.strip():
        raise click.BadParameter("it is empty; give the path that `flink cancel --savepoint` printed, or leave it out.")
    return given


@click.group("flink")
def command() -> None:
    """The same files of SQL on Apache Flink: in a JVM of ours, or on a cluster.

    Flink itself is downloaded when it is first used (190 MB).
    """


@command.command("run")
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@_exit_at_end
@_parallelism
@variables_option
@cluster_options
def run(app: App, files: tuple[Path, ...], exit_at_end: bool, parallelism: int | None, variables: Variables) -> None:
    """Run files of SQL, unchanged, on a Flink of this command's own.

    Side by side until Ctrl-C; with --exit-at-end one after the other.

    \b
    Example:
      clickstream flink run products --exit-at-end
    """
    _require_extra()
    from clickstream.flink import jvm
    from clickstream.flink.run import run as run_scripts
    from clickstream.flink.topics import prepare

    _refuse_problems(files, variables)
    with app.connect() as cluster:
        scripts = [_script(path, cluster, exit_at_end, variables) for path in files]
        for script in scripts:
            prepare(cluster, script.program)
        runtime = jvm.find(app.config["java"], to_stderr)
        ended = run_scripts(
            runtime,
            app.state_dir / "flink",
            scripts,
            stop_event(),
            to_stderr,
            bounded=exit_at_end,
            parallelism=parallelism,
        )
    if exit_at_end and not ended:
        raise click.Abort


@command.command("submit")
@click.argument("file", type=FILE)
@_rest
@_exit_at_end
@_parallelism
@click.option(
    "--from", "savepoint", metavar="PATH", callback=_not_empty, help="Go on where `flink cancel --savepoint` left off."
)
@variables_option
@cluster_options
def submit(
    app: App,
    file: Path,
    address: str | None,
    exit_at_end: bool,
    parallelism: int | None,
    savepoint: str | None,
    variables: Variables,
) -> None:
    """Start a file's job on a Flink cluster, and print the job's id.

    The cluster needs nothing but Flink 2.3: the Kafka connector goes along, and so does the format of tables in Avro.
    The job runs until `flink cancel`.

    \b
    Example:
      clickstream flink submit clickstream --rest flink.example.com:8081 \\
        -b kafka.example.com:9092 --parallelism 4
    """
    _require_extra()
    from clickstream.flink import jvm
    from clickstream.flink.jobs import require_flink
    from clickstream.flink.run import submit as submit_script
    from clickstream.flink.run import warnings
    from clickstream.flink.topics import prepare

    _refuse_problems((file,), variables)
    rest = _at(app, address)
    require_flink(rest)
    with app.connect() as cluster:
        if cluster.embedded:
            to_stderr("Flink's job does not keep the embedded Kafka running; `clickstream broker start` does.")
        script = _script(file, cluster, exit_at_end, variables)
        for warning in warnings(rest, script, parallelism):
            to_stderr(f"warning: {warning}")
        prepare(cluster, script.program)
        runtime = jvm.find(app.config["java"], to_stderr)
        directory = app.state_dir / "flink"
        click.echo(
            submit_script(runtime, directory, script, rest.address, parallelism=parallelism, savepoint=savepoint)
        )


@command.command("list")
@_rest
@formats()
@app_options
def list_jobs(app: App, address: str | None, json: bool) -> None:
    """List a cluster's jobs, those that ended lately included."""
    from clickstream.flink.jobs import jobs

    found = jobs(_at(app, address))
    if json:
        echo_json(*map(asdict, found))
        return
    columns = [
        Column("JOB"),
        Column("STATE"),
        Column(text.in_zone("STARTED"), rank=2),
        Column("NAME", rank=1, cut=12),
    ]
    show(columns, [[job.id, job.state, text.local(round(job.started * 1000)), job.name] for job in found])
    for job in found:
        if job.failure:
            say(f"{job.id} {job.state}: {job.failure}", err=True)


@command.command("cancel")
@click.argument("job_id", metavar="JOBID")
@click.option("--savepoint", is_flag=True, help="Keep its state, and print where, for `flink submit --from`.")
@_rest
@app_options
def cancel_job(app: App, job_id: str, savepoint: bool, address: str | None) -> None:
    """Cancel a job, and wait until it has ended."""
    from clickstream.flink.jobs import cancel, stop_with_savepoint

    rest = _at(app, address)
    if savepoint:
        click.echo(stop_with_savepoint(rest, job_id))
    else:
        click.echo("cancelled" if cancel(rest, job_id) else "had ended before", err=True)


@command.group("cluster")
def cluster_group() -> None:
    """A Flink session cluster on this machine: 1 JobManager, 2 TaskManagers, 4 slots, 2 GB."""


@cluster_group.command("start")
@click.option(
    "--rest-port",
    type=click.IntRange(1, 65_535),
    default=8081,
    show_default=True,
    metavar="PORT",
    help="Of its web page.",
)
@app_options
def start(app: App, rest_port: int) -> None:
    """Start it; it stays up until `flink cluster stop`. Prints its REST address, which is a web page, too."""
    from clickstream.flink import jvm

    click.echo(_cluster(app).start(jvm.find(app.config["java"], to_stderr), rest_port, to_stderr))


@cluster_group.command("stop")
@app_options
def stop(app: App) -> None:
    """Stop it, and with it its jobs."""
    click.echo("stopped" if _cluster(app).stop() else "was not running", err=True)


@cluster_group.command("status")
@app_options
def status(app: App) -> None:
    """Print its address, slots and jobs; exit code 1 if it is not running."""
    cluster = _cluster(app)
    found = cluster.overview() if cluster.alive() else None
    if found is None:
        click.echo(f"state     {'not answering' if cluster.alive() else 'stopped'}")
        sys.exit(1)
    rows = {
        "state": "running",
        "address": f"http://{cluster.address}",
        "flink": found.version,
        "slots": f"{found.free} of {found.slots} free, {found.task_managers} TaskManagers",
        "jobs": f"{found.jobs} running",
        "logs": str(cluster.directory),
    }
    for label, value in rows.items():
        say(f"{label:<10}{value}")


def _cluster(app: App) -> "SessionCluster":
    from clickstream.flink.cluster import SessionCluster

    return SessionCluster(app.state_dir / "flink" / "cluster")


def _at(app: App, address: str | None) -> "Rest":
    from clickstream.flink.rest import Rest

    if address is not None and not address.rpartition(":")[2].isdigit():
        raise ConfigError(f"--rest {address}: HOST:PORT is expected, for example localhost:8081.")
    return Rest(address or _cluster(app).address)


def _require_extra() -> None:
    try:
        import sqlglot  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigError(f"Flink needs {error.name}. Install it: pip install 'clickstream[flink]'") from None


def _refuse_problems(files: tuple[Path, ...], variables: Variables) -> None:
    """Before anything starts: exit code 1 if there are problems, all of them shown. What will fail on Flink is said."""
    from clickstream.tables.sql.onflink import troubles

    for path, one in zip(files, without_problems(files, variables), strict=True):
        for trouble in troubles(one):
            say(f"{path}:{trouble.line}: this will fail on Flink: {trouble.words}", err=True)


def _script(path: Path, cluster: "Cluster", bounded: bool, given: Variables) -> "Script":
    from clickstream.flink.script import script, variables
    from clickstream.tables.sql.check import check_file

    return script(check_file(path, variables(cluster, path, bounded=bounded, given=dict(given))))
