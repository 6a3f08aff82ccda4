"""Java's regular expressions: what RE2 means as well, and what is refused."""

import pytest

from clickstream.tables.sql.regex import RegexProblem, translate

REFUSED = [
    ("(?=a)", "(?="),
    ("(?<name>a)", "(?<"),
    ("(?i:a)", "(?i"),
    (r"(a)\1", r"\1"),
    (r"\p{L}", r"\p"),
    (r"\Qa\E", r"\Q"),
    (r"\Z", r"\Z"),
    (r"\é", r"\é"),
    (r"\x4", r"\x4"),
    (r"\ud83d", r"\ud83d"),
    ("a\\", "an end too early"),
    ("a*+", "a repetition of a repetition"),
    ("a**", "a repetition of a repetition"),
    ("(a*)*", "a repeated part that can be empty"),
    ("(a*)?", "a repeated part that can be empty"),
    ("(a*)|b", "a group that can be empty, or left out"),
    ("*a", "* with nothing to repeat"),
    ("^*", "* with nothing to repeat"),
    (r"\b+", "+ with nothing to repeat"),
    ("a{,3}", "{ without numbers"),
    ("a{", "{ without numbers"),
    ("a{1001}", "repetitions from 1001 to 1001"),
    ("a{3,2}", "repetitions from 3 to 2"),
    ("(a", "an end too early"),
    ("a)", ") without ("),
    ("[a", "an end too early"),
    ("[[:alpha:]]", "[ or && in [ ]"),
    ("[a-z&&[^b]]", "[ or && in [ ]"),
    ("[]a]", "[ or && in [ ]"),
    (r"[a-\d]", "- before a class"),
    (r"[\d-z]", "- behind a class"),
    ("[z-a]", "z-a"),
    ("(a$)", "$ that is not at the end"),
    ("a$|b$", "$ that is not at the end"),
    ("a|b$", "| beside $: put the alternatives in parentheses"),
]


@pytest.mark.parametrize(("pattern", "message"), REFUSED)
def test_what_re2_has_not_or_has_otherwise_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(RegexProblem) as problem:
        translate(pattern)
    assert str(problem.value) == message


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("a.b", r"a[^\n\r\x{85}\x{2028}\x{2029}]b"),
        (r"\d\D", "[0-9][^0-9]"),
        (r"[\s\d]", r"[\t-\r 0-9]"),
        ("(?i)a[b-d]1", r"[aA][\x{62}-\x{64}\x{42}-\x{44}]1"),
        (r"\.\/-", r"\x{2e}\x{2f}\x{2d}"),
        (r"\x41\u00e9\t", r"A\x{e9}\x{9}"),
        ("(a)(?:b)+?", "(a)(?:b)+?"),
        ("a{2,}", "a{2,}"),
    ],
)
def test_a_pattern_is_written_for_re2(pattern: str, text: str) -> None:
    assert translate(pattern).text == text


def test_groups_tell_whether_they_can_be_empty_or_left_out() -> None:
    found = translate("(a)?(b*)((c)|d)")
    assert [(group.empty, group.sure) for group in found.groups] == [
        (False, False),
        (True, True),
        (False, True),
        (False, False),
    ]
    assert not found.empty


@pytest.mark.parametrize(("pattern", "at_end"), [("a$", True), (r"a\$", False), (r"a\\$", True), ("[a$]", False)])
def test_a_dollar_at_the_end_is_told_apart(pattern: str, at_end: bool) -> None:
    assert translate(pattern).at_end == at_end


def test_groups_need_not_capture() -> None:
    assert translate("(a)(b)", capture=False).text == "(?:a)(?:b)"
