import pytest

from clickstream.replay.escapes import unescape


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("plain", "plain"),
        (r"say \"hi\"", 'say "hi"'),
        (r"C:\\temp", r"C:\temp"),
        (r"\x22 and \x5C as nginx writes them", '" and \\ as nginx writes them'),
        (r"caf\xc3\xa9 \xF0\x9F\x98\x80", "café 😀"),
        (r"\\x41 is a backslash before x41", r"\x41 is a backslash before x41"),
        (r"a\nb\tc", r"a\nb\tc"),
        (r"\x16\x03\x01\x00", r"\x16\x03\x01\x00"),
        (r"\x7f\xc2\x85", r"\x7f\xc2\x85"),
        (r"\xe4\xe5\xc3\xa9\xff", r"\xe4\xe5é\xff"),
        (r"\xed\xa0\x80 is half a surrogate pair", r"\xed\xa0\x80 is half a surrogate pair"),
        (r"\x4 \xzz \u0041", r"\x4 \xzz \u0041"),
        ("ends with \\", "ends with \\"),
    ],
)
def test_escapes_of_text_are_decoded_and_all_others_stay(written: str, read: str) -> None:
    assert unescape(written) == read
