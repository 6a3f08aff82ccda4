"""Sums of DOUBLE, added in one order whatever the batches were.

The last digits of a sum depend on the order in which it is added. Values are kept as a list until they are added:
first those of each partition in the order of their offsets, as Flink does at one partition, then the partitions in
theirs. So a row is the same after a crash, with other batches, and on Flink.

An entry of the list is {k, n, v}: the partition and where in it the value stands (`entry`), then the order in which
values of the same record arrived, and the value. Behind a join rows of one record come in any order, which `n` does not
tell then: their values are in that of their size. Added values are one entry for each partition, before all others.
"""

from clickstream.tables.engine.operators.operator import PARTITION_BITS, TABLE_BITS

# In the upper bits of `k` is the partition, and the table that it is of; below them there is room for any offset.
_BITS = 63 - PARTITION_BITS - TABLE_BITS
TYPE = "STRUCT(k BIGINT, n BIGINT, v DOUBLE)[]"
# A message that is a JSON array gives several rows with one offset.
CREATE_ARRIVALS = "CREATE TEMP SEQUENCE IF NOT EXISTS arrivals"


def entry(partition: str, offset: str, value: str, *, arrival: bool = True) -> str:
    """SQL of the entry for a row's value; `arrival`: rows come in the order of their arrival."""
    number = "nextval('arrivals')" if arrival else "0::BIGINT"
    return f"{{'k': {place(partition, offset)}, 'n': {number}, 'v': {value}}}"


def place(partition: str, offset: str) -> str:
    """SQL of a record's `k`."""
    return f"(coalesce({partition}, 0)::BIGINT << {_BITS}) + coalesce({offset}, 0) + 1"


def partition(place: str) -> str:
    """SQL of the partition in a `k`, and the table that it is of."""
    return f"({place} >> {_BITS})"


def together(lists: str) -> str:
    """SQL of an aggregate: all entries of a column's lists."""
    return f"flatten(list({lists}) FILTER ({lists} IS NOT NULL))"


def added(entries: str) -> str:
    """SQL of a list with the sum of each partition's entries; NULL stays NULL."""
    # A list of one is what SQL has for "let": the list is sorted once.
    one = _entry("s[1].k >> {bits}", _sum("s"))
    partitions = f"list_sort(list_distinct(list_transform(s, lambda x: x.k >> {_BITS})))"
    own = f"list_filter(s, lambda x: x.k >> {_BITS} = p)"
    several = f"list_transform({partitions}, lambda p: {_entry('p', _sum(own))})"
    chosen = f"CASE WHEN s[1].k >> {_BITS} = s[-1].k >> {_BITS} THEN [{one}] ELSE {several} END"
    return f"list_transform([list_sort({entries})], lambda s: {chosen})[1]"


def total(entries: str) -> str:
    """SQL of the sum; NULL of no entries."""
    return _sum(added(entries))


def placed(entries: str, first: str, then: str) -> str:
    """SQL of the entries at another place in their partition: by `first` (below 2^44), then by `then`."""
    place = f"{{'k': (x.k >> {_BITS} << {_BITS}) + {first}, 'n': {then}, 'v': x.v}}"
    return f"list_transform({entries}, lambda x: {place})"


def _sum(entries: str) -> str:
    # list_sum adds from the first to the last, as a loop would.
    return f"list_sum(list_transform({entries}, lambda x: x.v))"


def _entry(partition: str, value: str) -> str:
    return f"{{'k': {partition.format(bits=_BITS)} << {_BITS}, 'n': 0::BIGINT, 'v': {value}}}"
