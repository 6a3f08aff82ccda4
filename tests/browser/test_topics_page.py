"""Topics, records and dead letters in a real browser, from the dashboard on a real Kafka."""

import functools
import json
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from clickstream.kafka.clients import Cluster
from clickstream.kafka.deadletter import DeadLetter, DeadLetters, Origin
from clickstream.kafka.produce import Sender
from tests.hostilerecords import HOSTILE, NUMBERS
from tests.integration.conftest import broker_java, kafka, kafka_data_dir, topic_name  # noqa: F401 - fixtures
from tests.integration.support import make_topic, produce, records
from tests.integration.test_records_exact import fill
from tests.integration.uisupport import TOKEN, dashboard
from tests.support import PATIENCE, wait_until

DEAD = "page-dead"
HOSTILE_TOPIC = "page-hostile"
LONGEST_TASK_MS = 200
ATTEMPTS = 3
LONG_TASKS = """
window.longTasks = [];
new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map((one) => one.duration)))
  .observe({ type: 'longtask' });
"""


@pytest.fixture(scope="module")
def address(kafka: str) -> Iterator[str]:  # noqa: F811
    make_topic(kafka, DEAD, 1)
    fill(kafka, HOSTILE_TOPIC, HOSTILE)
    with dashboard(Cluster(kafka), dead_letter_topic=DEAD) as found:
        # The first question of all makes clients and waits for a broker that has just started.
        wait_until(lambda: answers(found), 90, "an answer from Kafka", poll=0.5)
        yield found


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(
            f"{address}/api/topics/{HOSTILE_TOPIC}/records?limit=1", timeout=60 * PATIENCE
        ) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def plain(words: str) -> str:
    """With plain spaces."""
    return words.replace("\u202f", " ").replace("\u00a0", " ")


class Tab:
    """A page of the dashboard, and what went wrong in it."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def _note(self, said: Any) -> None:
        if said.type in ("error", "warning"):
            self.problems.append(said.text)

    def go(self, hash_: str) -> None:
        self.page.evaluate("hash => { location.hash = hash; }", hash_)

    def texts(self, selector: str) -> list[str]:
        return [plain(words) for words in self.page.locator(selector).all_inner_texts()]

    def wait(self, what: Callable[[], Any], words: str = "") -> Any:
        return wait_until(what, 90, lambda: f"{words}; {self.problems}; {self.texts('main')[:1]}", poll=0.05)


@pytest.fixture
def tab(browser: Any, address: str) -> Iterator[Callable[..., Tab]]:
    made: list[Tab] = []

    def open_(hash_: str, **options: Any) -> Tab:
        options.setdefault("viewport", {"width": 1280, "height": 900})
        context = browser.new_context(permissions=["clipboard-read", "clipboard-write"], **options)
        context.set_default_timeout(90_000 * PATIENCE)
        context.add_init_script(LONG_TASKS)
        found = Tab(context.new_page())
        made.append(found)
        found.page.goto(f"{address}/#token={TOKEN}")
        found.page.wait_for_selector("main h1")
        found.go(hash_)
        return found

    yield open_
    for one in made:
        one.page.context.close()
        ours = [words for words in one.problems if "favicon" not in words]
        assert not ours


def cells(tab: Tab, name: str) -> dict[str, str]:
    """A row of the list of topics by the heads of its columns."""
    heads = [words.split(",")[0].strip() for words in tab.texts(".topics th")]
    row = tab.page.locator(".topics tbody tr", has=tab.page.locator(f"a[title='{name}']"))
    return dict(zip(heads, map(plain, row.locator("td").all_inner_texts()), strict=True))


def test_the_list_tells_what_is_in_the_topics_and_sorts(
    tab: Callable[..., Tab],
    kafka: str,  # noqa: F811
    topic_name: str,  # noqa: F811
) -> None:
    make_topic(kafka, f"{topic_name}-many", 2)
    make_topic(kafka, f"{topic_name}-few", 3)
    produce(kafka, f"{topic_name}-many", [b"x"] * 1_234)
    produce(kafka, f"{topic_name}-few", [b"x"] * 5)
    page = tab(f"#/topics?name={topic_name}&sort=records-")
    page.wait(lambda: len(page.texts(".topics tbody tr")) == 2, "both topics")
    counted = len(records(kafka, f"{topic_name}-many"))
    page.wait(lambda: cells(page, f"{topic_name}-many")["records"] == f"{counted:,}", "1,234 records")
    assert [cells(page, f"{topic_name}-few")[head] for head in ("partitions", "replicas")] == ["3", "1"]
    names = [words.removeprefix(topic_name) for words in page.texts(".topics tbody td:first-child")]
    assert names == ["-many", "-few"]
    page.page.get_by_role("button", name="records", exact=True).click()
    page.wait(lambda: page.texts(".topics tbody td:first-child")[0].endswith("-few"), "the other way round")
    assert "sort=records%2B" in page.page.evaluate("() => location.hash")


@contextmanager
def members_of(kafka: str, group: str, topic: str, clients: Sequence[str]) -> Iterator[list[Consumer]]:  # noqa: F811
    """Consumers in a group, once each has partitions of the topic."""
    consumers = [Cluster(kafka).consumer(group, {"client.id": client}) for client in clients]
    try:
        for one in consumers:
            one.subscribe([topic])

        def share() -> bool:
            for one in consumers:
                one.poll(0.1)
            return all(one.assignment() for one in consumers)

        wait_until(share, 90, "each has partitions")
        yield consumers
    finally:
        for one in consumers:
            one.close()


def told_by_kafka(kafka: str, group: str) -> dict[str, tuple[str, str, list[int]]]:  # noqa: F811
    """Member ids with client, host and partitions, as an AdminClient says."""
    admin = Cluster(kafka).admin()  # without a name it would be gone before it answers
    found = admin.describe_consumer_groups([group])[group].result(60 * PATIENCE)
    return {
        one.member_id: (
            one.client_id,
            one.host.lstrip("/"),
            sorted(place.partition for place in one.assignment.topic_partitions),
        )
        for one in found.members
    }


def numbers_in(words: str) -> list[int]:
    """`0-2, 5`, with the dash of a span, as the page writes partitions."""
    spans = [span.split("\u2013") for span in words.split(", ")]
    return [number for span in spans for number in range(int(span[0]), int(span[-1]) + 1)]


def test_who_is_in_a_group_is_what_kafka_says(
    tab: Callable[..., Tab],
    kafka: str,  # noqa: F811
    topic_name: str,  # noqa: F811
) -> None:
    make_topic(kafka, topic_name, 3)
    produce(kafka, topic_name, [b"x"] * 30)
    group, clients = f"{topic_name}-group", ["first-client", "second-client"]
    with members_of(kafka, group, topic_name, clients) as consumers:
        consumers[0].commit(offsets=[TopicPartition(topic_name, 0, 1)], asynchronous=False)
        known = told_by_kafka(kafka, group)
        assert sorted(client for client, _host, _numbers in known.values()) == clients
        page = tab(f"#/topics/{topic_name}?group={group}")
        page.wait(lambda: len(page.texts(".members tbody tr")) == 2, "both members")
        for button in page.page.locator(".members button.link").all():
            button.click()
        rows = [plain(row).split("\t") for row in page.texts(".members tbody tr")]
        shown = {id_.split()[0]: (client, host, numbers_in(numbers)) for client, host, id_, numbers in rows}
        assert shown == known
        owners = page.texts(".lagparts tbody tr")
        assert len(owners) == 3
        for row in owners:
            number, owner = int(row.split("\t")[0]), row.split("\t")[-1].split()[0]
            assert [client for client, _host, numbers in known.values() if number in numbers] == [owner]
    page.wait(lambda: "No members: the group is empty" in "".join(page.texts(".members")), "that all have left")
    assert [row.split("\t")[-1] for row in page.texts(".lagparts tbody tr")] == ["no member"] * 3


def test_hostile_records_are_shown_and_do_nothing(tab: Callable[..., Tab]) -> None:
    page = tab(f"#/topics/{HOSTILE_TOPIC}")
    page.wait(lambda: len(page.texts(".records tbody tr")) == len(HOSTILE), "all records")
    shown = page.texts(".records tbody tr")
    assert any("<script>window.hacked = 1</script>" in row for row in shown)
    assert any("U+202E" in row for row in shown)
    assert page.page.evaluate("() => [window.hacked, document.querySelectorAll('main img, main script').length]") == [
        None,
        0,
    ]
    for number in NUMBERS:
        assert any(f'{{"n":{number}}}' in row for row in shown)


def test_nulls_are_told_apart(tab: Callable[..., Tab]) -> None:
    page = tab(f"#/topics/{HOSTILE_TOPIC}")
    page.wait(lambda: len(page.texts(".records tbody tr")) == len(HOSTILE), "all records")
    places = {one.value: number for number, one in enumerate(HOSTILE) if one.value in (None, b"", b"null", b'"null"')}

    def cell(value: bytes | None) -> tuple[str, bool]:
        found = page.page.locator(f"tr[data-key='0:{places[value]}'] td.v")
        return found.inner_text(), found.locator(".nul").count() == 1

    found = [cell(value) for value in (None, b"", b"null", b'"null"')]
    assert found == [("null", True), ('""', True), ("null", False), ('"null"', False)]


@pytest.mark.parametrize("offset", [0, 1, 3, 16, 17, 22, 23])
def test_what_is_copied_is_the_record(tab: Callable[..., Tab], offset: int) -> None:
    page = tab(f"#/topics/{HOSTILE_TOPIC}?rec=0:{offset}")
    value = HOSTILE[offset].value or b""
    part = page.page.locator(".inspector .part").nth(1)
    part.get_by_role("button", name="Copy").click()
    page.wait(lambda: "Copied." in part.inner_text(), "it is copied")
    assert page.page.evaluate("() => navigator.clipboard.readText()").encode() == value


def test_json_is_laid_out_by_its_tokens_only(tab: Callable[..., Tab]) -> None:
    offset = next(number for number, one in enumerate(HOSTILE) if (one.value or b"").startswith(b'{"a":1,"a"'))
    page = tab(f"#/topics/{HOSTILE_TOPIC}?rec=0:{offset}")
    page.wait(lambda: page.texts(".inspector pre")[1:2], "the value")
    assert page.page.locator(".inspector pre").nth(1).inner_text() == (
        '{\n  "a": 1,\n  "a": 2,\n  "b": {\n    "z": 1,\n    "y": 2\n  }\n}'
    )
    assert page.page.locator(".inspector .seg button", has_text="As written").count() == 1


def test_bytes_are_hex_and_copied_as_base64(tab: Callable[..., Tab]) -> None:
    offset = next(number for number, one in enumerate(HOSTILE) if one.key == b"\x00\xff\x10")
    page = tab(f"#/topics/{HOSTILE_TOPIC}?rec=0:{offset}")
    key = page.page.locator(".inspector .part").first
    page.wait(lambda: "00 ff 10" in key.inner_text(), "hex")
    key.get_by_role("button", name="Copy base64").click()
    page.wait(lambda: "Copied." in key.inner_text(), "it is copied")
    assert page.page.evaluate("() => navigator.clipboard.readText()") == "AP8Q"


def _changed(button: Any, before: list[str]) -> bool:
    """Whether it says something else or is gone, asked at once: it may go between two questions."""
    return bool(button.all_inner_texts() != before)


def longest_task(tab: Callable[..., Tab], offset: int) -> float:
    page = tab(f"#/topics/{HOSTILE_TOPIC}?rec=0:{offset}")
    part = page.page.locator(".inspector .part").nth(1)
    page.wait(lambda: "More" in part.inner_text(), "the first 64 kB")
    page.page.evaluate("() => { window.longTasks = []; }")
    more = part.get_by_role("button", name="More")
    while before := more.all_inner_texts():
        more.click()
        page.wait(functools.partial(_changed, more, before), "more of it")
    drawn = part.locator("pre").evaluate("pre => pre.textContent.replace(/\\s/g, '')")
    assert drawn == (HOSTILE[offset].value or b"").decode()
    return float(page.page.evaluate("() => Math.max(0, ...window.longTasks)"))


def test_a_megabyte_is_opened_without_a_long_task(tab: Callable[..., Tab]) -> None:
    """A machine that does much else stretches tasks: one of a few times counts."""
    offset = next(number for number, one in enumerate(HOSTILE) if one.key == b"large")
    longest = [longest_task(tab, offset)]
    while longest[-1] >= LONGEST_TASK_MS and len(longest) < ATTEMPTS:
        longest.append(longest_task(tab, offset))
    assert longest[-1] < LONGEST_TASK_MS * PATIENCE, longest


LARGE, LARGE_BYTES = 30, 1_000_000
MOST_HEAP_BYTES = 150_000_000
STRETCHED = 5  # so many times as long takes a task while other tests have the processors; what freezes takes seconds


def look_through_large_records(tab: Callable[..., Tab], topic: str) -> tuple[float, int]:
    """The longest task (ms) and the heap (bytes) of a tab that lists, filters and opens them."""
    page = tab(f"#/topics/{topic}")
    rows = page.page.locator(".records tbody tr")
    page.wait(lambda: rows.count() == LARGE, "all records")
    page.page.locator(".tail").evaluate("tail => tail.scrollTo(0, tail.scrollHeight)")
    page.page.get_by_label("Filter records").fill("n >= 20")
    page.wait(lambda: rows.count() == LARGE - 20, "those that fit")
    for number in range(3):
        rows.nth(number).click()
        page.wait(lambda: "More" in page.page.locator(".inspector").inner_text(), "the first 64 kB")
    page.page.get_by_label("Filter records").fill("the end of 7")
    page.wait(lambda: rows.count() == 1, "what stands at the end of a megabyte")
    longest = float(page.page.evaluate("() => Math.max(0, ...window.longTasks)"))
    tools = page.page.context.new_cdp_session(page.page)
    tools.send("Performance.enable")
    tools.send("HeapProfiler.collectGarbage")  # what nobody has any more counts not
    metrics = {one["name"]: one["value"] for one in tools.send("Performance.getMetrics")["metrics"]}
    return longest, int(metrics["JSHeapUsedSize"])


def test_thirty_megabytes_make_no_long_task_and_no_large_heap(
    tab: Callable[..., Tab],
    kafka: str,  # noqa: F811
    topic_name: str,  # noqa: F811
) -> None:
    make_topic(kafka, topic_name, 1)
    filling = b"x" * (LARGE_BYTES - 50)
    values = [b'{"n":%d,"text":"%s the end of %d."}' % (number, filling, number) for number in range(LARGE)]
    produce(kafka, topic_name, values)
    found = [look_through_large_records(tab, topic_name)]
    while found[-1][0] >= LONGEST_TASK_MS and len(found) < ATTEMPTS:
        found.append(look_through_large_records(tab, topic_name))
    assert found[-1][0] < STRETCHED * LONGEST_TASK_MS, found
    assert max(heap for _longest, heap in found) < MOST_HEAP_BYTES


def test_the_tail_holds_still_under_the_pointer_and_keeps_its_rows_when_it_is_stopped(
    tab: Callable[..., Tab],
    kafka: str,  # noqa: F811
    topic_name: str,  # noqa: F811
) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [b"old %d" % number for number in range(5)])
    page = tab(f"#/topics/{topic_name}")
    rows = ".records tbody tr"
    page.wait(lambda: len(page.texts(rows)) == 5, "five records")
    assert "old 4" in page.texts(rows)[0], "the newest is on top"
    page.page.locator(".tail").hover()
    produce(kafka, topic_name, [b"new %d" % number for number in range(3)])
    page.wait(lambda: "3 newer" in page.texts(".infoline")[0], "they are counted")
    assert "old 4" in page.texts(rows)[0]
    page.page.locator("h1").hover()
    page.wait(lambda: "new 2" in page.texts(rows)[0], "and shown afterwards")
    page.page.get_by_role("button", name="Pause").first.click()
    page.page.locator("h1").hover()
    produce(kafka, topic_name, [b"later"])
    page.wait(lambda: "1 newer" in page.texts(".infoline")[0], "it is counted")
    assert len(page.texts(rows)) == 8
    page.page.get_by_role("button", name="Follow").click()
    page.page.locator("h1").hover()
    page.wait(lambda: "later" in page.texts(rows)[0], "it goes on")


def test_a_filter_a_column_and_a_place_are_in_the_address(
    tab: Callable[..., Tab],
    kafka: str,  # noqa: F811
    topic_name: str,  # noqa: F811
) -> None:
    make_topic(kafka, topic_name, 1)
    produce(kafka, topic_name, [b'{"n":%d,"user":{"id":%d.0}}' % (number, number) for number in range(50)])
    page = tab(f"#/topics/{topic_name}")
    page.wait(lambda: len(page.texts(".records tbody tr")) == 50, "all")
    page.page.get_by_label("Filter records").fill("n >= 48")
    page.wait(lambda: len(page.texts(".records tbody tr")) == 2, "those that fit")
    page.page.locator(".records tbody tr").first.click()
    page.page.locator(".inspector button.k", has_text='"id"').click()
    page.wait(lambda: "user.id" in page.texts(".records th"), "the column")
    page.wait(lambda: "49.0" in "".join(page.texts(".records tbody tr")), "its values, as they are written")
    hash_ = page.page.evaluate("() => location.hash")
    other = tab(hash_)
    other.wait(lambda: len(other.texts(".records tbody tr")) == 2, "the same in another tab")
    assert "user.id" in other.texts(".records th")
    other.page.get_by_role("button", name="Oldest").click()
    other.wait(lambda: "2 records" in plain(other.texts(".infoline")[0]), "a search from the beginning")
    assert "48" in other.texts(".records tbody tr")[0]


def test_a_bad_filter_says_why(tab: Callable[..., Tab]) -> None:
    page = tab(f"#/topics/{HOSTILE_TOPIC}?filter=%24nothing%20%3D%201")
    page.wait(lambda: "there is no $nothing" in page.texts("main")[0], "why")


def test_a_topic_that_is_not_there_says_which_command_makes_it(tab: Callable[..., Tab]) -> None:
    page = tab("#/topics/no-such-topic")
    page.wait(lambda: "clickstream topics create no-such-topic" in page.texts("main")[0], "the command")


def test_an_export_is_downloaded(tab: Callable[..., Tab]) -> None:
    page = tab(f"#/topics/{HOSTILE_TOPIC}")
    page.wait(lambda: page.texts(".records tbody tr"), "records")
    page.page.locator("summary", has_text="Export").click()
    with page.page.expect_download() as download:
        page.page.get_by_role("button", name="Bytes").click()
    lines = download.value.path().read_bytes().splitlines()
    assert len(lines) == len(HOSTILE)
    assert json.loads(lines[0])["topic"] == HOSTILE_TOPIC


def test_a_letter_is_repaired_and_sent_again(
    tab: Callable[..., Tab],
    kafka: str,  # noqa: F811
    topic_name: str,  # noqa: F811
) -> None:
    make_topic(kafka, topic_name, 1)
    sender = Sender(Cluster(kafka).producer())
    letters = DeadLetters(sender, DEAD, "counter")
    letters.send(DeadLetter(b'{"n":NaN,"i":9223372036854775807}', "<b>no JSON</b>", Origin(topic_name, 0, 3)), b"key")
    sender.must_have_delivered("a letter")
    page = tab("#/dead")
    page.wait(lambda: any(topic_name in row for row in page.texts(".d-list tbody tr")), "the letter")
    page.page.locator(".d-list tbody tr", has_text=topic_name).click()
    page.wait(lambda: "<b>no JSON</b>" in page.texts(".reason")[:1], "its reason, as text")
    assert page.page.locator(".badb").count() > 0, "the bad byte is marked"
    box = page.page.get_by_label("The repaired value")
    box.fill(box.input_value().replace("NaN", "null"))
    page.page.get_by_role("button", name="Send again").click()
    page.wait(lambda: f"Sent to {topic_name}" in page.texts(".repair")[0], "it is sent")
    assert [one.value() for one in records(kafka, topic_name)] == [b'{"n":null,"i":9223372036854775807}']
    page.wait(lambda: "sent again" in " ".join(page.texts(".d-list tbody tr")), "and marked")
    assert page.page.get_by_role("button", name="Send again").is_disabled()


@pytest.mark.parametrize("hash_", ["#/topics", f"#/topics/{HOSTILE_TOPIC}?rec=0:35", "#/dead"])
def test_on_a_phone_nothing_scrolls_sideways(tab: Callable[..., Tab], hash_: str) -> None:
    page = tab(hash_, viewport={"width": 360, "height": 740})
    page.wait(lambda: page.texts("main tbody tr") or "No dead letters" in page.texts("main")[0], "rows")
    widths = page.page.evaluate("() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert widths[0] <= widths[1]
