"""JSON over HTTP, as Druid's router and overlord speak it.

https://druid.apache.org/docs/latest/api-reference/supervisor-api
"""

import http.client
import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote, urlsplit

from clickstream.errors import ClickstreamError, ConfigError

TIMEOUT_S = 30.0  # answers take milliseconds; an overlord that is being elected takes seconds


class NotFound(ClickstreamError):
    """Druid has not what was asked for."""


class Api:
    """The interface at `url`, that of a router or of the overlord. Raises ConfigError for what is no URL."""

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if not good or "@" in parts.netloc:
            raise ConfigError("--url: http://HOST:PORT of Druid's router or overlord is expected, without a user.")
        self.url = url.rstrip("/")
        # Never through a proxy: Druid is near, and urllib would read http_proxy.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def supervisor(self, name: str, what: str = "") -> Any:
        """A supervisor's spec, or its `status`. Raises NotFound, or ClickstreamError."""
        path = f"/druid/indexer/v1/supervisor/{quote(name, safe='')}"
        return self._get(f"{path}/{what}" if what else path)

    def supervisors(self) -> list[str]:
        """The ids of all. Raises ClickstreamError."""
        found = self._get("/druid/indexer/v1/supervisor")
        if not isinstance(found, list):
            raise no_druid(self.url)
        return sorted(map(str, found))

    def _get(self, path: str) -> Any:
        try:
            with self._opener.open(self.url + path, timeout=TIMEOUT_S) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404:
                    raise NotFound(f"{self.url} has no {path}.") from None
                said = error.read().decode(errors="replace").strip()[:300]
                raise ClickstreamError(f"Druid at {self.url} answers {error.code}: {said or error.reason}") from None
        except json.JSONDecodeError:
            raise no_druid(self.url) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            words = (getattr(reason, "strerror", None) or str(reason) or type(reason).__name__).rstrip(".")
            raise ClickstreamError(
                f"No Druid answers at {self.url}: {words}. Give the URL of its router or overlord with --url."
            ) from None


def no_druid(url: str) -> ClickstreamError:
    """For an answer that has not what is looked for."""
    return ClickstreamError(f"What answers at {url} is no router or overlord of Druid.")
