"""Questions in SQL through the application itself, behind its guard: nothing but tables can be read by them."""

import asyncio
import json
import threading
from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import msgspec
import pyarrow as pa
import pytest
from starlette.applications import Starlette
from starlette.types import Message

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.query import topics
from clickstream.tables.preview import preview as previews
from clickstream.tables.preview.records import Found
from clickstream.tables.sql.check import VARIABLES, check
from clickstream.ui.api import asking, preview, query
from clickstream.ui.wiring import Wiring
from tests.support import wait_until
from tests.unit.tables.preview.test_preview import SQL, clicks
from tests.unit.ui.asgi import Answer, ask, scope

BEYOND = 9_007_199_254_740_993
STATIC = Path(query.__file__).parents[1] / "static"


class Given:
    """The topics: one with a formula, and an integer that a browser has no number for."""

    instants: ClassVar[list[object]] = []

    def __init__(self, _cluster: object, _records: int, _opened: object, instant: object) -> None:
        self.instants.append(instant)

    def names(self) -> Collection[str]:
        return ["clickstream"]

    def load(self, _name: str, stop: threading.Event) -> tuple[pa.Table, int | None]:
        return pa.table({"page": ["/a", "=1+1", None], "bytes": [BEYOND, 2, 3]}), 1_000


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Starlette:
    monkeypatch.setattr(topics, "TopicTables", Given)
    return application()


def application(*, exports: bool = True) -> Starlette:
    services = SimpleNamespace(cluster=Cluster("localhost:1"), history=None, opened=None)
    wiring = cast(Wiring, SimpleNamespace(services=services, stopping=asyncio.Event(), exports=exports))
    return Starlette(routes=[*query.routes(wiring), *preview.routes(wiring)])


def post(app: Starlette, path: str, **body: Any) -> Answer:
    return ask(app, path, [("content-type", "application/json")], "POST", [json.dumps(body).encode()])


def last(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200, answer.body
    found: dict[str, Any] = json.loads(answer.body.splitlines()[-1])
    return found


def test_a_query_is_answered_with_progress_and_exact_integers(app: Starlette) -> None:
    found = post(app, "/ask/query", sql="SELECT page, bytes FROM clickstream ORDER BY bytes", records=5)
    doing = [json.loads(line)["progress"]["doing"] for line in found.body.splitlines()[:-1]]
    assert doing == ["reading clickstream", "computing"]
    answer = last(found)["answer"]
    assert answer["rows"] == [["=1+1", 2], [None, 3], ["/a", str(BEYOND)]]
    assert answer["columns"] == [{"name": "page", "type": "VARCHAR"}, {"name": "bytes", "type": "BIGINT"}]
    assert (answer["tables"], answer["records"], answer["cut"]) == (["clickstream"], 5, False)
    assert answer["newest"] == {"clickstream": {"rows": 3, "since": 1_000}}


def test_a_question_and_its_export_are_about_the_instant_that_was_asked_for(
    app: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    histories: list[int | None] = []

    def history(_services: object, to: int | None = None) -> list[Any]:
        histories.append(to)
        return []

    monkeypatch.setattr(query, "_history", history)
    Given.instants.clear()
    sql = "SELECT count(*) AS n FROM clickstream"
    answer = last(post(app, "/ask/query", sql=sql, to=1_600_000_000_123))["answer"]
    assert (answer["rows"], answer["to"]) == ([[3]], 1_600_000_000_123)
    assert post(app, "/ask/export", sql=sql, to=1_600_000_000_123).status == 200
    assert last(post(app, "/ask/query", sql=sql))["answer"]["to"] is None
    assert histories == Given.instants == [1_600_000_000_123, 1_600_000_000_123, None]


def test_there_are_no_more_rows_than_a_page_shows(app: Starlette) -> None:
    answer = last(post(app, "/ask/query", sql="FROM range(5000)"))["answer"]
    assert (len(answer["rows"]), answer["cut"]) == (query.LIMITS.rows, True)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "FROM read_csv('http://127.0.0.1:1/x')",
        "COPY (SELECT 1) TO '/tmp/x'",
        "ATTACH '/tmp/x.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET memory_limit = '100GB'",
        "PRAGMA database_list",
        "CREATE TABLE x AS SELECT 1",
        "DROP TABLE clickstream",
        "SELECT getenv('PATH')",
        "SELECT current_setting('temp_directory')",
        "FROM duckdb_settings()",
        "SELECT 1; SELECT 2",
        "SELECT * FROM query('SELECT 1')",
        "SELECT 1) TO '/tmp/x' --",
        "",
    ],
)
def test_hostile_sql_is_refused_in_words(app: Starlette, sql: str) -> None:
    assert last(post(app, "/ask/query", sql=sql))["error"]
    refused = post(app, "/ask/export", sql=sql)
    assert refused.status == 503
    assert json.loads(refused.body)["error"]


def test_what_takes_too_much_memory_or_time_is_ended(app: Starlette, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "memory" in last(post(app, "/ask/query", sql="SELECT list(range) FROM range(1000000000)"))["error"]
    monkeypatch.setattr(query, "LIMITS", msgspec.structs.replace(query.LIMITS, seconds=2.0))
    endless = "SELECT count(*) FROM range(1000000000) a, range(1000000000) b"
    assert "2" in last(post(app, "/ask/query", sql=endless))["error"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "cannot be read"),
        (b'{"sql": 1}', "cannot be read"),
        (b'{"sql": "SELECT 1", "records": 0}', "records"),
        (b'{"sql": "SELECT 1", "records": 1000000000}', "records"),
        (b'{"sql": "SELECT 1", "limits": 1}', "limits"),
        (b'{"sql": "SELECT 1", "to": -1}', "to"),
        (b'{"sql": "SELECT 1", "to": 1e300}', "to"),
        (b'{"sql": "%s"}' % (b"x" * (asking.MAX_SQL + 1)), "characters"),
    ],
)
def test_what_is_no_question_is_refused(app: Starlette, body: bytes, says: str) -> None:
    for path in ("/ask/query", "/ask/export", "/ask/check", "/ask/preview"):
        found = ask(app, path, [], "POST", [body])
        assert found.status == 400
        assert says in json.loads(found.body)["error"]


def test_exports_keep_all_digits_and_have_no_formulas(app: Starlette) -> None:
    sql = "SELECT page, bytes FROM clickstream ORDER BY bytes DESC"
    lines = post(app, "/ask/export", sql=sql).body.decode().splitlines()
    assert lines[0] == f'{{"page":"/a","bytes":{BEYOND}}}'
    found = post(app, "/ask/export", sql=sql, format="csv")
    assert found.body.decode().splitlines() == ["page,bytes", f"/a,{BEYOND}", ",3", "'=1+1,2"]
    assert found.headers["content-disposition"] == 'attachment; filename="query.csv"'
    cut = post(app, "/ask/export", sql="FROM range(200000)").body.decode().splitlines()
    assert len(cut) == query.EXPORT.rows + 1
    assert "Cut after 100,000 rows" in cut[-1]


def test_exports_can_be_switched_off() -> None:
    assert post(application(exports=False), "/ask/export", sql="SELECT 1").status == 403


def test_a_query_ends_when_the_client_leaves(app: Starlette, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take hours; the last words of the process would come after its time."""
    monkeypatch.setattr(query, "LIMITS", msgspec.structs.replace(query.LIMITS, seconds=600.0))
    body = json.dumps({"sql": "SELECT count(*) FROM range(1000000000) a, range(1000000000) b"}).encode()

    async def leaving() -> None:
        computing = asyncio.Event()
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            if messages:
                return messages.pop()
            await computing.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if b"computing" in message.get("body", b""):
                computing.set()

        async with asyncio.timeout(60):
            await app(scope("http", "/ask/query", [], "POST"), receive, send)

    asyncio.run(leaving())
    wait_until(_has_turns, 60, "the query has ended")


def _has_turns() -> bool:
    """Whether all turns are free."""
    taken = [asking._turns.acquire(blocking=False) for _ in range(asking.AT_ONCE)]
    for one in taken:
        if one:
            asking._turns.release()
    return all(taken)


def test_questions_beyond_the_turns_wait_and_can_be_given_up() -> None:
    pieces: list[bytes] = []
    stop = threading.Event()

    def put(piece: bytes) -> None:
        pieces.append(piece)
        stop.set()

    with asking.turn(put, stop), asking.turn(put, stop), pytest.raises(ClickstreamError, match="Given up"):
        asking.turn(put, stop).__enter__()
    assert "waiting" in pieces[0].decode()
    assert _has_turns()


# --- streaming SQL


BAD = SQL.replace("SELECT who, place FROM clicks WHERE who > 0", "SELECT whoo, place FROM clicks WHERE who > 0")


def test_findings_are_those_of_the_command_word_for_word(app: Starlette) -> None:
    found = json.loads(post(app, "/ask/check", sql=BAD).body)
    assert "\n\n".join(one["shown"] for one in found["findings"]) == check(BAD, VARIABLES, "SQL").render()
    first = found["findings"][0]
    assert BAD.splitlines()[first["line"] - 1][first["column"] - 1 :][: first["length"]] == "whoo"
    assert "who" in first["hint"]


def test_a_sound_text_has_no_findings_and_its_tables_are_told(app: Starlette) -> None:
    found = json.loads(post(app, "/ask/check", sql=SQL).body)
    assert found["findings"] == []
    assert [(table["name"], table["result"]) for table in found["tables"]] == [
        ("clicks", False), ("hits", True), ("copies", True)
    ]  # fmt: skip
    assert found["tables"][1]["columns"][0] == {"name": "window_start", "type": "TIMESTAMP(3)"}


def test_what_stands_in_the_editor_at_first_is_sound() -> None:
    text = (STATIC / "js" / "pages" / "query" / "samples.js").read_text("utf-8")
    sample = text.partition("export const CHECK = `")[2].removesuffix("`;\n").replace("\\`", "`").replace("\\$", "$")
    found = preview.checked(sample)
    assert not found.problems, found.render()
    assert found.program.inserts


def test_a_preview_shows_each_result(app: Starlette, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previews, "_read", lambda *_: {"in": clicks(0, 10, 70, 200)})
    answer = last(post(app, "/ask/preview", sql=SQL))["answer"]
    hits, copies = answer["results"]
    assert hits["rows"] == [
        ["1970-01-01 00:00:00", 2], ["1970-01-01 00:01:00", 1], ["1970-01-01 00:03:00", 1]
    ]  # fmt: skip
    assert (hits["known"], hits["late"]) == (3, 0)
    assert copies["rows"] == [[1, 101], [2, 102], [3, 103]]
    assert (answer["records"], answer["whole"]) == ({"clicks": 4}, True)


def test_a_preview_is_of_the_instant_that_was_asked_for(app: Starlette, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[Any] = []

    def read(_cluster: Cluster, _program: object, asked: Any, *_: object) -> dict[str, Found]:
        limits.append(asked)
        return {"in": clicks(0)}

    monkeypatch.setattr(previews, "_read", read)
    assert last(post(app, "/ask/preview", sql=SQL, to=5_000))["answer"]["to"] == 5_000
    assert limits[0].instant == 5_000


def test_a_preview_of_a_text_with_problems_tells_them(app: Starlette) -> None:
    assert last(post(app, "/ask/preview", sql=BAD))["check"]["findings"]


def test_a_preview_never_reads_another_cluster_than_the_servers(
    app: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Cluster] = []

    def read(cluster: Cluster, *_: object) -> dict[str, Found]:
        asked.append(cluster)
        return {"in": clicks(0)}

    monkeypatch.setattr(previews, "_read", read)
    last(post(app, "/ask/preview", sql=SQL.replace("'b'", "'evil.example:9092'")))
    assert [cluster.address for cluster in asked] == ["localhost:1"]
