"""The schemas of our own records: they have all fields, and no change keeps readers from what was written before."""

import io
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import fastavro
import msgspec
import pytest

from clickstream import records
from clickstream.avro.fitting import fit_for
from clickstream.avro.schema import parse, plain
from clickstream.avro.shipped import shipped
from clickstream.config import SETTINGS

RELEASED = Path(__file__).parent / "released"
RECORDS: dict[str, type[msgspec.Struct]] = {
    "event": records.Event,
    "status-code": records.StatusCode,
    "vip-click": records.VipClick,
    "vip-user": records.VipUser,
    "web-click": records.WebClick,
    "web-event": records.WebEvent,
    "web-loss": records.WebLoss,
    "web-user": records.WebUser,
}
NAMES = list(RECORDS)


def versions(name: str) -> list[Any]:
    """The schemas that were ever released under this name, the oldest first."""
    found = {int(path.suffixes[0][1:]): path for path in RELEASED.glob(f"{name}.*.avsc")}
    assert sorted(found) == list(range(1, len(found) + 1))
    return [json.loads(found[number].read_text("utf-8")) for number in sorted(found)]


def samples(name: str) -> list[dict[str, Any]]:
    """A record with everything in it, and one with nothing that may be missing."""
    kinds = msgspec.structs.fields(RECORDS[name])
    full = {one.encode_name: _full(one.type) for one in kinds}
    least = {one.encode_name: None if type(None) in _args(one.type) else full[one.encode_name] for one in kinds}
    return [full, least]


def _args(kind: Any) -> tuple[Any, ...]:
    return getattr(kind, "__args__", ())


def _full(kind: Any) -> Any:
    kind = next((one for one in _args(kind) if one is not type(None)), kind) if type(None) in _args(kind) else kind
    return {str: "ü", int: 7, bool: True}.get(kind, {"a": [1, {"b": None}]})


@pytest.mark.parametrize("name", NAMES)
def test_every_field_of_the_record_has_its_place(name: str) -> None:
    schema = json.loads(shipped()[name].text)
    assert [one["name"] for one in schema["fields"]] == [
        one.encode_name for one in msgspec.structs.fields(RECORDS[name])
    ]
    for sample in samples(name):
        msgspec.convert(sample, RECORDS[name])  # it is such a record
        fit_for(plain(schema))(sample)


@pytest.mark.parametrize("name", NAMES)
def test_what_was_released_is_what_is_shipped(name: str) -> None:
    assert versions(name)[-1] == json.loads(shipped()[name].text), (
        f"config/schemas/{name}.avsc has changed: add it as {RELEASED.name}/{name}.{len(versions(name)) + 1}.avsc, "
        "and never change one that is there"
    )


def reads(old: Any, new: Any, sample: dict[str, Any]) -> None:
    """Raises what fastavro raises when the new schema cannot read what the old one has written."""
    fields = {one["name"] for one in old["fields"]}
    out = io.BytesIO()
    written = fit_for(plain(old))({name: one for name, one in sample.items() if name in fields})
    fastavro.schemaless_writer(out, parse(old), written)
    fastavro.schemaless_reader(io.BytesIO(out.getvalue()), parse(old), parse(new))


@pytest.mark.parametrize("name", NAMES)
def test_each_version_reads_the_one_before(name: str) -> None:
    for old, new in pairwise(versions(name)):
        for sample in samples(name):
            reads(old, new, sample)


@pytest.mark.parametrize(
    "field",
    [{"name": "more", "type": "string"}, {"name": "userId", "type": "long"}, {"name": "more", "type": ["null"]}],
)
def test_a_change_that_breaks_readers_would_be_found(field: dict[str, Any]) -> None:
    old = json.loads(shipped()["event"].text)
    new = {**old, "fields": [*(one for one in old["fields"] if one["name"] != field["name"]), field]}
    with pytest.raises(fastavro.read.SchemaResolutionError):
        reads(old, new, samples("event")[0])


@pytest.mark.parametrize("name", NAMES)
def test_schemas_keep_to_what_evolves(name: str) -> None:
    schema = json.loads(shipped()[name].text)
    assert re.fullmatch(r"[A-Z]\w+", schema["name"])
    assert schema["namespace"] == "clickstream"
    assert "enum" not in json.dumps(schema), "a symbol that is added is unreadable for older readers: use a string"
    for field in schema["fields"]:
        if isinstance(field["type"], list):
            assert field["type"][0] == "null", field
            assert field["default"] is None, field
        # Apicurio 3.3.3 takes a schema with this in it for none of Avro's.
        assert field.get("default") != "{}"


def test_schemas_stand_for_the_topics_of_the_settings() -> None:
    defaults = {entry.default for name, entry in SETTINGS.items() if name.endswith("topic")}
    assert {one.topic for one in shipped().values()} <= defaults
