"""Cutting a file into statements."""

from hypothesis import given
from hypothesis import strategies as st

from clickstream.tables.sql.script import Statement, chunks, split
from clickstream.tables.sql.source import Source, pieces

PARTS = st.lists(
    st.sampled_from(
        [
            "'",
            "''",
            "`",
            ";",
            "--",
            "-",
            "/*",
            "*/",
            "/",
            "*",
            "\n",
            "\r\n",
            " ",
            "\t",
            "EXECUTE STATEMENT SET BEGIN",
            "END",
        ]
    )
    | st.text(max_size=5),
    max_size=30,
).map("".join)


def statements(text: str) -> list[Statement]:
    found, problems = split(Source("<text>", text, text))
    assert not problems
    return found


@given(PARTS)
def test_the_pieces_give_back_the_text(text: str) -> None:
    assert "".join(piece for _, piece in pieces(text)) == text
    assert "".join(chunks(text)) == text


@given(PARTS)
def test_offsets_are_where_the_pieces_stand(text: str) -> None:
    for offset, piece in pieces(text):
        assert text[offset : offset + len(piece)] == piece


@given(PARTS)
def test_statements_are_in_order_and_apart(text: str) -> None:
    found, _problems = split(Source("<text>", text, text))

    ends = [0, *(statement.span.end for statement in found)]
    for end, statement in zip(ends, found, strict=False):
        assert end <= statement.span.start < statement.span.end <= len(text)
        for member in statement.members:
            assert statement.span.start <= member.start < member.end <= statement.span.end


def test_statements_keep_their_text() -> None:
    text = "-- first\nSET 'a' = 'b;c' ; /* ; */\n\nSELECT 1 -- what; \n FROM `t;u`\n;\n;\nSET 'x'='y' -- end"

    assert [statement.text for statement in statements(text)] == [
        "SET 'a' = 'b;c'",
        "SELECT 1 -- what; \n FROM `t;u`",
        "SET 'x'='y'",
    ]


def test_lines_count_from_one() -> None:
    assert [statement.line for statement in statements("\nA;\nB\n;C")] == [2, 3, 4]


def test_a_statement_set_is_one_statement_with_members() -> None:
    (one,) = statements("EXECUTE STATEMENT /* x */ SET\nBEGIN\n INSERT 1; -- ;\n INSERT 2;\nEND;")

    assert one.text.startswith("EXECUTE STATEMENT")
    assert one.text.endswith("END")
    assert [one.source.text[member.start : member.end] for member in one.members] == ["INSERT 1", "INSERT 2"]


def test_what_is_not_closed_is_a_problem_at_its_start() -> None:
    for text, what in [
        ("SET 'a' = 'b;\nSET", "This string"),
        ("SELECT `a FROM", "This name"),
        ("SET 'a' = /* ;", "This comment"),
    ]:
        _found, (problem,) = split(Source("<text>", text, text))

        assert problem.message == f"{what} is not closed."
        assert problem.column == max(text.rfind("'b"), text.find("`"), text.find("/*")) + 1


def test_a_statement_set_without_its_end_is_a_problem() -> None:
    text = "SET 'a' = 'b';\nEXECUTE STATEMENT SET BEGIN INSERT 1;"
    _found, (problem,) = split(Source("<text>", text, text))

    assert (problem.line, problem.column) == (2, 1)
    assert "END;" in problem.hint
