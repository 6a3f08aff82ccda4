"""`clickstream clean`."""

import click

from clickstream.cli.options import App, app_options
from clickstream.cli.output import reader_may_leave, say, show
from clickstream.cli.streams import on_terminal
from clickstream.errors import ClickstreamError, ConfigError
from clickstream.inspect.text import size
from clickstream.screen.layout import Column


@click.command("clean")
@click.option("--keep-downloads", is_flag=True, help="Not the jars, which every state directory shares.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@app_options
def command(app: App, keep_downloads: bool, yes: bool) -> None:
    """Remove what clickstream keeps on this machine: records, states, logs, downloads.

    It lists what lies where, with sizes, and asks. Topics on a Kafka of your own are not touched, and neither is a
    collect.spool-dir of your own. Refused while the embedded Kafka, tables, Flink or a collector use it.
    """
    from clickstream.cli.collector import spool_of
    from clickstream.java.jars import cache_dir
    from clickstream.leftovers import leftovers, remove, unused

    spool = spool_of(app)
    try:
        with unused(app.state_dir, spool):
            if app.config["collect.spool-dir"] and spool.exists():
                say(f"The spool in {spool} (collect.spool-dir) stays: it may hold events for Kafka.", err=True)
            found = leftovers(app.state_dir, None if keep_downloads else cache_dir().parent)
            if not found:
                click.echo("There is nothing to remove.", err=True)
                return
            rows = [[one.what, size(one.size), str(one.directory)] for one in found]
            with reader_may_leave():
                show([Column("WHAT"), Column("SIZE", right=True), Column("WHERE", cut=24, fold=True)], rows)
            total = size(sum(one.size for one in found))
            if not yes:
                if not on_terminal():
                    raise ConfigError("Without a terminal to ask, `clean` needs --yes.")
                click.confirm(f"Remove all of it, {total}?", abort=True, err=True)
            remove(found)
            say(f"Removed {total}.", err=True)
    except OSError as error:
        raise ClickstreamError(f"Cannot remove {error.filename}: {error.strerror or error}.") from error
