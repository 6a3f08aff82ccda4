"""`clickstream visit`."""

import itertools
import secrets
import time
from collections.abc import Sequence

import click
from rich.text import Text

from clickstream.cli.options import SECONDS, App, app_options, stop_after, stop_event
from clickstream.cli.progress import showing
from clickstream.screen import bar
from clickstream.screen.live import Size
from clickstream.visit.browser import needed
from clickstream.visit.plan import plans
from clickstream.visit.visits import Options, Visits
from clickstream.visit.watch import Seen

VISITORS = 10


@click.command("visit")
@click.argument("url", metavar="URL")
@click.option(
    "--visitors",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"How many come.  [default: {VISITORS}; with --duration any number]",
)
@click.option("--duration", type=SECONDS, metavar="TIME", help="Stop after this time, such as 90s or 2m.")
@click.option("--seed", type=int, metavar="S", help="Who comes and what they do, the same for the same S.")
@click.option("--headed", is_flag=True, help="Show the browsers on this desktop.")
@click.option(
    "--as-people",
    is_flag=True,
    help="Do not let the browsers say that a program drives them, so that they count as people. For demos of your own "
    "site.",
)
@click.option("--quiet", is_flag=True, help="No progress, only the summary.")
@app_options
def command(
    _app: App,
    url: str,
    visitors: int | None,
    duration: float | None,
    seed: int | None,
    headed: bool,
    as_people: bool,
    quiet: bool,
) -> None:
    """Have real browsers walk through a site, as people would.

    They are Chrome and Edge, on desktops, phones and tablets, in several languages and time zones; they come from
    searches, links and a newsletter. Some leave at once, some read, some follow links, and in the demo shop (see
    `clickstream shop`) some fill a basket and buy. They open pages of that site only, send no form but the shop's, and
    heed no robots.txt: visit sites that are yours.

    A browser that a program drives says so (navigator.webdriver), and the collector marks what it does as a bot's,
    "webdriver". With --as-people it does not say so: then nothing tells these visitors from people, and they count as
    such for ever. That is for demos; keep it away from figures that matter.

    \b
    Example: five minutes of customers
      clickstream visit http://127.0.0.1:8323/ --duration 5m --as-people

    It needs pip install 'clickstream[visit]' and a Chromium, of this machine ($CHROMIUM, chromium, chromium-browser,
    google-chrome) or of `playwright install chromium`. Ends with what was seen; Ctrl-C has all leave.
    """
    needed()
    most = VISITORS if visitors is None and duration is None else visitors
    who = itertools.islice(plans(secrets.randbits(32) if seed is None else seed), most)
    visits = Visits(url, who, Options(headed=headed, as_people=as_people))
    begin = time.monotonic()

    def frame(size: Size) -> Sequence[Text]:
        share = None if most is None else min(1.0, visits.seen.visitors / most)
        clock = bar.clock(time.monotonic() - begin)
        return [bar.line(size.width, "visit", [*_figures(visits.seen), clock], share)]

    stop = stop_event()
    with showing(frame, lambda: f"visit: {', '.join(_figures(visits.seen))}", quiet=quiet), stop_after(duration, stop):
        visits.run(stop)
    click.echo(_summary(visits.seen), err=True)


def _figures(seen: Seen) -> list[str]:
    return [f"{seen.visitors:,} visitors", f"{seen.pages:,} pages", f"{seen.events:,} events"]


def _summary(seen: Seen) -> str:
    events = f"at least {seen.events:,} events of the page tag" if seen.events else "no page tag was seen"
    troubles = [
        *([f"{seen.left_early:,} left early"] if seen.left_early else []),
        *([f"{len(seen.problems):,} errors in the console (see them with -v)"] if seen.problems else []),
    ]
    return f"{'; '.join([f'{seen.visitors:,} visitors, {seen.pages:,} pages, {events}', *troubles])}."
