from clickstream.history.final import watermark
from clickstream.records import Position, Status


def status(kind: str, *positions: Position, state: str = "running") -> Status:
    return Status("id", kind, "host", "", state, {}, [], positions=list(positions))


def place(watermark: int | None, *, topic: str = "clickstream", idle: bool = False) -> Position:
    return Position(topic, 0, 1, "table", watermark, idle)


def test_the_watermark_is_the_least_of_what_holds_results_back() -> None:
    said = [
        status("tables", place(300), place(200), place(100, idle=True), place(50, topic="other"), place(None)),
        status("tables", place(250)),
        status("counter", place(10)),
        status("tables", place(20), state="stopped"),
    ]
    assert watermark(said, "clickstream") == 200


def test_where_no_tables_run_there_is_none() -> None:
    assert watermark([], "clickstream") is None
    assert watermark([status("tables", place(None)), status("counter", place(5))], "clickstream") is None
