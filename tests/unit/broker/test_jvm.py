"""The JVM's surroundings, with other programs in its place."""

import subprocess
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from clickstream.broker import jvm
from clickstream.broker.jvm import Jvm, JvmError, cluster_id_of, end_orphan, has_records, last_errors
from clickstream.broker.storage import StateDir
from clickstream.java.locks import FileLock, is_free
from tests.support import PATIENCE, wait_until

LOG = """\
2026-01-01 10:00:00.000 ERROR an old one (KafkaServer)
2026-01-01 11:00:00.000 INFO starting (KafkaServer)
2026-01-01 11:00:01.000 ERROR Exiting Kafka due to fatal exception during startup. (Kafka$)
org.apache.kafka.common.KafkaException: Socket server failed to bind
\tat kafka.network.Acceptor.openServerSocket(SocketServer.scala:1)
Caused by: java.net.BindException: Address already in use
\t... 8 more
2026-01-01 11:00:02.000 INFO shut down (KafkaServer)
"""


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    return StateDir(tmp_path)


def program(tmp_path: Path, script: str) -> str:
    """An executable in the place of java."""
    path = tmp_path / "java"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


FORMATS = """\
while [ "$1" != --cluster-id ]; do shift; done
mkdir data.new && echo "cluster.id=$2" > data.new/meta.properties
"""


def test_the_last_errors_of_this_run_with_their_cause(state: StateDir) -> None:
    state.log_file.write_text(LOG)
    since = LOG.index("2026-01-01 11")
    assert last_errors(state.log_file, since) == (
        "Exiting Kafka due to fatal exception during startup. (Kafka$) | "
        "Caused by: java.net.BindException: Address already in use"
    )


def test_a_rotated_log_is_read_from_its_beginning(state: StateDir) -> None:
    state.log_file.write_text(LOG)
    assert "an old one" in last_errors(state.log_file, len(LOG) + 1)


def test_no_log_no_errors(state: StateDir) -> None:
    assert last_errors(state.log_file, 0) == ""


def test_storage_is_formatted_once_and_its_id_kept(state: StateDir) -> None:
    java = program(state.root, FORMATS)
    first = Jvm(state, java, [], "1m")
    cluster_id = first.prepare()
    first._lock.release()
    assert cluster_id_of(state.data) == cluster_id
    assert not state.unfinished.exists()
    assert Jvm(state, program(state.root, "exit 1"), [], "1m").prepare() == cluster_id


def test_what_an_interrupted_start_left_is_formatted_anew(state: StateDir) -> None:
    state.unfinished.mkdir()
    (state.unfinished / "bootstrap.checkpoint").write_bytes(b"half")
    state.data.mkdir()
    jvm_ = Jvm(state, program(state.root, FORMATS), [], "1m")
    assert jvm_.prepare() == cluster_id_of(state.data)
    assert not (state.data / "bootstrap.checkpoint").exists()


def test_records_are_never_formatted_away(state: StateDir) -> None:
    partition = state.data / "events-0"
    partition.mkdir(parents=True)
    log = partition / "00000000000000000000.log"
    log.write_bytes(b"record")
    assert has_records(state.data)
    with pytest.raises(JvmError, match=r"holds records, but .*meta\.properties is missing"):
        Jvm(state, program(state.root, FORMATS), [], "1m").prepare()
    assert log.read_bytes() == b"record"


def test_failing_to_format_says_why(state: StateDir) -> None:
    java = program(state.root, "echo Error: cannot write; exit 3")
    with pytest.raises(JvmError, match=r"formatting .* failed: Error: cannot write"):
        Jvm(state, java, [], "1m").prepare()
    assert not state.data.exists()


def test_a_dead_jvm_tells_its_exit_code_and_last_words(state: StateDir) -> None:
    state.data.mkdir()
    (state.data / "meta.properties").write_text("cluster.id=abc\n")
    started = Jvm(state, program(state.root, "echo Invalid maximum heap size >&2; exit 1"), [], "1m")
    started.prepare()
    started.start(1, 2)
    wait_until(lambda: started.exit_code() is not None)
    assert started.why_it_died() == "Kafka ended with exit code 1: Invalid maximum heap size"
    assert is_free(state.jvm_lock)


@pytest.mark.parametrize(
    ("left", "session_ms"),
    [
        ([], 3_600_000),
        (["__cluster_metadata-0", ".kafka_cleanshutdown"], 3_600_000),
        (["__cluster_metadata-0"], 1000),
    ],
)
def test_a_broker_is_soon_taken_for_dead_only_where_the_one_before_it_was_killed(
    state: StateDir, left: list[str], session_ms: int
) -> None:
    state.data.mkdir()
    for name in left:
        (state.data / name).touch()
    (state.data / "meta.properties").write_text("cluster.id=abc\n")
    started = Jvm(state, program(state.root, "exit 1"), [], "1m")
    started.prepare()
    started.start(1, 2)
    wait_until(lambda: started.exit_code() is not None)
    assert f"broker.session.timeout.ms={session_ms}\n" in state.properties.read_text()


def test_a_full_disk_is_named_whatever_the_jvm_says(state: StateDir, mocker: MockerFixture) -> None:
    state.data.mkdir()
    (state.data / "meta.properties").write_text("cluster.id=abc\n")
    started = Jvm(state, program(state.root, "echo a fault in unsafe memory access; exit 1"), [], "1m")
    started.prepare()
    started.start(1, 2)
    wait_until(lambda: started.exit_code() is not None)
    mocker.patch("clickstream.broker.jvm.shutil.disk_usage", return_value=mocker.Mock(free=0))
    assert started.why_it_died() == (
        "Kafka ended with exit code 1: No space left on device (a fault in unsafe memory access)"
    )


def test_a_running_jvm_holds_the_lock_and_stop_ends_it_even_if_it_ignores_to(
    state: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jvm, "TERM_TIMEOUT", 0.2)
    state.data.mkdir()
    (state.data / "meta.properties").write_text("cluster.id=abc\n")
    started = Jvm(state, program(state.root, 'trap "" TERM; echo ready; while :; do sleep 0.05; done'), [], "1m")
    started.prepare()
    started.start(1, 2)
    wait_until(lambda: state.console_file.read_text() == "ready\n", what="it ignores SIGTERM")
    assert not is_free(state.jvm_lock)
    started.stop()
    assert started.why_it_died() == "Kafka was ended by SIGKILL: ready"


def test_an_orphan_is_ended_by_the_pid_that_it_wrote(state: StateDir) -> None:
    lock = FileLock(state.jvm_lock)
    assert lock.try_acquire()
    orphan = subprocess.Popen(
        ["/bin/sh", "-c", 'echo $$ > "$0"; exec sleep 60', state.jvm_pid_file], pass_fds=[lock.fileno()]
    )
    lock.release()
    end_orphan(state)
    assert is_free(state.jvm_lock)
    assert orphan.wait(5 * PATIENCE) == -15


def test_an_orphan_that_cannot_be_found_is_an_error(state: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jvm, "ORPHAN_PATIENCE", (0.0, 0.0))
    with FileLock(state.jvm_lock) as lock:
        assert lock.try_acquire()
        with pytest.raises(JvmError, match="end it by hand"):
            end_orphan(state)


def test_ids_are_as_kafka_makes_them() -> None:
    ids = {jvm.random_id() for _ in range(200)}
    assert len(ids) == 200
    assert {len(made) for made in ids} == {22}
    assert not any(made.startswith("-") for made in ids)
