"""Reading what peers print, choosing what to read, and the place of results in the document."""

import pytest

from bench.programs import Inputs, Wrong, records_read
from bench.report import DOCUMENT, replaced
from clickstream.errors import ClickstreamError


def test_the_records_that_consumer_performance_read() -> None:
    headings = "start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec"
    figures = "2026-01-02 03:04:05:678, 2026-01-02 03:04:06:789, 35.9, 29.1, 300000, 243111.8"
    assert records_read(f"{headings}\n{figures}\n") == 300_000


def test_consumer_performance_that_read_nothing() -> None:
    with pytest.raises(Wrong, match="WARNING: Exiting before"):
        records_read("WARNING: Exiting before consuming the expected number of records\n")


def test_the_smallest_topic_that_holds_enough() -> None:
    inputs = Inputs({1_000: "few", 50_000: "many"}, {})
    assert [inputs.size_for(count) for count in (300, 1_000, 3_000)] == [1_000, 1_000, 50_000]


def test_a_block_of_the_document_is_replaced_and_nothing_else() -> None:
    document = "# Title\n<!-- bench:a -->\nold\n<!-- /bench:a -->\n<!-- bench:b -->\nb\n<!-- /bench:b -->\nend\n"
    found = replaced(document, "bench:a", "new")
    assert (
        found == "# Title\n<!-- bench:a -->\n\nnew\n\n<!-- /bench:a -->\n<!-- bench:b -->\nb\n<!-- /bench:b -->\nend\n"
    )
    assert replaced(found, "bench:a", "new") == found


@pytest.mark.parametrize("document", ["", "<!-- bench:a -->\n", "<!-- /bench:a -->\n"])
def test_a_document_without_the_block_is_an_error(document: str) -> None:
    with pytest.raises(ClickstreamError, match="has no block"):
        replaced(document, "bench:a", "new")


@pytest.mark.parametrize("name", ["bench:heart", "bench:heart-warm", "bench:latency"])
def test_the_document_has_the_blocks(name: str) -> None:
    assert replaced(DOCUMENT.read_text("utf-8"), name, "new")
