"""`clickstream ui`."""

from contextlib import closing, nullcontext
from pathlib import Path

import click

from clickstream.cli.dashboard import dashboard, needed, say_address
from clickstream.cli.options import App, cluster_options, setting
from clickstream.cli.output import say
from clickstream.cli.part import run_part
from clickstream.cli.registry import registry_options
from clickstream.cli.tables.file import FILE, program
from clickstream.records import RunningSql
from clickstream.stop import Stop


@click.command("ui")
@click.argument("files", type=FILE, nargs=-1, metavar="[FILE]...")
@setting("ui.port", "--port")
@setting("ui.host", "--host")
@setting("ui.history", "--history")
@setting("ui.geo-db", "--geo-db")
@setting("ui.archive", "--archive")
@click.option("--open", "open_", is_flag=True, help="Open it in the browser of this desktop.")
@click.option(
    "--public-name",
    "public_names",
    multiple=True,
    metavar="NAME",
    help="A name that a proxy or DNS gives it, with its port if that is not the usual one; repeatable.",
)
@click.option("--allow-control", is_flag=True, help="Let pages pause generators and send dead letters again.")
@click.option("--no-export", is_flag=True, help="No downloads of records.")
@registry_options
@cluster_options
def command(
    app: App,
    files: tuple[Path, ...],
    open_: bool,
    public_names: tuple[str, ...],
    allow_control: bool,
    no_export: bool,
) -> None:
    """The dashboard, in a browser: who is here, what they do, what breaks, how fast the topics move.

    Fed by topics alone: it shows whatever pipeline runs on this Kafka, wherever. It only reads, unless started with
    --allow-control, and only this machine can connect, unless --host says otherwise; then, and for all that writes,
    the token in the printed address is needed. /metrics is for Prometheus, /healthz for what keeps it running.

    With --schema-registry, records in Avro are shown, asked and counted as those in JSON.

    FILEs of SQL are drawn on the page Flow as long as no tables run.

    \b
    Example:
      clickstream ui --open
    """
    needed()
    shown = [_shown(path) for path in files]
    from clickstream.serving.listening import listen
    from clickstream.ui.names import OwnNames

    names = OwnNames(app.config["ui.host"], public_names)
    stop = Stop()
    with closing(listen(app.config["ui.host"], app.config["ui.port"])) as listening, app.connect() as cluster:
        if public_names:
            say_who_can_read(listening.getsockname()[0])
        part = dashboard(
            app,
            cluster,
            listening,
            names=names,
            control=allow_control,
            exports=not no_export,
            files=shown,
            on_ready=lambda ready: say_address(ready, open_page=open_, folder=app.state_dir / "ui"),
        )
        run_part(
            app,
            cluster,
            part,
            stop,
            showing=nullcontext(),
            summary=lambda: _summary(part.totals()["tabs_opened"]),
        )


def say_who_can_read(host: str) -> None:
    """Behind a proxy of this machine the server cannot tell others from who sits here, and asks nobody for a token."""
    from clickstream.ui.names import is_loopback

    if is_loopback(host):
        say(
            "Whoever reaches the proxy can read all records and ask SQL without a token: have the proxy ask who it is.",
            err=True,
        )


def _shown(path: Path) -> RunningSql:
    """A file as one that runs would publish it. Ends the command when it has mistakes."""
    found = program(path, ())
    from clickstream.tables.run import without_secrets
    from clickstream.tables.sql.explain import as_json

    return RunningSql(f"file {path}", str(path), without_secrets(path.read_text("utf-8")), as_json(found))


def _summary(tabs: int) -> str:
    return f"The dashboard has ended; {tabs:,} {'tab was' if tabs == 1 else 'tabs were'} opened."
