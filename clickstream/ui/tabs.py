"""All tabs that are open."""

import asyncio

from clickstream.ui.socket import Tab

MAX_TABS = 200


class Tabs:
    """At most MAX_TABS of them. To be used on the event loop only."""

    def __init__(self) -> None:
        self._open: dict[Tab, asyncio.Task[None]] = {}
        self._sent = 0
        self.came = 0
        self.refused = 0
        self.are_closing = False

    def __len__(self) -> int:
        return len(self._open)

    @property
    def is_full(self) -> bool:
        return len(self._open) >= MAX_TABS

    @property
    def sent(self) -> int:
        """Frames, since the start."""
        # A list: other threads ask, too, while tabs come and go.
        return self._sent + sum(tab.sent for tab in list(self._open))

    async def serve(self, tab: Tab) -> None:
        """Until it ends."""
        self.came += 1
        task = self._open[tab] = asyncio.create_task(tab.serve())
        try:
            await task
        finally:
            self._forget(tab)

    def check(self) -> None:
        """End those that were silent for too long. Call it every second."""
        for tab, task in list(self._open.items()):
            tab.check()
            if task.done():  # who waited for it was cut off
                self._forget(tab)

    def mark_feeds(self) -> None:
        for tab in self._open:
            tab.mark_feeds()

    async def say_bye(self, words: str, within_s: float) -> None:
        """Tell all of them, close them, and wait for that, up to `within_s` seconds."""
        self.are_closing = True
        for tab in self._open:
            tab.say_bye(words)
        if self._open:
            await asyncio.wait(list(self._open.values()), timeout=within_s)
        for tab, task in list(self._open.items()):
            task.cancel()
            tab.leave()

    def _forget(self, tab: Tab) -> None:
        if self._open.pop(tab, None) is not None:
            tab.leave()
            self._sent += tab.sent
