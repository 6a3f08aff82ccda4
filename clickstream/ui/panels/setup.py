"""What is there, and what is missing, while there is nothing to show: each with the command that makes it."""

import msgspec

from clickstream.history.history import HistoryStatus
from clickstream.inspect.topicreader import Stage
from clickstream.parts.status import living
from clickstream.ui.services import Services


class Step(msgspec.Struct, frozen=True):
    """Something that has to be there; `command`: what to type when it is not `ok`."""

    ok: bool
    words: str
    command: str | None = None


class Setup(msgspec.Struct, frozen=True):
    """What a page shows while there is nothing to show."""

    title: str
    steps: list[Step]


def setup(services: Services, status: HistoryStatus, newest: int | None) -> Setup | None:
    """None while there are clicks, and while it is not known whether there are."""
    clicks = status.topics[0]
    if newest is not None or clicks.stage not in (Stage.LIVE, Stage.MISSING):
        return None
    what = "There is no topic" if clicks.stage == Stage.MISSING else "Nothing of the last hour is in the topic"
    steps = [
        Step(True, f"Kafka answers at {services.cluster.address}"),
        Step(False, f"{what} {clicks.topic}. Make up some clicks:", services.hints.command(clicks.topic)),
        Step(False, "or send the ones you have:", "clickstream replay access.log"),
    ]
    now = services.clock() / 1000
    if not any(one.kind == "tables" for one in living(services.statuses.parts(now), now)):
        steps.append(Step(False, "No tables run. Compute them:", "clickstream tables run clickstream"))
    return Setup("No clicks yet", steps)
