"""Which site a visitor comes from."""

from collections.abc import Collection
from urllib.parse import urlsplit

NONE = "(none)"
OTHER = "(other)"
MAX_HOST = 253  # of DNS


def referrer(text: str | None, own_hosts: Collection[str] = ()) -> str:
    """The host of a Referer header, in lower case and without its port.

    NONE without a referrer, and for the site's own hosts (in lower case); OTHER for what is no address.
    """
    if text is None or text in ("", "-"):
        return NONE
    try:
        host = urlsplit(text).hostname
    except ValueError:
        return OTHER
    if not host or len(host) > MAX_HOST:
        return OTHER
    return NONE if host in own_hosts else host
