"""The formats inside Java client files. The expectations were compared with java.util.Properties and JaasConfig."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.errors import ConfigError
from clickstream.kafka.java import parse_login, parse_properties


def values(text: str) -> dict[str, str]:
    return {name: entry.value for name, entry in parse_properties(text, "client.properties").items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a=1\nb=2\r\nc=3\rd=4", {"a": "1", "b": "2", "c": "3", "d": "4"}, id="every line end"),
        pytest.param("# a=1\n  ! b=2\n\n \t\nc=3", {"c": "3"}, id="comments and blank lines"),
        pytest.param("a:1\nb 2\nc\t3\nd = 4\ne : 5\nf", {"a": "1", "b": "2", "c": "3", "d": "4", "e": "5", "f": ""}),
        pytest.param("a==1\nb=x=y:z", {"a": "=1", "b": "x=y:z"}, id="only the first separator counts"),
        pytest.param(r"a\=b\:c\ d=1", {"a=b:c d": "1"}, id="escaped separators belong to the key"),
        pytest.param("a=x \\\n    y\\\n\tz", {"a": "x yz"}, id="a continuation loses its indentation"),
        pytest.param("a=x\\\n# y\nb=2", {"a": "x# y", "b": "2"}, id="a continuation is never a comment"),
        pytest.param("# x\\\na=1", {"a": "1"}, id="a comment is never continued"),
        pytest.param("a=x\\\\\nb=2", {"a": "x\\", "b": "2"}, id="an escaped backslash continues nothing"),
        pytest.param("a=x\\", {"a": "x"}, id="backslash at the end of the file"),
        pytest.param(r"a=\t\n\r\f\q\$", {"a": "\t\n\r\fq$"}, id="unknown escapes are the character itself"),
        pytest.param(r"a=\u00e9\u20AC \ud83d\ude00", {"a": "é€ 😀"}, id="unicode escapes are UTF-16"),
        pytest.param("a=x \u2028\x85\x0by ", {"a": "x \u2028\x85\x0by "}, id="other separators end no line"),
        pytest.param("a=1\na=2", {"a": "2"}, id="the last one wins"),
        pytest.param("\ufeffa=1", {"a": "1"}, id="byte order mark"),
        pytest.param("", {}, id="empty"),
    ],
)
def test_properties_are_read_as_java_reads_them(text: str, expected: dict[str, str]) -> None:
    assert values(text) == expected


def test_an_entry_knows_its_line() -> None:
    found = parse_properties("# x\na=1\nb=2\\\n3\na=4\n", "x")
    assert {name: entry.line for name, entry in found.items()} == {"a": 5, "b": 4}


@pytest.mark.parametrize("value", [r"\u12", r"\u12G4", r"\u", r"\ud83d", r"\ude00\ud83d"])
def test_a_malformed_unicode_escape_names_its_line_and_shows_no_value(value: str) -> None:
    with pytest.raises(ConfigError, match=r"^client\.properties, line 3: ") as error:
        parse_properties(f"# comment\na=1\npassword=hunter{value}\n", "client.properties")
    assert "hunter" not in str(error.value)


def escaped(text: str) -> str:
    """Every character that could mean something as a \\u escape: a superset of what Properties.store escapes."""
    units = text.encode("utf-16-be")
    codes = [int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2)]
    return "".join(chr(code) if chr(code).isascii() and chr(code).isalnum() else f"\\u{code:04x}" for code in codes)


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_properties_round_trip(properties: dict[str, str]) -> None:
    text = "".join(f"{escaped(name)} = {escaped(value)}\n" for name, value in properties.items())
    assert values(text) == properties


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_properties(text, "x")
    except ConfigError as error:
        assert "malformed" in str(error)  # noqa: PT017 (either outcome is right)


@pytest.mark.parametrize(
    ("entry", "module", "options"),
    [
        pytest.param(
            'org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p";',
            "PlainLoginModule",
            {"username": "u", "password": "p"},
            id="double quotes",
        ),
        pytest.param(
            "a.ScramLoginModule required\n  username='u' password = 'p' ;\n",
            "ScramLoginModule",
            {"username": "u", "password": "p"},
            id="single quotes, spaces and lines",
        ),
        pytest.param(
            r'PlainLoginModule required password="a\"b\\c\td\101";',
            "PlainLoginModule",
            {"password": 'a"b\\c\tdA'},
            id="escapes",
        ),
        pytest.param(
            """M required a="it's; x=1 // #" b='say "hi"';""",
            "M",
            {"a": "it's; x=1 // #", "b": 'say "hi"'},
            id="quotes protect everything",
        ),
        pytest.param("M required tokenauth=true user=$x;", "M", {"tokenauth": "true", "user": "$x"}, id="no quotes"),
        pytest.param("M required;", "M", {}, id="no options"),
    ],
)
def test_login_entry(entry: str, module: str, options: dict[str, str]) -> None:
    assert parse_login(entry, "client.properties") == (module, options)


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "M",
        'M required password="hunter2"',
        "M required password=hunter2=;",
        'M required password="hunter2;',
        'M required password= username="hunter2";',
        'M required password="hunter2"; N required;',
    ],
)
def test_a_login_entry_that_cannot_be_read_is_not_shown(entry: str) -> None:
    with pytest.raises(ConfigError, match=r"^client\.properties: sasl\.jaas\.config") as error:
        parse_login(entry, "client.properties")
    assert "hunter2" not in str(error.value)


@given(st.dictionaries(st.from_regex(r"[A-Za-z_][\w.-]*", fullmatch=True), st.text()))
def test_login_round_trip(options: dict[str, str]) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'

    text = " ".join(f"{name}={quoted(value)}" for name, value in options.items())
    assert parse_login(f"org.example.Module required {text};", "x") == ("Module", options)
