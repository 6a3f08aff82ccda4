"""The dashboard as commands start it: by itself, and beside the demo."""

import os
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clickstream.cli.options import App
from clickstream.cli.registry import viewer_of
from clickstream.cli.sink.parquet import parquet_needed, store_at
from clickstream.errors import ConfigError
from clickstream.kafka.clients import Cluster
from clickstream.parts.status import living
from clickstream.records import RunningSql

if TYPE_CHECKING:
    from clickstream.avro.viewing import Viewer
    from clickstream.enrich.places import Places
    from clickstream.history.backfill import Older
    from clickstream.ui.names import OwnNames
    from clickstream.ui.server import Dashboard
    from clickstream.ui.services import History
    from clickstream.ui.statuses import Statuses

MADE_UP = "made-up"


def dashboard(
    app: App,
    cluster: Cluster,
    listening: socket.socket,
    *,
    names: "OwnNames | None" = None,
    control: bool = False,
    exports: bool = True,
    geo: str = "",
    files: Sequence[RunningSql] = (),
    on_ready: Callable[["Dashboard"], None],
) -> "Dashboard":
    """The part, on a socket of `listen`; `geo` is where addresses are if no setting says so; `files` are drawn while
    none runs.

    Raises ConfigError when an extra is missing, or the database of places cannot be read.
    """
    needed()
    from clickstream.ui.access import token
    from clickstream.ui.names import OwnNames
    from clickstream.ui.server import Dashboard, Options

    options = Options(
        token(app.state_dir / "ui"),
        names or OwnNames(app.config["ui.host"], ()),
        app.config["ui.history"],
        control,
        exports,
    )
    viewer = viewer_of(app)
    part: Dashboard = Dashboard(
        cluster,
        app.config,
        options,
        listening,
        _history(app, cluster, _places(app.config["ui.geo-db"] or geo), viewer),
        on_ready=lambda: on_ready(part),
        files=files,
        viewer=viewer,
    )
    return part


def needed() -> None:
    """Raises ConfigError, with how to install it, when the dashboard's extra is not there."""
    try:
        import clickstream.history.history
        import clickstream.ui.server  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("clickstream"):
            raise
        raise ConfigError(f"The dashboard needs {error.name}. Install it: pip install 'clickstream[ui]'") from None


def _places(wanted: str) -> "Places":
    from clickstream.enrich.places import DatabasePlaces, MadeUpPlaces, NoPlaces

    if not wanted:
        return NoPlaces()
    return MadeUpPlaces() if wanted == MADE_UP else DatabasePlaces(Path(wanted))


def _history(app: App, cluster: Cluster, places: "Places", viewer: "Viewer | None") -> "Callable[[Statuses], History]":
    from clickstream.history.history import History, Topics
    from clickstream.history.store import Limits

    topics = Topics(
        app.config["generate-web.topic"], app.config["run-producer.topic"], app.config["generate-vip.topic"]
    )
    limits = Limits(history_ms=int(app.config["ui.history"] * 1000))
    older = _older(app.config["ui.archive"], topics.clicks)
    return lambda statuses: History(
        cluster,
        topics,
        limits,
        places=places,
        statuses=lambda: living(statuses.parts(), time.time()),
        older=older,
        opened=None if viewer is None else viewer.open,
    )


def _older(archive: str, topic: str) -> "Older | None":
    """Where clicks are that their topic holds no more. Raises ClickstreamError when there is no such archive."""
    if not archive:
        return None
    with parquet_needed():
        from clickstream.sinks.parquet.history import OlderRecords
        from clickstream.sinks.parquet.reading import only_table
    store = store_at(archive)
    store.connect()
    return OlderRecords(store, only_table(store, topic))


def say_address(part: "Dashboard", *, open_page: bool, folder: Path) -> None:
    """Tell people where it is; with `open_page` in a browser, too."""
    click.echo(f"Dashboard: {part.address}", err=True)
    if not open_page:
        return
    if not _has_desktop():
        click.echo("There is no desktop here to open it on (--open): open the address yourself.", err=True)
        return
    page = _page_that_leads_to(part.address, folder)
    threading.Thread(target=webbrowser.open, args=(page.as_uri(),), name="browser", daemon=True).start()


def _has_desktop() -> bool:
    """Elsewhere a browser of the terminal could be opened, and take it."""
    variables: Iterable[str] = ("DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform == "darwin" or any(os.environ.get(name) for name in variables)


def _page_that_leads_to(address: str, folder: Path) -> Path:
    """A file for this user's eyes: in the browser's command line everybody here could read the token."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "open.html"
    page.unlink(missing_ok=True)
    with open(os.open(page, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(f'<!doctype html><meta http-equiv="refresh" content="0; url={escape(address)}">')
    return page
