"""What a visitor's browser asks of everybody: not to be recorded."""

from collections.abc import Mapping
from typing import Final

# Global Privacy Control (https://www.w3.org/TR/gpc/) and Do Not Track: only "1" says no.
HEADERS: Final = ("sec-gpc", "dnt")


def opted_out(headers: Mapping[str, str]) -> bool:
    """Whether the browser, or a proxy in between, sent one of HEADERS. `headers` have names in lower case."""
    for name in HEADERS:
        value = headers.get(name)
        if value and any(one.strip() == "1" for one in value.split(",")):
            return True
    return False
