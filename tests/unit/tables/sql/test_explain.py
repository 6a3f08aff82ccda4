"""A program as a graph and as steps."""

from clickstream.tables.sql.explain import as_json, mermaid, text
from clickstream.tables.sql.model import Program
from tests.unit.tables.sql.support import checked, sink


def program() -> Program:
    found = checked(
        "CREATE VIEW named AS SELECT c.ip, c.ts, u.name FROM clicks AS c "
        "JOIN users FOR SYSTEM_TIME AS OF c.ts AS u ON c.userid = u.user_id WHERE c.ok;"
        + sink("name STRING, ws TIMESTAMP(3), n BIGINT", "name, ws")
        + "INSERT INTO results SELECT name, window_start, COUNT(DISTINCT ip) AS n FROM TABLE("
        "TUMBLE(TABLE named, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY name, window_start, window_end "
        "HAVING COUNT(DISTINCT ip) > 1;"
    )
    assert not found.problems, found.render()
    return found.program


def test_the_text_has_graph_and_steps() -> None:
    graph, view, statement = text(program()).split("\n\n")

    assert graph.splitlines() == [
        "topic clicks -> table clicks",
        "topic users -> table users",
        "table clicks -> view named",
        "table users -> view named",
        "view named -> table results",
        "table results -> topic results",
    ]
    assert [line.strip() for line in view.splitlines()][1:] == [
        "select ip, ts, name",
        "where ok",
        "inner join users as of ts: userid = user_id",
        "read table clicks (topic clicks)",
    ]
    assert [line.strip() for line in statement.splitlines()][1:] == [
        "select name, window_start, $agg0 as n",
        "where $agg0 > 1",
        "group by name, window_start, window_end: COUNT(distinct ip) as $agg0",
        "tumble window on ts, size 60 s",
        "read view named",
    ]


def test_mermaid_has_each_end_and_each_edge_once() -> None:
    lines = mermaid(program()).splitlines()

    assert lines[0] == "flowchart LR"
    assert sum("-->" in line for line in lines) == 6
    assert '  n0[("clicks")]' in lines
    assert len(lines) == len(set(lines))


def test_json_names_the_result() -> None:
    (insert,) = as_json(program())["inserts"]

    assert (insert["name"], insert["topic"], insert["key"]) == ("results", "results", ("name", "ws"))
