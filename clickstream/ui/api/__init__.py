"""Questions over HTTP, below /api/: records, exports, recounts, SQL. One module for each subject."""

from starlette.routing import BaseRoute

from clickstream.ui.api import control, deadletters, preview, query, records, recount
from clickstream.ui.wiring import Wiring


def routes(wiring: Wiring) -> list[BaseRoute]:
    """Those of all modules."""
    modules = (records, deadletters, recount, control, query, preview)
    return [route for module in modules for route in module.routes(wiring)]
