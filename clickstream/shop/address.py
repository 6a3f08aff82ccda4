"""Addresses of collectors, as they may stand in pages and in their policies."""

import re
from urllib.parse import quote

_ADDRESS = re.compile(
    r"(?P<origin>https?://(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?)(?P<path>/[^?#]*)?",
    re.IGNORECASE,
)


def origin_and_base(collector: str) -> tuple[str, str]:
    """Of a collector's address: its origin, and what stands before /tag.js and /privacy.json.

    Of `http://127.0.0.1:8322/` that is http://127.0.0.1:8322, twice. Raises ValueError for what is no such address.
    Neither result has quotes, blanks, or anything else that ends an attribute or a directive.
    """
    found = _ADDRESS.fullmatch(collector.strip())
    if found is None:
        raise ValueError("an address such as http://127.0.0.1:8322 is expected")
    origin = found["origin"].lower()
    return origin, origin + quote((found["path"] or "").rstrip("/"), safe="/%")
