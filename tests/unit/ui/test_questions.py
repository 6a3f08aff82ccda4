import pytest
from starlette.datastructures import QueryParams

from clickstream.inspect import conditions, position
from clickstream.inspect.search import Question
from clickstream.ui.api import questions
from clickstream.ui.api.jobs import Refused


def ask(query: str) -> Question:
    return questions.question("clicks", QueryParams(query))


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("", Question("clicks")),
        ("from=newest&limit=7", Question("clicks", limit=7)),
        ("limit=99999", Question("clicks", limit=questions.MAX_LIMIT)),
        ("from=oldest", Question("clicks", position.Beginning())),
        ("from=12", Question("clicks", position.Offset(12))),
        ("from=2020-09-13T12:26:40Z", Question("clicks", position.Time(1_600_000_000_000))),
        ("partition=2", Question("clicks", partition=2)),
        ("key=a%20b", Question("clicks", key=b"a b")),
        ("key64=/wA=", Question("clicks", key=b"\xff\x00")),
        ("filter=status+%3E%3D+400", Question("clicks", condition=conditions.parse("status >= 400"))),
        (
            "filter=$time%3E2020-09-13T18:11:40&zone=Asia/Kathmandu",
            Question("clicks", condition=conditions.parse("$time > 1600000000000")),
        ),
        ("from=2020-09-13T18:11:40&zone=Asia/Kathmandu", Question("clicks", position.Time(1_600_000_000_000))),
        ("to=1600000000000", Question("clicks", instant=1_600_000_000_000)),
        ("places=0:12,3:9223372036854775807", Question("clicks", places={0: 12, 3: 2**63 - 1})),
    ],
)
def test_questions(query: str, asked: Question) -> None:
    assert ask(query) == asked


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("from=yesterday", "from: newest, oldest"),
        ("partition=-1", "partition: a whole number"),
        ("partition=" + "9" * 5_000, "partition: a whole number"),
        ("limit=ten", "limit"),
        ("limit=0", "limit: a number from 1"),
        ("key64=%25", "key64"),
        ("filter=" + "x" * (conditions.MAX_LENGTH + 1), "filter: a filter has at most"),
        ("places=1", "places"),
        ("to=yesterday", "to: a whole number"),
        ("to=9223372036854775807", "to: a time in epoch ms"),
        ("zone=Asia/Nowhere", "zone: there is no time zone 'Asia/Nowhere'"),
        ("zone=../../etc/passwd", "there is no time zone"),
        ("zone=Asia", "there is no time zone"),
        ("plaices=1", "no parameter 'plaices'"),
    ],
)
def test_what_is_no_question_is_refused(query: str, says: str) -> None:
    with pytest.raises(Refused, match=says) as refusal:
        ask(query)
    assert refusal.value.status == 400


@pytest.mark.parametrize("name", ["", "..", "a/b", "x" * 250, "<script>"])
def test_a_name_that_no_topic_has(name: str) -> None:
    with pytest.raises(Refused):
        questions.topic(name)


def test_places_come_back_as_they_were_told() -> None:
    text = questions.places_text({3: 9, 0: 12})
    assert text == "0:12,3:9"
    assert ask(f"places={text}").places == {0: 12, 3: 9}
    assert questions.places_text(None) is None


def test_columns_are_bounded() -> None:
    assert questions.columns(QueryParams("column=a&column=b.c")) == ["a", "b.c"]
    with pytest.raises(Refused):
        questions.columns(QueryParams("&".join(["column=x"] * 21)))
