"""Draw docs/images/demo.svg from a real run of the demo: python docs/picture.py"""

import io
import secrets
import sys
import threading
from pathlib import Path

import platformdirs
from rich.console import Console

from clickstream.broker import EmbeddedBroker
from clickstream.cli.demo import INTERVAL_S
from clickstream.counter import Counter
from clickstream.demo.demo import Demo, Snapshot
from clickstream.demo.tables import beside
from clickstream.demo.view import view
from clickstream.generate.products import ProductEvents
from clickstream.kafka.clients import Cluster
from clickstream.kafka.produce import Sender
from clickstream.producer import EventProducer
from clickstream.screen.live import Size
from clickstream.tally.options import CounterOptions
from clickstream.topics import ensure

PICTURE = Path(__file__).resolve().parent / "images" / "demo.svg"
WIDTH, HEIGHT = 80, 23
SECONDS = 20.0
# As rich's own, without the fonts that it would fetch from elsewhere.
SVG = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: arial; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def main() -> int:
    snapshots: list[str] = []

    def draw(snapshot: Snapshot) -> None:
        if snapshot.phase != "running":
            return
        console = Console(record=True, width=WIDTH, force_terminal=True, file=io.StringIO())
        console.print("$ [bold]bin/demo[/bold]")
        for line in view(snapshot, Size(WIDTH, HEIGHT)):
            console.print(line)
        snapshots.append(console.export_svg(title="clickstream", code_format=SVG))

    state = platformdirs.user_cache_path("clickstream") / "picture"
    with EmbeddedBroker(state).acquire() as lease:
        cluster = Cluster(lease.address, embedded=True)
        ensure(cluster, ["event-topic", "unique-event-topic"])
        producer = EventProducer(
            Sender(cluster.producer()), "event-topic", ProductEvents(secrets.randbits(64)), rate=5_000.0
        )
        options = CounterOptions(
            "event-topic", "unique-event-topic", "eventName", "clickstream-demo", "clickstream-dead-letter", INTERVAL_S
        )
        tables = beside(cluster, state, dead_letter_topic="clickstream-dead-letter", web_rate=50.0, vip_rate=50.0)
        demo = Demo(cluster.address, producer, Counter(cluster, options), tables.lines, tables.minutes)
        tables.start()
        try:
            demo.run(threading.Event(), draw, SECONDS)
        finally:
            tables.stop()
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(snapshots[-2], "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
