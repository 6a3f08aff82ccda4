from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.logtime import log_time
from clickstream.records import WebClick, encode
from clickstream.replay.formats import Malformed, parse

COMMON = b'192.0.2.7 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 1234'
COMBINED = COMMON + b' "http://example.org/" "Mozilla/5.0 (X11)"'


def click(line: bytes) -> WebClick:
    found = parse(line)
    assert isinstance(found, WebClick), found
    return found


def reason(line: bytes) -> str:
    found = parse(line)
    assert isinstance(found, Malformed), found
    return found.reason


def changed(old: bytes, new: bytes) -> bytes:
    assert old in COMBINED
    return COMBINED.replace(old, new)


def test_a_combined_line_as_json() -> None:
    assert encode(click(COMBINED)) == (
        b'{"ip":"192.0.2.7","userid":null,"remote_user":null,"time":"17/May/2015:10:05:03 +0000",'
        b'"_time":1431857103000,"request":"GET /a HTTP/1.1","status":200,"bytes":1234,'
        b'"referrer":"http://example.org/","agent":"Mozilla/5.0 (X11)"}'
    )


def test_a_common_line_has_neither_referrer_nor_agent() -> None:
    found = click(COMMON)
    assert (found.bytes, found.referrer, found.agent) == (1234, None, None)


def test_a_dash_is_zero_bytes_and_null_elsewhere() -> None:
    found = click(b'host - - [17/May/2015:10:05:03 +0000] "-" - - "-" "-"')
    assert found == WebClick("host", None, None, "17/May/2015:10:05:03 +0000", 1431857103000, None, None, 0, None, None)


@pytest.mark.parametrize("ip", ["2001:db8::7:1", "::ffff:192.0.2.7", "crawl-66-249.googlebot.com", "unix:"])
def test_addresses_and_host_names(ip: str) -> None:
    assert click(changed(b"192.0.2.7", ip.encode())).ip == ip


@pytest.mark.parametrize(
    ("user", "read"), [(b"frank", "frank"), ("jürgen".encode(), "jürgen"), (b'""', None), (b"-", None)]
)
def test_users(user: bytes, read: str | None) -> None:
    assert click(changed(b"- - [", b"- " + user + b" [")).remote_user == read


@pytest.mark.parametrize(
    ("request_line", "read"),
    [
        (b"", ""),
        (rb"GET /?q=\"a\" HTTP/1.1", 'GET /?q="a" HTTP/1.1'),
        (rb"GET /?q=\x22a\x22 HTTP/1.1", 'GET /?q="a" HTTP/1.1'),
        (rb"\x16\x03\x01\x02\x00\x01\xFC", r"\x16\x03\x01\x02\x00\x01\xFC"),
        (b"GET /\\\\", "GET /\\"),
        ("GET /日本".encode(), "GET /日本"),
        (b"\x16\x03\x01", "\x16\x03\x01"),
        (b"GET /[17/May/2015:10:05:03 +0000] 200", "GET /[17/May/2015:10:05:03 +0000] 200"),
    ],
)
def test_request_lines(request_line: bytes, read: str) -> None:
    assert click(changed(b"GET /a HTTP/1.1", request_line)).request == read


@pytest.mark.parametrize(
    "more", [b" 0.003", b' "203.0.113.9"', b' "203.0.113.9, 10.0.0.1" rt=0.003 up="0.001" -', b"  x", b"\r"]
)
def test_further_fields_and_trailing_space_are_passed_over(more: bytes) -> None:
    assert parse(COMBINED + more) == parse(COMBINED)


@pytest.mark.parametrize("status", [0, 9, 99, 100, 444, 499, 600, 999])
def test_statuses_as_nginx_writes_them(status: int) -> None:
    assert click(changed(b" 200 ", b" %03d " % status)).status == status


@pytest.mark.parametrize("mark", ["\ufeff", "\ufeff" * 5000])
def test_a_byte_order_mark_between_joined_logs_is_no_part_of_the_line(mark: str) -> None:
    assert parse(mark.encode() + COMBINED) == parse(COMBINED)


FRONT = b"192.0.2.7 - - ["


@pytest.mark.parametrize(
    ("front", "ip"),
    [
        (b"www.example.org:443 192.0.2.7 - frank [", "192.0.2.7"),
        (b"www.example.org 192.0.2.7 - frank [", "192.0.2.7"),
        (b"www.example.org 192.0.2.7 frank [", "192.0.2.7"),
        (b"www.example.org:443 192.0.2.7 frank [", "192.0.2.7"),
        (b"www.example.org 2001:db8::7 - frank [", "2001:db8::7"),
        (b"www.example.org ::ffff:192.0.2.7 - frank [", "::ffff:192.0.2.7"),
        (b"www.example.org:80 crawl.example.net - frank [", "crawl.example.net"),
        (b"203.0.113.4:80 192.0.2.7 - frank [", "192.0.2.7"),
        (b"[2001:db8::1]:443 192.0.2.7 - frank [", "192.0.2.7"),
        (b"localhost 127.0.0.1 - frank [", "127.0.0.1"),
        (b"_ 192.0.2.7 - frank [", "192.0.2.7"),
    ],
)
def test_a_virtual_host_in_front_is_skipped(front: bytes, ip: str) -> None:
    found = click(changed(FRONT, front))
    assert (found.ip, found.remote_user, found.request) == (ip, "frank", "GET /a HTTP/1.1")


@pytest.mark.parametrize(
    "front",
    [
        b"192.0.2.7, 198.51.100.9 - [",
        b"192.0.2.7, 198.51.100.9 - - [",
        b"192.0.2.7, 198.51.100.9, 203.0.113.4 [",
        b"192.0.2.7,198.51.100.9 - - [",
        b'"192.0.2.7, 198.51.100.9" - - [',
        b"unknown, 192.0.2.7 - - [",
        b"2001:db8::7, 192.0.2.7 - - [",
        b"192.0.2.7:5123, 198.51.100.9 - - [",
        b"www.example.org 192.0.2.7, 198.51.100.9 - - [",
        b"10.0.0.1 192.0.2.7, 198.51.100.9 - - [",
        b"203.0.113.4 192.0.2.7 - - [",
        b"203.0.113.4 192.0.2.7 - [",
    ],
)
def test_of_several_addresses_none_is_taken(front: bytes) -> None:
    assert reason(changed(FRONT, front)).startswith("ip: several addresses (X-Forwarded-For?)")


@pytest.mark.parametrize(
    ("front", "says"),
    [
        (b"www.example.org crawl.example.net - - [", "ident: expected one word without dots, colons and commas"),
        (b"www.example.org crawl.example.net - [", "ident: "),
        (b"www.example.org:443 localhost - - [", "remote_user: "),
        (
            b"www.example.org - 192.0.2.7 [",
            "remote_user: expected a name, found the address '192.0.2.7': is 'www.example.org' a virtual host?",
        ),
        (b"www.example.org:443 - - [", "ip: expected an address or host name, found 'www.example.org:443', a virtual"),
        (b"www.example.org:443 - frank [", "ip: "),
    ],
)
def test_what_may_be_a_virtual_host_is_never_the_address(front: bytes, says: str) -> None:
    assert reason(changed(FRONT, front)).startswith(says)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"", "the line is empty"),
        (b" \t\r", "the line is empty"),
        (b"\x00" * 200, "the line has only NUL bytes: a hole"),
        (b"\x00" * 200 + b"text", "ip: expected an address or host name, found '\\x00"),
        (
            b'- - - [17/May/2015:10:05:03 +0000] "GET /" 200 1',
            "ip: expected an address or host name, found '- - ",
        ),
        (b'a" - - [17/May/2015:10:05:03 +0000] "GET /" 200 1', "ip: "),
        (changed(b"192.0.2.7", "\u200b192.0.2.7".encode()), "ip: "),
        ("\ufeff".encode() * 5000, "the line is empty"),
        (b"192.0.2.7", "ip: "),
        (changed(b"- - [", b"- a b ["), "remote_user: expected one word and then the time in brackets"),
        (changed(b"[17", b"17"), "remote_user: "),
        (changed(b"+0000]", b"+0000"), "time: expected a time in brackets"),
        (
            changed(b"17/May", b"32/May"),
            "time: expected a date such as 17/May/2015:10:05:03 +0000, found '32/May",
        ),
        (changed(b' "GET /a HTTP/1.1"', b""), "request: expected a text in quotes, found '200 1234"),
        (changed(b"/a HTTP/1.1", b'/"a" HTTP/1.1'), "request: "),
        (changed(b" 200 ", b" 99 "), "status: expected a number from 000 to 999, or -, found '99 1234"),
        (changed(b" 200 ", b" 2000 "), "status: "),
        (changed(b" 200 ", b" 20x "), "status: "),
        (changed(b" 1234 ", b" -5 "), "bytes: expected a whole number from 0, or -, found '-5 "),
        (changed(b" 1234 ", b" 1.5 "), "bytes: "),
        (changed(b" 1234 ", b" " + b"9" * 19 + b" "), "bytes: "),
        (changed(b" 1234 ", b" "), "bytes: "),
        (COMMON[: -len(b" 1234")], "status: "),
        (COMMON + b" 0.003", "referrer: expected a text in quotes, or the end of the line, found '0.003'"),
        (COMMON + b' "http://example.org/"', "agent: expected a text in quotes, found the end of the line"),
        (COMBINED[:-1], "agent: expected a text in quotes, found '\"Mozilla/5.0 (X11)'"),
        (changed(b'X11)"', b'X11)\\"'), "agent: "),
        (
            changed(b"(X11)", b'("X11")'),
            "after agent: expected further fields set apart by spaces, found 'X11\")\"'",
        ),
        (COMBINED + b' "unclosed', "after agent: "),
    ],
)
def test_what_is_malformed_is_named(line: bytes, says: str) -> None:
    assert reason(line).startswith(says)


def test_invalid_utf8_is_located() -> None:
    assert reason(changed(b"/a HTTP", b"/\xff HTTP")) == "not valid UTF-8: byte 50 is 0xff"


def test_a_long_find_is_shortened_in_the_reason() -> None:
    assert len(reason(b"x" * 60_000)) < 200


# Printable text of any script; what is no text has its own cases above.
TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=40).filter(lambda text: text != "-")
# Colons and commas: see the cases above.
WORD = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='",:'), min_size=1)
USERS = WORD.filter(lambda word: word != "-" and not word.replace(".", "").isdecimal())
ZONES = st.builds("{}{:02}{:02}".format, st.sampled_from("+-"), st.integers(0, 14), st.integers(0, 59))


@st.composite
def clicks(draw: st.DrawFn) -> WebClick:
    seconds = draw(st.integers(0, 4_000_000_000))
    return WebClick(
        draw(WORD.filter(lambda word: word != "-")),
        None,
        draw(st.none() | USERS),
        log_time(seconds * 1000, draw(ZONES)),
        seconds * 1000,
        draw(st.none() | TEXT),
        draw(st.none() | st.integers(0, 999)),
        draw(st.integers(0, 10**18 - 1)),
        draw(st.none() | TEXT),
        draw(st.none() | TEXT),
    )


def apache(text: str | None) -> bytes:
    escapes = {ord('"'): '\\"', ord("\\"): "\\\\"}
    return b"".join(
        b"\\x%02x" % byte if byte >= 0x7F else escapes.get(byte, chr(byte)).encode()
        for byte in ("-" if text is None else text).encode()
    )


def nginx(text: str | None) -> bytes:
    return b"".join(
        b"\\x%02X" % byte if byte > 126 or byte in b'"\\' else bytes([byte])
        for byte in ("-" if text is None else text).encode()
    )


def unescaped_unicode(text: str | None) -> bytes:
    return ("-" if text is None else text).replace("\\", "\\\\").replace('"', '\\"').encode()


def render(click: WebClick, write: Callable[[str | None], bytes]) -> bytes:
    status = "-" if click.status is None else f"{click.status:03}"
    return b'%b - %b [%b] "%b" %b %d "%b" "%b"' % (
        click.ip.encode(),
        write(click.remote_user),
        click.time.encode(),
        write(click.request),
        status.encode(),
        click.bytes,
        write(click.referrer),
        write(click.agent),
    )


@pytest.mark.parametrize("write", [apache, nginx, unescaped_unicode])
@given(click=clicks())
def test_what_a_server_writes_is_read_back(write: Callable[[str | None], bytes], click: WebClick) -> None:
    assert parse(render(click, write)) == click


@given(clicks(), st.integers(0, 400), st.binary(max_size=8), st.integers(0, 8))
def test_no_damage_raises(click: WebClick, at: int, inserted: bytes, removed: int) -> None:
    line = render(click, apache)
    found = parse(line[:at] + inserted + line[at + removed :])
    if isinstance(found, WebClick):
        assert msgspec.json.decode(encode(found), type=WebClick) == found
    else:
        assert found.reason
