"""`clickstream shop`."""

import socket
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from clickstream.cli.options import NOTHING_TO_DRAIN, App, app_options, setting, stop_event
from clickstream.errors import ConfigError

if TYPE_CHECKING:
    from clickstream.shop.shop import Shop

ANSWERS_WITHIN_S = 1.0


@click.command("shop")
@setting("shop.port", "--port")
@setting("shop.host", "--host")
@setting("shop.collector", "--collector")
@app_options
def command(app: App) -> None:
    """Serve a small demo shop whose pages tell the collector what is done on them.

    Nothing is sold. Its pages have the collector's tag: open it in a browser, and your page views, addtobasket,
    removefrombasket and purchase are on the collector's topic, and on the dashboard. It needs no Kafka itself.
    `clickstream visit` has browsers do the same.

    Only this machine can connect, unless --host says otherwise; then --collector is the address at which its visitors
    reach the collector.

    \b
    Example: in three terminals
      clickstream collect
      clickstream shop
      clickstream ui
    """
    _needed()
    from clickstream.serving.listening import listen
    from clickstream.shop.shop import Shop

    collector = app.config["shop.collector"]
    with closing(listen(app.config["shop.host"], app.config["shop.port"])) as listening:
        shop: Shop = Shop(listening, collector, on_ready=lambda: _say_address(shop, collector))
        shop.run(stop_event(drain_by_signal=NOTHING_TO_DRAIN))


def _needed() -> None:
    """Raises ConfigError, with how to install it, when the server is not there."""
    try:
        import clickstream.shop.shop  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("clickstream"):
            raise
        raise ConfigError(f"The shop needs {error.name}. Install it: pip install 'clickstream[collect]'") from None


def _say_address(shop: "Shop", collector: str) -> None:
    click.echo(f"Shop: {shop.address}", err=True)
    if not _answers(collector):
        click.echo(
            f"Nobody listens at {collector}, where its pages find the collector: start it with: clickstream collect",
            err=True,
        )


def _answers(collector: str) -> bool:
    """Whether anything listens there."""
    parts = urlsplit(collector)
    try:
        address = (parts.hostname or "", parts.port or {"https": 443}.get(parts.scheme, 80))
        socket.create_connection(address, ANSWERS_WITHIN_S).close()
    except OSError:
        return False
    return True
