"""jars.lock: what it may say, and what the committed one says."""

import pytest

from clickstream.broker.lockfile import Jar, JarSet, parse, read, render

SHA = "0123456789abcdef" * 4
TEXT = f"""\
# a comment
[one]
root g.roup:art-ifact:1.0
g.roup:art-ifact:1.0 {SHA} 12  # its size
g:natives:2:linux {SHA} 3
[two]
"""


def test_sections_roots_and_jars_are_read() -> None:
    sets = parse(TEXT, "jars.lock")
    assert list(sets) == ["one", "two"]
    assert sets["one"].roots == ("g.roup:art-ifact:1.0",)
    assert sets["one"].jars == (Jar("g.roup:art-ifact:1.0", SHA, 12), Jar("g:natives:2:linux", SHA, 3))
    assert sets["one"].size == 15
    assert [jar.file_name for jar in sets["one"].jars] == ["art-ifact-1.0.jar", "natives-2-linux.jar"]


def test_what_is_rendered_is_read_back() -> None:
    sets = parse(TEXT, "jars.lock")
    assert parse(render(sets), "jars.lock") == sets


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (f"g:a:1 {SHA} 1", "line 1: before the first"),
        (f"[s]\ng:a {SHA} 1", "line 2"),
        ("[s]\n\ng:a:1 abc 1", "line 3"),
        (f"[s]\ng:a:1 {SHA} much", "line 2"),
        (f"[s]\ng:a:1 {SHA}", "line 2"),
        ("[s]\nroot a", "line 2"),
        (f"[s]\ng:a:1 {SHA} 1\nh:a:1 {SHA} 1", r"\[s\] lists a-1.jar more than once"),
    ],
)
def test_a_malformed_line_is_named(text: str, where: str) -> None:
    with pytest.raises(ValueError, match=rf"jars\.lock.*{where}"):
        parse(text, "jars.lock")


def test_the_committed_list_holds_the_broker_with_a_logger_and_the_sets_of_the_benchmarks() -> None:
    sets = read()
    assert set(sets) >= {"kafka", "kafka-tools", "kafka-streams"}
    for name, needed in {
        "kafka": {"kafka_2.13", "log4j-slf4j-impl", "lz4-java", "zstd-jni", "snappy-java"},
        "kafka-tools": {"kafka-tools", "kafka-clients"},
        "kafka-streams": {"kafka-streams", "rocksdbjni"},
    }.items():
        assert {jar.coordinate.split(":")[1] for jar in sets[name].jars} >= needed, name


def test_all_kafka_jars_have_one_version() -> None:
    versions = {
        jar.coordinate.split(":")[2]
        for jar_set in read().values()
        for jar in jar_set.jars
        if jar.coordinate.startswith("org.apache.kafka:")
    }
    assert versions == {"4.3.1"}


def test_the_same_file_name_is_the_same_file_in_every_set() -> None:
    # They share one cache directory.
    pinned: dict[str, JarSet | str] = {}
    for jar_set in read().values():
        for jar in jar_set.jars:
            assert pinned.setdefault(jar.file_name, jar.sha256) == jar.sha256
