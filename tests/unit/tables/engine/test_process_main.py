import io
import logging
from typing import Any

import pytest

from clickstream.errors import ClickstreamError
from clickstream.kafka.statistics import LostBrokers
from clickstream.tables.engine.fetching.frames import receive
from clickstream.tables.engine.fetching.process import Failed
from clickstream.tables.engine.fetching.process_main import _Out, forward_log


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


@pytest.mark.parametrize(
    ("problem", "reason", "kind"),
    [
        (LostBrokers("There are none."), "There are none.", LostBrokers),
        (ClickstreamError("It is gone."), "It is gone.", ClickstreamError),
        (KeyError("name"), "KeyError: 'name'", RuntimeError),
    ],
)
def test_what_ends_reading_is_raised_by_the_engine(problem: Exception, reason: str, kind: type[Exception]) -> None:
    pipe = io.BytesIO()
    out = _Out(pipe)
    out.hand_over(problem)
    out.close()
    pipe.seek(0)
    told = receive(pipe)
    assert isinstance(told, Failed)
    assert (told.reason, told.kind) == (reason, kind)
