"""`clickstream collect`."""

from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clickstream.cli.collector import Flags, collector, encoders_of, needed, say_address
from clickstream.cli.options import SECONDS, App, cluster_options, setting
from clickstream.cli.part import run_part
from clickstream.cli.registry import Written, written_options
from clickstream.stop import Stop

if TYPE_CHECKING:
    from clickstream.collect.collector import Collector


@click.command("collect")
@setting("collect.port", "--port")
@setting("collect.host", "--host")
@setting("collect.workers", "--workers")
@setting("collect.topic", "--topic")
@setting("collect.clicks-topic", "--clicks-topic")
@setting("collect.loss-topic", "--loss-topic")
@click.option("--no-clicks", is_flag=True, help="Page views become no clicks.")
@setting("dead-letter-topic", "--dead-letter-topic")
@setting("collect.ack", "--ack")
@setting("collect.spool-dir", "--spool-dir")
@setting("collect.spool-size", "--spool-size")
@click.option("--spool-fsync", is_flag=True, help="What the spool has taken also survives a loss of power.")
@setting("collect.geo-db", "--geo-db")
@click.option("--full-addresses", is_flag=True, help="Store whole addresses, not only their /24 or /48.")
@click.option(
    "--trusted-proxy",
    "trusted",
    multiple=True,
    metavar="NETWORK",
    help="A proxy in front of it, 127.0.0.1 or 10.0.0.0/8, that says whose request it is; repeatable.",
)
@click.option(
    "--forwarded-header",
    "forwarded",
    type=click.Choice(["x-forwarded-for", "forwarded"]),
    default="x-forwarded-for",
    show_default=True,
    help="The header in which trusted proxies say it.",
)
@click.option(
    "--allow-origin",
    "origins",
    multiple=True,
    metavar="ORIGIN",
    help="A site, https://shop.example, whose pages may send with credentials; repeatable.  [default: any, without]",
)
@setting("collect.rate-limit", "--rate-limit")
@setting("collect.max-body", "--max-body")
@click.option(
    "--divolte-js",
    type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path),
    metavar="FILE",
    help="Your divolte.js, served as /divolte.js.",
)
@click.option(
    "--divolte-json",
    default="/json-source",
    show_default=True,
    metavar="PATH",
    help="Where events are posted to Divolte's JSON source.",
)
@click.option("--drain-delay", type=SECONDS, metavar="TIME", help="Serve on for so long after SIGTERM; /ping says 503.")
@click.option("--explain", is_flag=True, help="Publish the last 100 requests with the verdict of each step.")
@written_options
@cluster_options
def command(app: App, written: Written, **flags: Any) -> None:
    """Collect page views and events over HTTP, into Kafka.

    Pages load the tag, /tag.js; servers POST JSON to /e; mails show the pixel /e.gif. What Divolte's tag and its JSON
    source send is taken, too. A 2xx to a request means that Kafka has its events, or the spool: files that hold them
    while Kafka is away, from the start if need be.

    Only this machine can connect, unless --host says otherwise. /ping and /healthz are for load balancers, /metrics is
    for Prometheus, /privacy.json tells visitors what is stored.

    \b
    Example:
      clickstream collect --workers 2 --trusted-proxy 127.0.0.1
    """
    needed()
    from clickstream.serving.listening import listen

    config = app.config
    encoders = encoders_of(app, written, clicks=not flags["no_clicks"])
    stop = Stop()
    with (
        closing(listen(config["collect.host"], config["collect.port"])) as listening,
        app.connect(reachable=False) as cluster,
        collector(app, cluster, listening, Flags(**flags), encoders, on_ready=say_address) as part,
    ):
        run_part(
            app,
            cluster,
            part,
            stop,
            showing=nullcontext(),
            summary=lambda: _summary(part),
            kafka_is_away=part.kafka_is_away,
        )


def _summary(part: "Collector") -> str:
    totals = part.totals()
    return (
        f"{totals['requests']:,} requests: {totals['events']:,} events, {totals['dead_letters']:,} dead letters, "
        f"{totals['duplicates']:,} duplicates, {totals['opted_out']:,} opted out; {totals['unavailable']:,} not taken."
    )
