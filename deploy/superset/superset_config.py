"""What Superset has to know of Clickstream: where its PostgreSQL and its Druid are.

Superset reads this file if SUPERSET_CONFIG_PATH names it. If you have a superset_config.py, it takes
DB_CONNECTION_MUTATOR from here.

Assets have no DSN: Superset expands no variables in them, and what is imported with a password is stored with it.
"""

import os
from typing import Any

from sqlalchemy.engine import URL, make_url

# The host in assets/*/databases: it stands for what the variables say. No host has that name (RFC 2606).
HOST = "clickstream.invalid"
POSTGRES = "CLICKSTREAM_SUPERSET_POSTGRES"
DRUID = "CLICKSTREAM_SUPERSET_DRUID"
DRUID_SQL = "druid/v2/sql/"
UTC = "-c timezone=UTC"  # Superset asks for times without a zone, and means UTC; so does Druid, unless told otherwise


def DB_CONNECTION_MUTATOR(
    uri: URL, params: dict[str, Any], username: str | None, security_manager: Any, source: Any
) -> tuple[URL, dict[str, Any]]:
    """`uri` and `params` for create_engine; raises RuntimeError if the variable is not set."""
    if uri.host != HOST:
        return uri, params
    if uri.get_backend_name() == "druid":
        druid = _told(DRUID, "druid://HOST:PORT, or druid+https://USER:PASSWORD@HOST:PORT")
        return druid.set(database=druid.database or DRUID_SQL), params
    found = _told(POSTGRES, "postgresql://USER:PASSWORD@HOST:PORT/DATABASE").set(drivername=uri.drivername)
    options = found.query.get("options", "")
    return found.update_query_dict({"options": f"{options} {UTC}".strip()}), params


def _told(variable: str, wanted: str) -> URL:
    given = os.environ.get(variable)
    if not given:
        raise RuntimeError(f"{variable} is not set. Set it to {wanted}")
    return make_url(given)
