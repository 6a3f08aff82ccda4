"""jars.toml: what it may say, and what the committed one says."""

import pytest

from clickstream.java.lockfile import Jar, JarSet, parse, read, render

SHA = "0123456789abcdef" * 4
PIN = f'{{ sha256 = "{SHA}", size = 1 }}'
TEXT = f"""\
[one]
roots = ["g.roup:art-ifact:1.0"]
[one.jars]
"g.roup:art-ifact:1.0" = {{ sha256 = "{SHA}", size = 12 }}  # its size
"g:natives:2:linux" = {{ sha256 = "{SHA}", size = 3 }}
[two]
roots = []
jars = {{}}
"""


def test_sections_roots_and_jars_are_read() -> None:
    sets = parse(TEXT, "jars.toml")
    assert list(sets) == ["one", "two"]
    assert sets["one"].roots == ("g.roup:art-ifact:1.0",)
    assert sets["one"].jars == (Jar("g.roup:art-ifact:1.0", SHA, 12), Jar("g:natives:2:linux", SHA, 3))
    assert sets["one"].size == 15
    assert [jar.file_name for jar in sets["one"].jars] == ["art-ifact-1.0.jar", "natives-2-linux.jar"]


def test_what_is_rendered_is_read_back() -> None:
    sets = parse(TEXT, "jars.toml")
    assert parse(render(sets), "jars.toml") == sets


def section(*jars: str, roots: str = "") -> str:
    return "\n".join([f"[s]\nroots = [{roots}]", "[s.jars]", *jars])


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[s", "end of document"),
        ("roots = []", "got .array."),
        ("[s]\nroots = []", "missing required field `jars`"),
        (section(f'"g:a" = {PIN}'), r"jars"),
        (section('"g:a:1" = { sha256 = "abc", size = 1 }'), r"jars.*sha256"),
        (section(f'"g:a:1" = {{ sha256 = "{SHA}", size = "much" }}'), r"jars.*size"),
        (section(f'"g:a:1" = {{ sha256 = "{SHA}" }}'), "size"),
        (section(roots='"a"'), "roots"),
        (section(f'"g:a:1" = {PIN}', f'"h:a:1" = {PIN}'), r"\[s\] lists a-1.jar more than once"),
    ],
)
def test_what_is_malformed_is_named(text: str, where: str) -> None:
    with pytest.raises(ValueError, match=rf"(?s)jars\.toml.*{where}"):
        parse(text, "jars.toml")


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
