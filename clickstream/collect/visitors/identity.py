"""Ids of visitors who have none: the same for a day, and not to be traced back once its salt is deleted."""

from hashlib import blake2b
from zlib import crc32


def cookieless_visitor(salt: bytes, site: str, address: str, agent: str) -> str:
    """32 hexadecimal digits: BLAKE2b, keyed with the day's salt, of site, full address and User-Agent header."""
    text = f"{site}\0{address}\0{agent}".encode("utf-8", "replace")
    return blake2b(text, digest_size=16, key=salt).hexdigest()


def user_number(visitor: str) -> int:
    """A visitor as the `userid` of a web click: 31 bits of its CRC-32."""
    return crc32(visitor.encode()) & 0x7FFF_FFFF
