"""A file of SQL that reads and writes Avro gives the same records here and on the real Flink."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from clickstream.avro.http import Address
from clickstream.avro.registry import Registry
from clickstream.tables.sql.avro import schema_of
from clickstream.tables.sql.check import check_file
from tests.integration import avrosupport
from tests.integration.apicurio import apicurio
from tests.integration.flinksupport import flink, job_state, need_flink, session_cluster, to_the_end
from tests.integration.support import records, run
from tests.integration.tablesupport import stream, tables
from tests.support import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    need_flink()
    with apicurio(tmp_path_factory.mktemp("apicurio")) as found:
        yield found


@pytest.fixture
def topic(kafka: str, url: str) -> str:
    """Clicks in Avro."""
    name = f"avro-flink-{uuid.uuid4().hex[:8]}"
    names = [f"--topic={name}", *(f"--{one}-topic={name}-{one}" for one in ("codes", "users"))]
    flow = ("--count", "3000", "--rate", "max", "--event-rate", "50", "--seed", "3", "--users", "30", "--quiet")
    avro = ("--format", "avro", "--auto-register", "--schema-registry", url)
    done = run("generate", "web", "-b", kafka, *names, *flow, *avro, timeout=120)
    assert done.code == 0, done.said
    return name


def test_the_same_file_gives_the_same_rows_and_each_reads_those_of_the_other(
    kafka: str, topic: str, url: str, tmp_path: Path
) -> None:
    on_flink = avrosupport.file_of(tmp_path / "flink.sql", topic, f"{topic}-flink", url)
    here = avrosupport.file_of(tmp_path / "here.sql", topic, f"{topic}-here", url)
    done = to_the_end(kafka, on_flink, timeout=300)
    assert done.code == 0, done.said
    registry = Registry(Address(url))
    for name, table in check_file(on_flink).program.tables.items():
        for part in ("key", "value"):
            if name != "clicks" and (options := table.avro(part)) is not None:
                registered = registry.latest(options.subject)
                assert registered is not None, options.subject
                assert json.loads(registered.text) == json.loads(schema_of(table, part))
    done = tables(kafka, here, "--auto-register", "--idle-timeout", "0", timeout=300)
    assert done.code == 0, done.said
    found, expected = (avrosupport.rows(kafka, f"{topic}-{name}") for name in ("here", "flink"))
    for name, wanted in expected.items():
        assert wanted, name
        assert found[name] == wanted, name

    copies = []
    for name, reads in (("here", to_the_end), ("flink", tables)):
        path = avrosupport.copy_of(tmp_path / f"of-{name}.sql", f"{topic}-{name}-minutes", f"{topic}-of-{name}", url)
        done = reads(kafka, path, timeout=300)
        assert done.code == 0, done.said
        copies.append(stream(kafka, f"{topic}-of-{name}"))
    assert copies[0] == copies[1]
    assert copies[0].total() == len(records(kafka, f"{topic}-here-minutes"))


def test_a_cluster_gets_what_reads_avro_with_the_job(kafka: str, topic: str, url: str, tmp_path: Path) -> None:
    path = avrosupport.file_of(tmp_path / "flink.sql", topic, f"{topic}-cluster", url)
    with session_cluster(tmp_path):
        done = flink("submit", str(path), "-b", kafka, "--exit-at-end", state_dir=tmp_path)
        assert done.code == 0, done.said
        job = done.printed.strip()
        wait_until(lambda: job_state(job, tmp_path) == "FINISHED", 180, "the job has finished", poll=0.5)
    here = avrosupport.file_of(tmp_path / "here.sql", topic, f"{topic}-here", url)
    assert tables(kafka, here, "--auto-register", "--idle-timeout", "0", timeout=300).code == 0
    assert avrosupport.rows(kafka, f"{topic}-cluster") == avrosupport.rows(kafka, f"{topic}-here")
