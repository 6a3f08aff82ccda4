"""What the routes share."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from clickstream.parts.metrics import Exposition
from clickstream.ui.files import Files
from clickstream.ui.guard import Rules
from clickstream.ui.services import Services
from clickstream.ui.tabs import Tabs
from clickstream.ui.views import Views
from clickstream.ui.wire import Hello
from clickstream.ui.workers import Workers


@dataclass(frozen=True)
class Wiring:
    """`hello`: what a tab is told first, if it knows the token or not. `stopping` is set when the server is about to
    end: an answer that goes on must end then."""

    services: Services
    workers: Workers
    views: Views
    tabs: Tabs
    files: Files
    rules: Rules
    metrics: Exposition
    hello: Callable[[bool], Hello]
    stopping: asyncio.Event
    exports: bool = True
    control: bool = False
