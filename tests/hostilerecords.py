"""Records that pages and exports have broken elsewhere, each to come out as it went in."""

from dataclasses import dataclass

NUMBERS = ("9223372036854775807", "23958446825181076828", "1.0", "1e400", "0.1000", "-0", "1E+2", "1e-400")


@dataclass(frozen=True)
class Hostile:
    """A record to send."""

    value: bytes | None
    key: bytes | None = b"k"
    headers: tuple[tuple[str, bytes | None], ...] = ()


HOSTILE = [
    *(Hostile(f'{{"n":{number}}}'.encode()) for number in NUMBERS),
    *(Hostile(number.encode()) for number in NUMBERS),
    Hostile(b'{"a":1,"a":2,"b":{"z":1,"y":2}}'),
    Hostile(b'{ "spaces" : [ 1 , 2 ] }\n'),
    Hostile(b"\xff\xfe not utf8 \x80"),
    Hostile(b'{"half":"\xc3"}'),
    Hostile(b"a\x00b\x00"),
    Hostile(b"\x00\xff"),
    Hostile("left\u202eright\u200b\u2066end".encode()),
    Hostile('{"na\u202eme":"va\u200blue"}'.encode()),
    Hostile(b"\x1b]0;title\x07\x1b[31m"),
    Hostile(None),
    Hostile(b""),
    Hostile(b"null"),
    Hostile(b'"null"'),
    Hostile(b'{"v":null}', None),
    Hostile(b'{"v":""}', b""),
    Hostile(b'{"v":"null"}', b"null"),
    Hostile(b"{}", (2**63 - 1).to_bytes(8, "big")),
    Hostile(b"{}", b"\x00\xff\x10"),
    Hostile(b"<script>window.hacked = 1</script>", b"<img src=x onerror='window.hacked=1'>"),
    Hostile(b'{"<img src=x onerror=window.hacked=1>":"</script><script>window.hacked=1</script>"}'),
    Hostile(b"<a>&amp;<b/></a>"),
    Hostile(b'{"f":"=1+1","g":"+1","h":-2,"i":"@x"}'),
    Hostile(b"[" * 500 + b"]" * 500),
    Hostile(b'{"a.b":1,"a":{"b":2}}'),
    Hostile(b"{}", b"h", (("h", b"1"), ("h", b"\xff\x00"), ("n", None), ("<b>", b"<i>"))),
    Hostile(b'{"big":"' + b"x" * 999_000 + b'"}', b"large"),
    Hostile(b"\x80" * 500_000, b"large binary"),
]
