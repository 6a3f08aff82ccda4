import logging
from typing import Any

import pytest

from clickstream.tables.engine.fetching.process_main import forward_log


class Out(list[Any]):
    def send(self, item: Any) -> None:
        self.append(item)


def test_log_records_go_to_the_engine_without_a_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    logger = logging.getLogger("of the reading process")
    out: Any = Out()
    forward_log(out, {logger.name: logging.INFO})
    logger.debug("%d records", 1)
    logger.warning("%d records", 2, extra={"about": "records"})
    (record,) = out
    assert (record.getMessage(), record.levelno, record.about) == ("2 records", logging.WARNING, "records")
