"""What a schema registry is asked: https://docs.confluent.io/platform/current/schema-registry/develop/api.html."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from clickstream.avro.http import Address, Client, NotThere
from clickstream.errors import ClickstreamError


class UnknownSchema(Exception):
    """The registry does not know this id (yet)."""

    def __init__(self, schema_id: int, where: str) -> None:
        super().__init__(f"the schema registry at {where} does not know schema {schema_id}")
        self.schema_id = schema_id


@dataclass(frozen=True)
class Stored:
    """A schema as the registry has it. `references` are the texts of the schemas that it names, in their order."""

    id: int
    text: str
    kind: str = "AVRO"
    references: tuple[str, ...] = ()
    subject: str | None = None
    version: int | None = None


@dataclass(frozen=True)
class Verdict:
    """Whether a schema may follow the latest one of its subject, and why not."""

    compatible: bool
    reasons: tuple[str, ...] = ()


class Registry:
    """One registry. Every method raises RegistryAway, and ClickstreamError when the registry refuses."""

    def __init__(self, address: Address, client: Client | None = None) -> None:
        self._client = client or Client(address)
        self.where = self._client.where

    def schema(self, schema_id: int) -> Stored:
        """The schema with this id. Raises UnknownSchema."""
        try:
            return self._stored(self._client.ask("GET", f"/schemas/ids/{schema_id}"), schema_id)
        except NotThere:
            raise UnknownSchema(schema_id, self.where) from None

    def subjects(self) -> list[str]:
        """Their names."""
        found = self._client.ask("GET", "/subjects")
        return sorted(map(str, found)) if isinstance(found, list) else self._nonsense(found)

    def latest(self, subject: str) -> Stored | None:
        """The newest schema of a subject; None if there is no such subject."""
        try:
            return self._stored(self._client.ask("GET", f"/subjects/{_quoted(subject)}/versions/latest"))
        except NotThere:
            return None

    def id_of(self, subject: str, text: str) -> int | None:
        """The id of a schema in a subject; None if the subject does not have it."""
        try:
            found = self._client.ask("POST", f"/subjects/{_quoted(subject)}", {"schema": text})
        except NotThere:
            return None
        return self._number(found)

    def register(self, subject: str, text: str) -> int:
        """Add a schema to a subject; its id. One that is there already keeps its id."""
        return self._number(self._client.ask("POST", f"/subjects/{_quoted(subject)}/versions", {"schema": text}))

    def check(self, subject: str, text: str) -> Verdict:
        """Whether the subject's rule lets the schema follow its latest one; a new subject takes any."""
        path = f"/compatibility/subjects/{_quoted(subject)}/versions/latest?verbose=true"
        try:
            found = self._client.ask("POST", path, {"schema": text})
        except NotThere:
            return Verdict(True)
        if not isinstance(found, dict) or not isinstance(found.get("is_compatible"), bool):
            self._nonsense(found)
        return Verdict(found["is_compatible"], tuple(map(str, found.get("messages") or ())))

    def require_backward(self, subject: str) -> None:
        """Have the registry refuse schemas of this subject that cannot read what the one before has written."""
        self._client.ask("PUT", f"/config/{_quoted(subject)}", {"compatibility": "BACKWARD"})

    def _stored(self, found: Any, schema_id: int | None = None) -> Stored:
        if not isinstance(found, dict) or not isinstance(found.get("schema"), str):
            self._nonsense(found)
        return Stored(
            self._number(found) if schema_id is None else schema_id,
            found["schema"],
            str(found.get("schemaType") or "AVRO"),
            tuple(self._references(found.get("references") or ())),
            found.get("subject"),
            found.get("version"),
        )

    def _references(self, named: Any) -> list[str]:
        """Texts of referenced schemas, each after those that it refers to itself."""
        texts: list[str] = []
        for one in named:
            path = f"/subjects/{_quoted(str(one['subject']))}/versions/{int(one['version'])}"
            stored = self._stored(self._client.ask("GET", path))
            texts += [*stored.references, stored.text]
        return list(dict.fromkeys(texts))

    def _number(self, found: Any) -> int:
        if not isinstance(found, dict) or not isinstance(found.get("id"), int):
            self._nonsense(found)
        return int(found["id"])

    def _nonsense(self, found: Any) -> Any:
        raise ClickstreamError(
            f"The schema registry at {self.where} answers what is not understood: {json.dumps(found)[:200]}."
        )


def _quoted(subject: str) -> str:
    return quote(subject, safe="")
