"""The description of the API is the API."""

import re
from typing import Any

import msgspec
import pytest
import yaml  # type: ignore[import-untyped]

from clickstream.collect.model import Reason
from clickstream.collect.protocols.checks import MAX_SEQUENCE, MAX_TIME
from clickstream.collect.protocols.model import Limits, SentEvent
from clickstream.collect.protocols.pixel import NAMES
from docs.generate import ROOT
from tests.unit.collect.sent import event, get, intake, only, post

API: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "collector-openapi.yaml").read_text("utf-8"))
SCHEMAS = API["components"]["schemas"]
EVENT = SCHEMAS["Event"]
BODIES = API["paths"]["/e"]["post"]["requestBody"]["content"]
PARAMETERS = {one["name"]: one for one in API["paths"]["/e.gif"]["get"]["parameters"]}
LIMITS = Limits()


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    return {**SCHEMAS[schema["$ref"].rpartition("/")[2]], **schema} if "$ref" in schema else schema


def types(schema: dict[str, Any]) -> set[str]:
    """The JSON types that a schema takes."""
    schema = resolved(schema)
    if "anyOf" in schema:
        return {kind for one in schema["anyOf"] for kind in types(one)}
    if "enum" in schema:
        return {"string"}
    found = schema["type"]
    return set(found if isinstance(found, list) else [found])


def test_its_fields_are_those_of_the_decoder() -> None:
    decoder = msgspec.json.schema(SentEvent)["$defs"]["SentEvent"]
    assert list(EVENT["properties"]) == list(decoder["properties"])
    assert EVENT["required"] == decoder["required"]
    for name, schema in EVENT["properties"].items():
        told = types(decoder["properties"][name])
        assert types(schema) == told - ({"integer"} if "number" in told else set()), name
        assert schema.get("default") == decoder["properties"][name].get("default"), name
    assert EVENT["properties"]["source"]["enum"] == sorted(decoder["properties"]["source"]["enum"], reverse=True)


def test_its_limits_are_the_defaults() -> None:
    longest = {name: schema["maxLength"] for name, schema in EVENT["properties"].items() if "maxLength" in schema}
    ids = ("id", "visitor", "session", "page", "stream")
    assert longest == {
        **dict.fromkeys(ids, LIMITS.id),
        **{"event": LIMITS.name, "url": LIMITS.url, "referrer": LIMITS.url},
        **{"site": LIMITS.site, "language": LIMITS.language},
    }
    assert {name: one["schema"]["maxLength"] for name, one in PARAMETERS.items()} == {
        name: longest[name] for name in PARAMETERS
    }
    assert BODIES["application/json"]["schema"]["oneOf"][1]["maxItems"] == LIMITS.events
    assert EVENT["properties"]["sequence"]["maximum"] == MAX_SEQUENCE
    assert SCHEMAS["Time"]["maximum"] == MAX_TIME
    words = EVENT["properties"]["properties"]["description"].replace(",", "")
    assert [int(number) for number in re.findall(r"\d+", words)] == [LIMITS.properties, LIMITS.name, LIMITS.text]
    assert "four levels" in words
    assert LIMITS.nesting == 4


def test_its_reasons_are_all_there_are() -> None:
    assert SCHEMAS["Verdicts"]["properties"]["refused"]["items"]["properties"]["reason"]["enum"] == list(Reason)


@pytest.mark.parametrize("content", BODIES)
@pytest.mark.parametrize("name", BODIES["application/json"]["examples"])
def test_its_examples_are_taken(content: str, name: str) -> None:
    example = BODIES[content]["examples"][name]["value"]
    sent = example if isinstance(example, list) else [example]
    taken = intake().take(post(example, headers={"content-type": content}))
    assert not taken.refused
    assert [one.event and one.event.id for one in taken.events] == [one["id"] for one in sent]


def test_its_example_of_a_refusal_is_one() -> None:
    examples = API["paths"]["/e"]["post"]["responses"]
    [told] = examples["200"]["content"]["application/json"]["examples"]["some"]["value"]["refused"]
    [refused] = intake().take(post([event(), event(), event(), {"id": "a", "event": "b"}])).refused
    assert told == {"index": refused.index, "reason": refused.reason, "detail": refused.detail}
    [told] = examples["400"]["content"]["application/json"]["examples"]["unreadable"]["value"]["refused"]
    [refused] = intake().take(post(b"no")).refused
    assert told == {"index": refused.index, "reason": refused.reason, "detail": refused.detail}


def test_the_parameters_of_the_pixel() -> None:
    assert PARAMETERS.keys() == NAMES
    examples = {name: one["example"] for name, one in PARAMETERS.items()}
    found = only(intake().take(get("/e.gif", examples)))
    assert {name: getattr(found, name) for name in examples} == examples
    default = PARAMETERS["event"]["schema"]["default"]
    assert only(intake().take(get("/e.gif", {"url": examples["url"]}))).event == default


def test_references_lead_somewhere() -> None:
    for reference in re.findall(r"'\$ref': '#/([^']+)'", str(API)):
        place = API
        for name in reference.split("/"):
            place = place[name]
