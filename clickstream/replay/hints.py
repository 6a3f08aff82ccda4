"""What a log may be that is neither in the common nor in the combined format."""

import re

_EXPECTED = 'expected is 192.0.2.7 - frank [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1234.'
_KINDS = (
    (rb"\s*\{", "JSON, one object per line"),
    (rb"#(Version|Fields|Software|Date|Remark)\b", "the W3C extended format, as IIS and CloudFront write it"),
    (rb"<[0-9]{1,3}>|[A-Z][a-z]{2} [ 0-3][0-9] [0-9:]{8} ", "syslog: the access log's line stands behind its prefix"),
    (rb"[0-9]{4}/[0-9]{2}/[0-9]{2} [0-9:]{8} \[", "an error log of nginx, not an access log"),
    (rb"\[[A-Z][a-z]{2} [A-Z][a-z]{2} [0-9]{2} ", "an error log of Apache, not an access log"),
    (rb"(https?|h2|grpcs?|wss?) [0-9]{4}-[0-9]{2}-[0-9]{2}T", "the log of an AWS load balancer"),
    (rb"[0-9]{9,10}\.[0-9]{3} +[0-9]+ ", "the native format of Squid"),
    (rb"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:", "a log whose lines begin with a time"),
    (rb"[^ ]+=[^ ]+( |$)", "logfmt, key=value"),
    (rb'("[^"]*"|[^ ",;\t]+)([,;\t]("[^"]*"|[^",;\t]*)){3}', "CSV"),
    (rb"[^\n]*[\x00-\x08\x0e-\x1a]", "no text"),
)
_PATTERNS = tuple((re.compile(pattern), kind) for pattern, kind in _KINDS)
_LOOKED_AT = 1_000  # bytes


def hint(line: bytes) -> str:
    """One sentence about a file with this first line, of which no line could be read: what it looks like."""
    beginning = line[:_LOOKED_AT].lstrip(b"\0")
    kind = next((kind for pattern, kind in _PATTERNS if pattern.match(beginning)), None)
    return f"it looks like {kind}; {_EXPECTED}" if kind else f"it is in another format; {_EXPECTED}"
