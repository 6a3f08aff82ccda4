"""A text that would do things to a terminal that obeyed it, and whether something that was shown could."""

import re

HOSTILE = (
    "\x1b]0;title\x07a\x1b[5;95mb\x9b31mc\x9d0;d\x9c\x84\u202ee\u2066f\u200eg\u061ch\x7f\x00"
    "[bold red]i[/bold red]:smile:"
)
"""OSC, CSI and C1 of one byte and of two, marks that turn the direction, DEL, NUL, and what rich takes for markup."""

SHOWN = (
    "\\u001b]0;title\\u0007a\\u001b[5;95mb\\u009b31mc\\u009d0;d\\u009c\\u0084\\u202ee\\u2066f\\u200eg\\u061ch\\u007f\\u0000"
    "[bold red]i[/bold red]:smile:"
)
"""How a person sees it."""

# What rich and click write themselves: colours, moves of the cursor, and whether it is shown.
_OURS = re.compile(r"\x1b\[(?!5;95m)[0-9;?]*[A-Zhlm]|\r(?=\n|\x1b\[|\Z)")
_OBEYED = re.compile(
    "(?![\n\t])[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


def plain(shown: str) -> str:
    """What stands on the terminal, without the colours that are ours."""
    return _OURS.sub("", shown)


def assert_harmless(shown: str) -> None:
    found = _OBEYED.search(plain(shown))
    assert found is None, f"{found} in {shown!r}"
