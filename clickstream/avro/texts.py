"""Records as JSON for typed columns: texts stand for what JSON has no other way to write, as in tables' JSON format."""

import datetime
import math
from collections.abc import Callable, Collection, Mapping

import msgspec

from clickstream.avro.codec import Decoder

_EPOCH = datetime.datetime(1970, 1, 1)


def reader(decoder: Decoder, zones: Mapping[str, str], doubles: Collection[str] = ()) -> Callable[[bytes], bytes]:
    """A function as Decoder.to_json, for columns of times and of DOUBLE.

    Fields of `zones` that are points in time are texts; `zones` has what ends them: "Z" for a column with a zone, ""
    for one without. NaN and infinities in the fields `doubles` are texts, too.
    """
    if not zones and not doubles:
        return decoder.to_json

    def read(value: bytes) -> bytes:
        record, per_ms = decoder.record(value)
        for name, zone in zones.items():
            moment = record.get(name)
            if type(moment) is int and name in per_ms:
                record[name] = time_text(moment // per_ms[name], zone)
        for name in doubles:
            number = record.get(name)
            if type(number) is float and not math.isfinite(number):
                record[name] = "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
        return msgspec.json.encode(record)

    return read


def time_text(ms: int, zone: str) -> str | int:
    """`2020-03-25 19:05:49.123` and the zone; a number that is no time of a year from 1 to 9999 stays one."""
    try:
        moment = _EPOCH + datetime.timedelta(milliseconds=ms)
    except OverflowError:
        return ms
    return f"{moment.isoformat(' ', 'milliseconds')}{zone}"
