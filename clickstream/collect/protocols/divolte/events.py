"""An event of Divolte's as one of ours."""

from typing import Any, Final

from clickstream.collect.protocols.model import SentEvent

PAGE_VIEW: Final = "pageView"
_NAMES: Final = {PAGE_VIEW: "pageview", None: "event", "": "event"}


def event_of(
    name: str | None, party: str, session: str, event: str, created: int | float, new_session: bool
) -> SentEvent:
    """Its party is the visitor. Divolte's page view is ours; an event without a type is called "event"."""
    return SentEvent(
        id=event,
        event=_NAMES.get(name) or str(name),
        url="",
        visitor=party,
        session=session,
        time=created,
        new_session=new_session,
    )


def properties_of(parameters: Any) -> dict[str, Any]:
    """The parameters of an event; what is no object is the only property, `value`."""
    if parameters is None:
        return {}
    return parameters if isinstance(parameters, dict) else {"value": parameters}
