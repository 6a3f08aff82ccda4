"""JSON values made fit for a schema, strictly: what the schema has no place for is an error, never left out."""

import base64
import binascii
import datetime
import decimal
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

Fit = Callable[[Any], Any]
"""The value as fastavro writes it. Raises NoFit."""

_RANGES = {"int": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}


class NoFit(ValueError):
    """A value that its schema has no place for; `path` leads to it."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.reason = reason
        self.path = path

    def inside(self, name: str) -> "NoFit":
        """The same one level further out."""
        return NoFit(self.reason, f"{name}.{self.path}" if self.path else name)


def fit_for(schema: Any) -> Fit:
    """Of a schema that `schema.parse` accepts, in its JSON; `schema.plain` was applied."""
    return _Compiler().of(schema, "")


class _Compiler:
    def __init__(self) -> None:
        self._named: dict[str, Fit] = {}

    def of(self, schema: Any, space: str) -> Fit:
        if isinstance(schema, list):
            return self._union(schema, space)
        if isinstance(schema, str):
            return _PRIMITIVE.get(schema) or self._reference(schema, space)
        kind = schema["type"]
        if isinstance(kind, dict | list):
            return self.of(kind, space)
        if (logical := _LOGICAL.get(schema.get("logicalType"))) is not None:
            return logical(schema)
        if kind in ("record", "error"):
            return self._record(schema, space)
        if kind == "enum":
            symbols = frozenset(schema["symbols"])
            return self._name(schema, space, lambda value: _one_of(value, symbols))
        if kind == "fixed":
            return self._name(schema, space, lambda value: _fixed(value, schema["size"]))
        if kind == "array":
            return _array(self.of(schema["items"], space))
        if kind == "map":
            return _map(self.of(schema["values"], space))
        return _PRIMITIVE.get(kind) or self._reference(kind, space)

    def _reference(self, name: str, space: str) -> Fit:
        full = name if "." in name or not space else f"{space}.{name}"
        return lambda value: (self._named.get(full) or self._named[name])(value)

    def _name(self, schema: Mapping[str, Any], space: str, fit: Fit) -> Fit:
        self._named[_full_name(schema, space)] = fit
        return fit

    def _record(self, schema: Mapping[str, Any], space: str) -> Fit:
        full = _full_name(schema, space)
        fits: dict[str, Fit] = {}
        defaults = {one["name"] for one in schema["fields"] if "default" in one}
        self._named[full] = lambda value: _record(value, fits, defaults, full)
        inner = full.rpartition(".")[0]
        fits |= {one["name"]: self.of(one["type"], inner) for one in schema["fields"]}
        return self._named[full]

    def _union(self, schemas: list[Any], space: str) -> Fit:
        nullable = "null" in schemas
        others = [one for one in schemas if one != "null"]
        fits = [self.of(one, space) for one in others]
        # fastavro is told by name which of several is meant.
        names = [_name_in_union(one, space) if len(others) > 1 else None for one in others]

        def fit(value: Any) -> Any:
            if value is None and nullable:
                return None
            if len(fits) == 1:
                return fits[0](value)
            for name, one in zip(names, fits, strict=True):
                try:
                    found = one(value)
                except NoFit:
                    continue
                return found if name is None else (name, found)
            raise NoFit(f"{_shown(value)} is of none of its types")

        return fit


def _full_name(schema: Mapping[str, Any], space: str) -> str:
    name = str(schema["name"])
    space = schema.get("namespace") or space
    return name if "." in name or not space else f"{space}.{name}"


def _name_in_union(schema: Any, space: str) -> str | None:
    named = isinstance(schema, dict) and schema.get("type") in ("record", "error")
    return _full_name(schema, space) if named else None


def _record(value: Any, fits: Mapping[str, Fit], defaults: set[str], name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise NoFit(f"{_shown(value)} is no object")
    if unknown := next((one for one in value if one not in fits), None):
        raise NoFit(f"the schema {name} has no such field", str(unknown))
    found = {}
    for field, fit in fits.items():
        if field not in value and field in defaults:
            continue
        try:
            found[field] = fit(value.get(field))
        except NoFit as problem:
            missing = field not in value and problem.path == ""
            raise (NoFit("it is missing", field) if missing else problem.inside(field)) from None
    return found


def _array(fit: Fit) -> Fit:
    def items(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise NoFit(f"{_shown(value)} is no array")
        found = []
        for number, one in enumerate(value):
            try:
                found.append(fit(one))
            except NoFit as problem:
                raise problem.inside(str(number)) from None
        return found

    return items


def _map(fit: Fit) -> Fit:
    def values(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise NoFit(f"{_shown(value)} is no object")
        found = {}
        for name, one in value.items():
            try:
                found[name] = fit(one)
            except NoFit as problem:
                raise problem.inside(name) from None
        return found

    return values


def _null(value: Any) -> None:
    if value is not None:
        raise NoFit(f"{_shown(value)} is not null")


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise NoFit(f"{_shown(value)} is neither true nor false")
    return value


def _whole(kind: str) -> Fit:
    low, high = _RANGES[kind]

    def whole(value: Any) -> int:
        if type(value) is not int:
            raise NoFit(f"{_shown(value)} is no whole number")
        if not low <= value <= high:
            raise NoFit(f"{value} is too large for {kind}")
        return value

    return whole


def _number(value: Any) -> float:
    if type(value) not in (int, float):
        raise NoFit(f"{_shown(value)} is no number")
    try:
        return float(value)
    except OverflowError:
        raise NoFit(f"{value} is too large for double") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise NoFit(f"{_shown(value)} is no text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NoFit("it has half a character, which UTF-8 cannot write") from None
    return value


def _octets(value: Any) -> bytes:
    try:
        return base64.b64decode(_text(value), validate=True)
    except binascii.Error:
        raise NoFit(f"{_shown(value)} is no base64") from None


def _fixed(value: Any, size: int) -> bytes:
    octets = _octets(value)
    if len(octets) != size:
        raise NoFit(f"it has {len(octets)} bytes, {size} are expected")
    return octets


def _one_of(value: Any, symbols: frozenset[str]) -> str:
    if value not in symbols:
        raise NoFit(f"{_shown(value)} is none of {', '.join(sorted(symbols))}")
    return str(value)


def _decimal(schema: Mapping[str, Any]) -> Fit:
    scale, precision = schema.get("scale", 0), schema["precision"]

    def number(value: Any) -> decimal.Decimal:
        # A number with a fraction is a binary one by now: only texts are exact.
        if not isinstance(value, str) and type(value) is not int:
            raise NoFit(f'{_shown(value)} is no decimal: a text is expected, as "12.30"')
        try:
            found = decimal.Decimal(value)
        except decimal.InvalidOperation:
            raise NoFit(f"{_shown(value)} is no decimal") from None
        exponent = found.as_tuple().exponent
        if not isinstance(exponent, int) or -exponent > scale or found.adjusted() + 1 + scale > precision:
            raise NoFit(f"{_shown(value)} does not fit DECIMAL({precision}, {scale})")
        return found

    return number


def _date(_schema: Mapping[str, Any]) -> Fit:
    def date(value: Any) -> datetime.date:
        try:
            return datetime.date.fromisoformat(_text(value))
        except ValueError:
            raise NoFit(f"{_shown(value)} is no date, as 2026-03-25") from None

    return date


def _uuid(_schema: Mapping[str, Any]) -> Fit:
    return _text


def _json(_schema: Mapping[str, Any]) -> Fit:
    return lambda value: msgspec.json.encode(value).decode()


_PRIMITIVE: dict[str, Fit] = {
    "null": _null,
    "boolean": _boolean,
    "int": _whole("int"),
    "long": _whole("long"),
    "float": _number,
    "double": _number,
    "string": _text,
    "bytes": _octets,
}
_LOGICAL: dict[str | None, Callable[[Mapping[str, Any]], Fit]] = {
    "decimal": _decimal,
    "date": _date,
    "uuid": _uuid,
    "json": _json,
}


def _shown(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else text[:59] + "…"
