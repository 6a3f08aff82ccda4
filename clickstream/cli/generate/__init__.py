"""`clickstream generate`: made-up clicks with their users, into topics."""

import dataclasses

import click

from clickstream.cli.generate.options import Asked, planned, traffic_options
from clickstream.cli.options import App, cluster_options, setting
from clickstream.cli.part import run_part
from clickstream.cli.progress import progress
from clickstream.cli.registry import Written, encode_for, written_options
from clickstream.errors import ConfigError
from clickstream.generate.feed import Feed
from clickstream.generate.plan import Plan
from clickstream.generate.traffic import Traffic
from clickstream.generate.vip import vip
from clickstream.generate.web import web
from clickstream.kafka.produce import Sender, must_be_acknowledged
from clickstream.stop import Stop
from clickstream.topics import Declared, declared, ensure


@click.group("generate")
def command() -> None:
    """Make up clicks with their users: a web site's, or a shop's."""


@command.command("web")
@setting("generate-web.topic", "--topic")
@setting("generate-web.codes-topic", "--codes-topic")
@setting("generate-web.users-topic", "--users-topic")
@setting("generate-web.rate", "--rate")
@traffic_options
@written_options
@cluster_options
def web_(app: App, asked: Asked, written: Written) -> None:
    """Clicks on a web site, with its users and the meaning of its status codes.

    Each visitor keeps an address, a browser and a name, and walks from page to page. Codes and users are
    written first, then clicks until Ctrl-C.

    \b
    Examples:
      clickstream generate web --sessions 90s/35s
      clickstream generate web --count 1000000 --rate max --seed 1 --start 2026-01-01

    Ends with the clicks sent, acknowledged and failed; exit code 1 if any failed.
    """
    plan = _planned(app, asked, "generate-web.rate")
    names = {
        "clickstream": app.config["generate-web.topic"],
        "clickstream_codes": app.config["generate-web.codes-topic"],
        "clickstream_users": app.config["generate-web.users-topic"],
    }
    traffic = web(
        asked.users,
        seed=plan.seed,
        skew=asked.skew,
        topic=names["clickstream"],
        codes_topic=names["clickstream_codes"],
        users_topic=names["clickstream_users"],
    )
    _send(app, asked, plan, traffic, names, written)


@command.command("vip")
@setting("generate-vip.topic", "--topic")
@setting("generate-vip.users-topic", "--users-topic")
@setting("generate-vip.rate", "--rate")
@traffic_options
@written_options
@cluster_options
def vip_(app: App, asked: Asked, written: Written) -> None:
    """What customers of a level from BRONZE to PLATINUM do in a shop, and who they are.

    Customers are written first, then clicks until Ctrl-C.

    \b
    Example:
      clickstream generate vip --rate 200 --duration 2m

    Ends with the clicks sent, acknowledged and failed; exit code 1 if any failed.
    """
    plan = _planned(app, asked, "generate-vip.rate")
    names = {"vip-clicks": app.config["generate-vip.topic"], "vip-users": app.config["generate-vip.users-topic"]}
    traffic = vip(
        asked.users,
        seed=plan.seed,
        skew=asked.skew,
        topic=names["vip-clicks"],
        users_topic=names["vip-users"],
    )
    _send(app, asked, plan, traffic, names, written)


def _planned(app: App, asked: Asked, rate: str) -> Plan:
    """What is asked for, with the rate of that setting."""
    return planned(asked, app.config[rate], rate_given=app.config.is_typed(rate))


def _send(app: App, asked: Asked, plan: Plan, traffic: Traffic, names: dict[str, str], written: Written) -> None:
    """Send the traffic; `names` are the topics' names, by that of the declared topic whose settings they get."""
    if len(set(names.values())) < len(names):
        raise ConfigError(f"Two of the topics have the same name: {', '.join(names.values())}.")
    encode = encode_for(app, written, names)
    stop = Stop()
    with app.connect() as cluster:
        ensure(cluster, [_like(known, name) for known, name in names.items()])
        producer = cluster.producer(patient=True)
        clicks, references = Sender(producer, stop, encode), Sender(producer, stop, encode)
        feed = Feed(traffic, plan, clicks, references, allow_control=asked.allow_control)
        run_part(
            app,
            cluster,
            feed,
            stop,
            showing=progress(feed, "acknowledged", total=plan.expected(asked.duration), quiet=asked.quiet),
            summary=lambda: summary(feed),
            duration=None if asked.duration is None else asked.duration / 1000,
            allow_control=asked.allow_control,
            verify=lambda: must_be_acknowledged("records", feed.clicks, feed.references),
        )


def _like(known: str, name: str) -> Declared:
    """The declaration of `name`, or that of a `known` topic under this name."""
    topics = declared()
    return topics.get(name) or dataclasses.replace(topics.get(known, Declared(name)), name=name)


def summary(feed: Feed) -> str:
    """The last line of the command."""
    totals = feed.totals()
    return (
        f"Sent {totals['sent']:,} clicks ({totals['late']:,} late, {totals['malformed']:,} malformed), "
        f"acknowledged {totals['acknowledged']:,}, failed {totals['failed']:,}; "
        f"{totals['references']:,} reference records before them."
    )
