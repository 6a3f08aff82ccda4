"""What is in a topic of results in the end."""

import numpy as np

from bench.final_rows import Hashes, Rows, of_stream, of_table


def hashes(*values: str | None) -> Hashes:
    return np.array([hash(value) for value in values], np.int64)


def test_every_record_of_a_stream_is_a_row() -> None:
    assert of_stream(hashes("k", "k"), hashes("v", "v")).count == 2


def test_the_last_record_of_a_key_is_its_row() -> None:
    assert of_table(hashes("a", "b", "a"), hashes("1", "2", "3")) == of_table(hashes("b", "a"), hashes("2", "3"))


def test_a_record_without_a_value_deletes_its_row() -> None:
    assert of_table(hashes("a", "b", "a"), hashes("1", "2", None)) == of_table(hashes("b"), hashes("2"))


def test_the_order_of_rows_does_not_matter() -> None:
    assert of_stream(hashes("a", "b"), hashes("1", "2")) == of_stream(hashes("b", "a"), hashes("2", "1"))


def test_other_values_are_other_rows() -> None:
    assert of_stream(hashes("a", "b"), hashes("1", "2")) != of_stream(hashes("a", "b"), hashes("2", "1"))
    assert of_stream(hashes("a"), hashes("1")) != of_stream(hashes("1"), hashes("a"))


def test_nothing_is_no_row() -> None:
    assert of_table(hashes(), hashes()) == Rows(0, 0)


def test_partitions_add_up() -> None:
    both = of_stream(hashes("a", "b"), hashes("1", "2"))
    assert of_stream(hashes("a"), hashes("1")) + of_stream(hashes("b"), hashes("2")) == both
