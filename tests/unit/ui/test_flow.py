"""The graph out of a plan, what holds results back, and the panel that shows both."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import Message

from clickstream.inspect import details
from clickstream.inspect.offsets import Limits
from clickstream.inspect.rates import TopicLine, TopicList
from clickstream.inspect.refreshed import Fixed
from clickstream.inspect.refreshed import Seen as Looked
from clickstream.parts.status import Seen
from clickstream.records import LeftOut, Position, RunningSql, Status
from clickstream.tables.sql.check import VARIABLES, check_file
from clickstream.tables.sql.explain import as_json
from clickstream.ui.flow import holds, text
from clickstream.ui.flow.graph import Graph, graph
from clickstream.ui.panels import flow, topic
from clickstream.ui.panels.contract import At, StateKind
from clickstream.ui.panels.flow import FlowPanel, window_end
from clickstream.ui.panels.statement import Params, StatementPanel
from clickstream.ui.services import Services
from clickstream.ui.statuses import TopicState
from tests.support import wait_until

CONFIG = Path(__file__).parents[3] / "config" / "tables"
NOW = 1_795_900_000_000


def plan(name: str) -> dict[str, Any]:
    return as_json(check_file(CONFIG / f"{name}.sql", VARIABLES).program)


def drawn(name: str) -> Graph:
    found = graph(plan(name))
    assert found is not None
    return found


def test_the_graph_of_a_file() -> None:
    found = drawn("clickstream")
    assert [(one.topic, one.reference) for one in found.sources] == [
        ("clickstream", False),
        ("clickstream_users", True),
        ("clickstream_codes", True),
    ]
    # The view that only views read is left out.
    assert [(one.name, one.inputs) for one in found.views] == [
        ("clicks_with_user", ["t:clickstream", "t:clickstream_users"]),
        ("clicks_with_code", ["t:clickstream", "t:clickstream_codes"]),
    ]
    statements = {one.name: one for one in found.statements}
    alert = statements["errors_per_min_alert"]
    assert (alert.kind, alert.every_ms, alert.words) == ("hop", 20_000, "60 s every 20 s, by status, over 5")
    sessions = statements["click_user_sessions"]
    assert (sessions.kind, sessions.gap_ms, sessions.every_ms) == ("session", 30_000, 0)
    assert sessions.inputs == ["v:clicks_with_user"]
    assert sessions.tables == ["clickstream", "clickstream_users"]
    assert (statements["traffic_per_min"].words, statements["user_clickstream"].words) == ("60 s, all", "every row")


@pytest.mark.parametrize("name", ["clickstream", "products", "vip"])
def test_every_end_of_an_edge_is_drawn(name: str) -> None:
    found = drawn(name)
    sources = {f"t:{one.topic}" for one in found.sources}
    assert all(set(view.inputs) <= sources for view in found.views)
    inputs = {one for statement in found.statements for one in statement.inputs}
    assert inputs <= sources | {f"v:{view.name}" for view in found.views}
    assert all(statement.inputs for statement in found.statements)


def test_a_plan_of_another_version_is_none() -> None:
    assert graph({"edges": 3}) is None
    view = {"from": "view a", "to": "view a"}
    insert = {"name": "x", "line": 1, "steps": [], "topic": "x"}
    loop = {"edges": [view, {"from": "view a", "to": "table x"}], "views": [], "inserts": [insert]}
    assert graph(loop) is not None  # and it ends


def test_a_statement_ends_at_its_semicolon() -> None:
    sql = "SET a;\nINSERT INTO x -- not here;\nSELECT ';' /* nor ; here */, `;`\nFROM y;\nINSERT INTO z SELECT 1"
    assert text.statement(sql, 2) == "INSERT INTO x -- not here;\nSELECT ';' /* nor ; here */, `;`\nFROM y;"
    assert text.statement(sql, 5) == "INSERT INTO z SELECT 1"
    assert text.statement(sql, 99) == ""


def position(partition: int, mark: int | None, **members: Any) -> Position:
    return Position("clicks", partition, 5, "clicks", mark, **members)


def test_a_silent_partition_holds_back_until_it_leaves() -> None:
    marks = [position(0, 20_000), position(1, 20_500), position(2, 9_000, silent_s=7.0, idle_after_s=10.0)]
    [hold] = holds.partition_holds(marks, 1.0)
    assert (hold.words, hold.held) == ("clicks-2 silent for 8 s, leaves the minimum in 2 s", True)
    assert holds.watermark(marks) == 9_000
    gone = [*marks[:2], position(2, 9_000, idle=True, silent_s=11.0, idle_after_s=10.0)]
    [hold] = holds.partition_holds(gone, 1.0)
    assert (hold.words, hold.held) == ("clicks-2 is idle: it holds nothing back", False)
    assert holds.watermark(gone) == 20_000
    [hold] = holds.partition_holds([position(0, 1_000, silent_s=5.0)], 0.0)
    assert hold.words == "clicks-0 silent for 5 s, stays in the minimum: no idle time-out"
    [hold] = holds.partition_holds([position(0, 20_000), position(1, 9_000)], 0.0)
    assert hold.words == "clicks-1 is 11 s behind the others"
    assert holds.watermark([position(0, 20_000), position(1, None)]) is None


def status(kind: str, **members: Any) -> Status:
    given = {"id": f"{kind}-1", "kind": kind, "host": "h", "since": "", "state": "running", "rates": {}, "topics": []}
    return Status(**(given | members))


def test_a_part_that_writes_the_topic_holds_it_back() -> None:
    paused = Seen(status("generate-web", topics=["clicks"], paused=True), 100.0)
    reader = Seen(status("tables", topics=["clicks"], paused=True), 100.0)
    other = Seen(status("producer", topics=["events"], paused=True), 100.0)
    found = holds.part_holds([paused, reader, other], ["clicks"], 101.0)
    assert [one.words for one in found] == ["generate-web is paused"]
    function = Seen(status("transform", topics=["a", "b"], positions=[Position("a", 0, 1)], paused=True), 100.0)
    assert holds.part_holds([function], ["a"], 101.0) == []
    assert [one.words for one in holds.part_holds([function], ["b"], 101.0)] == ["transform is paused"]
    [dead] = holds.part_holds([paused], ["clicks"], 141.0)
    assert dead.words == "generate-web is dead: silent for 41 s"


def test_when_windows_end() -> None:
    assert window_end(125_000, 60_000) == (120_000, 55_000)
    assert window_end(125_000, 0) == (125_000, None)
    assert window_end(None, 60_000) == (None, None)


def line(name: str, rate: float) -> TopicLine:
    return TopicLine(name, False, 3, 1, 100, False, None, None, rate, [], None, None)


def services(parts: list[Seen], running: dict[str, RunningSql], files: list[RunningSql] | None = None) -> Services:
    limits = {("clickstream", number): Limits(0, 100) for number in range(3)}
    topics = TopicList([line("clickstream", 17.0), line("traffic_per_min", 0.5)], limits, {}, 1.0)
    looked = SimpleNamespace(get=lambda _wait_s=0.5: Looked(topics, 1.0))
    found = SimpleNamespace(
        statuses=SimpleNamespace(
            parts=lambda _now=None: parts,
            running_sql=lambda: running,
            topic=lambda: TopicState("status", "live", 0, "", ""),
        ),
        watching=SimpleNamespace(topics=looked),
        cluster=None,
        files=files or [],
        past=None,
    )
    return cast(Services, found)


def flow_panel(services: Services) -> FlowPanel:
    return FlowPanel(services, Fixed(Looked({}, 1.0)))


def test_the_panel_says_what_the_status_says() -> None:
    marks = [NOW - 5_000, NOW - 4_000, NOW - 20_000]
    positions = [Position("clickstream", number, 90, "clickstream", mark) for number, mark in enumerate(marks)]
    positions += [Position("clickstream_users", 0, 10, "clickstream_users", None, idle=True)]
    left_out = [
        LeftOut("traffic_per_min", "traffic_per_min", late=7),
        LeftOut("clickstream", "clickstream", dead_letters=3),
    ]
    tables = status("tables", name="a.sql", positions=positions, left_out=left_out, totals={"late": 7})
    running = {"tables-1": RunningSql("tables-1", "a.sql", "", plan("clickstream"))}
    panel = flow_panel(services([Seen(tables, NOW / 1000)], running))
    [file] = panel.state(NOW).files
    panel.close()
    clicks = file.sources[0]
    assert (clicks.rate, clicks.lag, clicks.delay_ms, clicks.unread) == (17.0, 30, 20_000, 3)
    assert [one.words for one in clicks.holds] == ["clickstream-2 is 16 s behind the others"]
    by_name = {one.name: one for one in file.statements}
    traffic = by_name["traffic_per_min"]
    minute = (NOW - 20_000) // 60_000 * 60_000
    assert (traffic.rate, traffic.late, traffic.final) == (0.5, 7, minute)
    assert traffic.next_ms == minute + 60_000 - (NOW - 20_000)
    # The reference is idle: it holds what is joined with it no more.
    assert by_name["user_clickstream"].final == NOW - 20_000


def test_a_part_that_was_killed_goes_on_no_more_with_the_wall_clock() -> None:
    idle = [Position("clickstream", 0, 90, "clickstream", NOW, idle=True)]
    tables = status("tables", positions=idle, gauges={"watermark_delay_seconds": 5.0}, said_at=NOW)
    running = {"tables-1": RunningSql("tables-1", "a.sql", "", plan("clickstream"))}
    panel = flow_panel(services([Seen(tables, NOW / 1000 + 60)], running))  # Kafka's clock is ahead
    for now in (NOW, NOW + 600_000):
        clicks = panel.state(now).files[0].sources[0]
        assert (clicks.final, clicks.delay_ms) == (NOW - 5_000, now - NOW + 5_000)


def test_files_are_shown_only_while_none_runs() -> None:
    shown = RunningSql("file vip.sql", "vip.sql", (CONFIG / "vip.sql").read_text(), plan("vip"))
    panel = flow_panel(services([], {}, [shown]))
    [file] = panel.state(NOW).files
    assert (file.name, file.running, file.statements[0].final) == ("vip.sql", False, None)
    statement = StatementPanel(services([], {}, [shown]), Params(file="file vip.sql", statement="s0")).state(NOW)
    assert statement.sql.startswith("INSERT INTO vip_action\n")
    assert statement.sql.endswith("'PLATINUM';")
    gone = StatementPanel(services([], {}, [shown]), Params(file="file x", statement="s0")).state(NOW)
    assert gone.sql == ""
    counter = status("counter", topics=["event-topic", "tally"], positions=[Position("event-topic", 0, 1)])
    [file] = flow_panel(services([Seen(counter, NOW / 1000)], {}, [shown])).state(NOW).files
    assert [one.topic for one in file.statements] == ["tally"]


class BlockedConsumer:
    """Gets nothing until it may `go_on`. `did` has what was done with it."""

    def __init__(self) -> None:
        self.did: list[str] = []
        self.polled, self.go_on = threading.Event(), threading.Event()

    def assign(self, _places: object) -> None:
        pass

    def unassign(self) -> None:
        pass

    def poll(self, _timeout: float) -> Message | None:
        self.polled.set()
        assert self.go_on.wait(60)
        self.did.append("polled")
        return None

    def close(self) -> None:
        self.did.append("closed")


@pytest.mark.parametrize(("kind", "params"), [(flow.KIND, At()), (topic.KIND, topic.Params(topic="clickstream"))])
def test_a_consumer_is_closed_by_the_thread_that_polls_it(
    kind: StateKind, params: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = status("tables", name="a.sql", positions=[Position("clickstream", 0, 90)])
    found: Any = services([Seen(tables, NOW / 1000)], {})
    topics = found.watching.topics.get().answer
    topics.leaders["clickstream"] = {}
    consumer = BlockedConsumer()
    found.cluster = SimpleNamespace(
        consumer=lambda *_: consumer, admin=lambda: None, address="kafka:9092", data_dir=None
    )
    found.watching.groups = SimpleNamespace(get=lambda _wait_s: Looked([], 1.0))
    found.settings = {"status-topic": "status", "dead-letter-topic": "dead"}
    monkeypatch.setattr(details, "settings", lambda *_: [])
    made = kind.make(found, params)
    made.state(NOW)
    assert consumer.polled.wait(60)
    made.close()
    assert consumer.did == []
    consumer.go_on.set()
    wait_until(lambda: "closed" in consumer.did, 60, "the consumer is closed")
    assert consumer.did.index("closed") == len(consumer.did) - 1
