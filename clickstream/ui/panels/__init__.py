"""The panels by the names under which tabs ask for them."""

from collections.abc import Mapping

from clickstream.ui.panels import (
    collected,
    dead,
    errors,
    flow,
    frame,
    funnel,
    overview,
    products,
    sessions,
    sources,
    statement,
    tail,
    topic,
    topics,
    vip,
)
from clickstream.ui.panels.contract import FeedKind, StateKind

PANELS: Mapping[str, StateKind | FeedKind] = {
    "collected": collected.KIND,
    "dead": dead.KIND,
    "errors": errors.KIND,
    "flow": flow.KIND,
    "frame": frame.KIND,
    "funnel": funnel.KIND,
    "numbers": frame.NUMBERS,
    "overview": overview.KIND,
    "products": products.KIND,
    "sessions": sessions.KIND,
    "sources": sources.KIND,
    "statement": statement.KIND,
    "tail": tail.KIND,
    "topic": topic.KIND,
    "topics": topics.KIND,
    "vip": vip.KIND,
}
