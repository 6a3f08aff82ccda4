"""One file with every kind of result, and a feed for it: references that change, topics that get partitions.

The rows of the file are a function of the log: there is no silence (idle time-out 0), each version of a reference is
in its topic well before the clicks of its time, and a new partition has rows before the others go on.
"""

import json
import random
import threading
from pathlib import Path
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.cimpl import NewPartitions

from clickstream.kafka.admin import existing
from clickstream.kafka.clients import Cluster
from tests.integration.librdkafka import admin_of
from tests.integration.support import make_topic
from tests.integration.tablesupport import START
from tests.support import PATIENCE, wait_until

# Seconds of event time by which the versions of references are ahead of the clicks.
AHEAD_S = 60
CLICKS_A_ROUND = 60
PEOPLE = 15
PACE_S = 0.1

_SOURCE = (
    "WITH ('connector' = 'kafka', 'topic' = '{source}-%s', 'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', "
    "'scan.startup.mode' = 'earliest-offset', 'format' = 'json', 'json.ignore-parse-errors' = 'true');\n"
)
_TIMED = "ts AS TO_TIMESTAMP_LTZ(`_time`, 3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND"
SOURCES = (
    "SET 'table.exec.sink.require-on-conflict' = 'false';\n"
    "CREATE TABLE clicks (ip STRING, userid INT, status INT, amount DOUBLE, `_time` BIGINT, "
    f"p INT METADATA FROM 'partition' VIRTUAL, o BIGINT METADATA FROM 'offset' VIRTUAL, {_TIMED}) {_SOURCE % 'clicks'}"
    f"CREATE TABLE taps (ip STRING, amount DOUBLE, `_time` BIGINT, {_TIMED}) {_SOURCE % 'taps'}"
    "CREATE TABLE users (user_id INT NOT NULL, name STRING, since BIGINT, vt AS TO_TIMESTAMP_LTZ(since, 3), "
    "WATERMARK FOR vt AS TO_TIMESTAMP_LTZ(0, 3), PRIMARY KEY (user_id) NOT ENFORCED) WITH ("
    "'connector' = 'upsert-kafka', 'topic' = '{source}-users', "
    "'properties.bootstrap.servers' = '${BOOTSTRAP_SERVERS}', 'key.format' = 'json', 'value.format' = 'json');\n"
    "CREATE VIEW named_clicks AS SELECT c.p, c.o, c.ip, c.userid, c.amount, c.ts, COALESCE(u.name, 'nobody') AS name "
    "FROM clicks AS c LEFT JOIN users FOR SYSTEM_TIME AS OF c.ts AS u ON c.userid = u.user_id;\n"
    "CREATE VIEW both_tables AS SELECT ip, amount, ts FROM clicks UNION ALL SELECT ip, amount, ts FROM taps;\n"
)
_WINDOW = "window_start TIMESTAMP(3), window_end TIMESTAMP(3)"
_COUNTED = f"ip STRING, {_WINDOW}, hits BIGINT, total DOUBLE"
_KEY = "ip, window_start, window_end"


def _counted(window: str, table: str = "clicks", having: str = "") -> str:
    """Hits and amounts of each address in each window."""
    partition = "PARTITION BY ip, " if window.startswith("SESSION") else ""
    function, size = window.split(" ", 1)
    table = f"TABLE {table} {partition}".replace(" PARTITION BY ip, ", " PARTITION BY ip")
    return (
        f"SELECT ip, window_start, window_end, COUNT(*) AS hits, SUM(amount) FROM TABLE({function}({table}, "
        f"DESCRIPTOR(ts), {size})) GROUP BY ip, window_start, window_end{having}"
    )


TUMBLE, HOP = "TUMBLE INTERVAL '20' SECOND", "HOP INTERVAL '10' SECOND, INTERVAL '30' SECOND"
CUMULATE, SESSION = "CUMULATE INTERVAL '10' SECOND, INTERVAL '30' SECOND", "SESSION INTERVAL '8' SECOND"

# By name: columns, the primary key (None: an append-only topic), and the query.
RESULTS: dict[str, tuple[str, str | None, str]] = {
    "named": ("p INT, o BIGINT, ip STRING, name STRING", None, "SELECT p, o, ip, name FROM named_clicks"),
    "bare": ("ip STRING, amount DOUBLE", None, "SELECT ip, ROUND(amount, 0) FROM clicks WHERE status <> 200"),
    "together": ("ip STRING, amount DOUBLE", None, "SELECT ip, amount FROM both_tables WHERE amount > 1"),
    "first_seen": (
        "ip STRING, ts TIMESTAMP_LTZ(3)",
        None,
        "SELECT ip, ts FROM (SELECT ip, ts, ROW_NUMBER() OVER (PARTITION BY ip ORDER BY ts) AS place FROM clicks) "
        "WHERE place = 1",
    ),
    "tumble_t": (_COUNTED, _KEY, _counted(TUMBLE)),
    "hop_t": (_COUNTED, _KEY, _counted(HOP)),
    "cumulate_t": (_COUNTED, _KEY, _counted(CUMULATE)),
    "session_t": (_COUNTED, _KEY, _counted(SESSION)),
    "few_t": (_COUNTED, _KEY, _counted(TUMBLE, having=" HAVING COUNT(*) < 4")),
    "hop_a": (_COUNTED, None, _counted(HOP)),
    "session_a": (_COUNTED, None, _counted(SESSION)),
    "cumulate_a": (_COUNTED, None, _counted(CUMULATE)),
    "both_t": (_COUNTED, _KEY, _counted(TUMBLE, "both_tables")),
    "both_a": (_COUNTED, None, _counted(SESSION, "both_tables")),
    "branches_t": (
        f"kind STRING, {_COUNTED}",
        f"kind, {_KEY}",
        " UNION ALL ".join(
            f"SELECT '{kind}' AS kind, * FROM ({_counted(window)})"
            for kind, window in (("hop", HOP), ("session", SESSION), ("tumble", TUMBLE))
        ),
    ),
    "branches_a": (_COUNTED, None, f"{_counted(TUMBLE)} UNION ALL {_counted(HOP)}"),
    "top_t": (
        f"ip STRING, {_WINDOW}, hits BIGINT",
        _KEY,
        "SELECT ip, window_start, window_end, hits FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, "
        f"window_end ORDER BY hits DESC, ip) AS place FROM ({_counted(HOP)})) WHERE place <= 3",
    ),
    "names_t": (
        f"name STRING, {_WINDOW}, hits BIGINT, total DOUBLE",
        "name, window_start, window_end",
        _counted(TUMBLE, "named_clicks").replace("SELECT ip", "SELECT name").replace("BY ip", "BY name"),
    ),
    "groups_t": (
        "ip STRING, hits BIGINT, total DOUBLE, people BIGINT",
        "ip",
        "SELECT ip, COUNT(*), SUM(amount), COUNT(DISTINCT userid) FROM clicks GROUP BY ip HAVING MOD(COUNT(*), 3) <> 0",
    ),
}


def file_of(directory: Path, source: str, result: str, name: str) -> Path:
    """The file, reading topics `<source>-...` and writing topics `<result>-...`."""
    text = SOURCES
    for target, (columns, key, query) in RESULTS.items():
        topic = f"'topic' = '{{result}}-{target}', 'properties.bootstrap.servers' = '${{BOOTSTRAP_SERVERS}}'"
        if key is None:
            made = f"CREATE TABLE {target} ({columns}) WITH ('connector' = 'kafka', {topic}, 'format' = 'json');\n"
        else:
            made = (
                f"CREATE TABLE {target} ({columns}, PRIMARY KEY ({key}) NOT ENFORCED) WITH ('connector' = "
                f"'upsert-kafka', {topic}, 'key.format' = 'json', 'value.format' = 'json');\n"
            )
        text += f"{made}INSERT INTO {target} {query};\n"
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}.sql"
    path.write_text(text.replace("{source}", source).replace("{result}", result))
    return path


class Feed:
    """Writes a second of clicks every PACE_S, in a thread. `group` is of who reads, and waited for at new partitions.

    A twentieth of the records are arrays of clicks, a fiftieth of the clicks are late, the others up to 4 s out of
    order. No two clicks are of the same time.
    """

    def __init__(self, kafka: str, source: str, group: str, draw: random.Random) -> None:
        self.rounds = 0
        self.raised: BaseException | None = None
        self._kafka, self._source, self._group, self._draw = kafka, source, group, draw
        self._partitions = {"clicks": 2, "taps": 2}
        self._growing = threading.Event()
        self._stop = threading.Event()
        self._times: set[int] = set()
        for name, partitions in self._partitions.items():
            make_topic(kafka, f"{source}-{name}", partitions)
        make_topic(kafka, f"{source}-users", 1, cleanup_policy="compact")
        self._producer = self._new_producer()
        for second in range(AHEAD_S):
            self._change_users(second)
        self._thread = threading.Thread(target=self._run, name="feed")
        self._thread.start()

    def end(self) -> None:
        """Stop. Raises what went wrong."""
        self._stop.set()
        self._thread.join(150 * PATIENCE)
        assert not self._thread.is_alive()
        if self.raised is not None:
            raise self.raised

    def grow(self) -> None:
        """Give each topic one more partition, soon."""
        self._growing.set()

    @property
    def grows(self) -> bool:
        """Whether rows of new partitions still have to be read."""
        return self._growing.is_set() and self.raised is None

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                if self._growing.is_set():
                    self._grow()
                    self._growing.clear()
                self._change_users(self.rounds + AHEAD_S)
                self._click(self.rounds, self._partitions)
                self.rounds += 1
                self._stop.wait(PACE_S)
        except BaseException as problem:  # noqa: BLE001 - end() raises it
            self.raised = problem

    def _new_producer(self) -> Producer:
        """One that knows the partitions that there are now."""
        return Producer({"bootstrap.servers": self._kafka, "linger.ms": 5, "enable.idempotence": True})

    def _change_users(self, second: int) -> None:
        time = (START + second) * 1000
        for person in range(PEOPLE):
            if (person + second) % 5:
                continue
            gone = (person + second) % 35 == 0
            user = {"user_id": person, "name": f"{person} in {second}", "since": time}
            self._producer.produce(
                f"{self._source}-users",
                None if gone else json.dumps(user).encode(),
                json.dumps({"user_id": person}).encode(),
                timestamp=time,
            )
        assert self._producer.flush(60 * PATIENCE) == 0

    def _click(self, second: int, partitions: dict[str, int], only: int | None = None) -> None:
        """Clicks of a second in all partitions, or in the one with this number."""
        draw = self._draw
        for _ in range(CLICKS_A_ROUND):
            rows = [self._row(second) for _ in range(draw.randint(2, 4) if draw.random() < 0.05 else 1)]
            self._write("clicks", partitions, rows, only)
            if draw.random() < 0.3:
                self._write("taps", partitions, [self._row(second)], only)
        if only is not None:
            for name in partitions:
                self._write(name, partitions, [self._row(second)], only)
        assert self._producer.flush(60 * PATIENCE) == 0

    def _write(self, name: str, partitions: dict[str, int], rows: list[dict[str, Any]], only: int | None) -> None:
        partition = self._draw.randrange(partitions[name]) if only is None else only
        value = json.dumps(rows if len(rows) > 1 else rows[0]).encode()
        self._producer.produce(f"{self._source}-{name}", value, partition=partition)

    def _row(self, second: int) -> dict[str, Any]:
        draw = self._draw
        late = 40_000 if draw.random() < 0.02 else 4_000
        time = (START + second) * 1000 + draw.randrange(1000) - draw.randrange(late)
        while time in self._times:
            time += 1
        self._times.add(time)
        # Some addresses all the time, others only for a while.
        ip = f"10.0.0.{draw.randrange(6)}" if draw.random() < 0.5 else f"10.1.{second // 15}.{draw.randrange(8)}"
        amount = draw.uniform(0, 3)
        return {
            "ip": ip,
            "userid": draw.randrange(PEOPLE),
            "status": draw.choice((200, 200, 404, 500)),
            "amount": amount,
            "_time": time,
        }

    def _grow(self) -> None:
        """A new partition gets rows, and these are read, before the others go on: no window is closed without it."""
        cluster = Cluster(self._kafka)
        admin = admin_of(cluster)
        new = {name: count + 1 for name, count in self._partitions.items()}
        for future in admin.create_partitions(
            [NewPartitions(f"{self._source}-{name}", count) for name, count in new.items()]
        ).values():
            future.result()
        wait_until(lambda: all(existing(cluster)[f"{self._source}-{name}"] == count for name, count in new.items()), 60)
        self._producer = self._new_producer()
        number = self._partitions["clicks"]
        self._click(self.rounds, new, only=number)
        self._partitions = new
        places = [TopicPartition(f"{self._source}-{name}", number) for name in new]

        def read() -> bool:
            request = [ConsumerGroupTopicPartitions(self._group, places)]
            found = admin.list_consumer_group_offsets(request)[self._group].result()
            return all((one.offset or 0) > 0 for one in found.topic_partitions or [])

        wait_until(read, 120, "rows of the new partitions are read", poll=0.2)
