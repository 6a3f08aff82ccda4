"""JSON over HTTP, as Flink's REST interfaces speak it, and what is wrong in one line."""

import http.client
import json
import re
import urllib.error
import urllib.request
from typing import Any

from clickstream.errors import ClickstreamError

TIMEOUT_S = 60.0  # answers take milliseconds, but the first session of a busy machine seconds

_CAUSE = re.compile(r"^Caused by: (.*)$", re.MULTILINE)
_CLASS = re.compile(r"^(?:[\w$]+\.)+([\w$]+)(?:: |$)")


class Unreachable(ClickstreamError):
    """Nobody answers at the address."""


class Refused(ClickstreamError):
    """The server answered with an error; `status` is HTTP's."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Rest:
    """A server's REST interface. `address` is HOST:PORT."""

    def __init__(self, address: str) -> None:
        self.address = address
        # Never through a proxy: gateways and clusters are near, and urllib would read http_proxy.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The JSON that is answered. Raises Unreachable, or Refused with the root cause of the server's error."""
        data = None if body is None else json.dumps(body).encode()
        url = f"http://{self.address}{path}"
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                raise Refused(_message(error.read()), error.code) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise Unreachable(
                f"No Flink answers at {self.address}: {_words(reason)}. "
                "Check the address; `clickstream flink cluster start` starts one here."
            ) from None


def root_cause(trace: str) -> str:
    """The innermost cause of a Java stack trace in one line: the exception's name and its message."""
    causes = _CAUSE.findall(trace)
    lines = [line.strip() for line in trace.splitlines() if line.strip() and not line.startswith(("\tat ", "<"))]
    line: str = causes[-1] if causes else (lines[0] if lines else trace.strip())
    return _CLASS.sub(lambda match: f"{match[1]}: ", line).strip().rstrip(":")


def _message(body: bytes) -> str:
    """What an answer of Flink says went wrong: its `errors` are a headline and a stack trace."""
    try:
        errors = json.loads(body)["errors"]
        texts = [str(one) for one in errors if one]
    except (ValueError, LookupError, TypeError):
        return body.decode(errors="replace").strip()[:300] or "an error without a message"
    return root_cause(texts[-1]) if texts else "an error without a message"


def _words(reason: object) -> str:
    return (getattr(reason, "strerror", None) or str(reason) or type(reason).__name__).rstrip(".")
