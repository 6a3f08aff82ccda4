import pytest
from pytest_mock import MockerFixture

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.records import CounterState
from clickstream.tally import reset as module
from clickstream.tally.reset import reset
from tests.unit.tally.doubles import OPTIONS, FakeStates, FakeTopic, state


class Source(FakeTopic):
    running = 0

    def members(self, group: str) -> int:
        assert group == OPTIONS.group
        return self.running

    def partitions(self) -> int:
        return 2

    def close(self) -> None:
        pass


class States(FakeStates):
    """Notes in which order it is written to."""

    def __init__(self, *written: CounterState) -> None:
        super().__init__(*written)
        self.heard: list[tuple[str, list[CounterState]]] = []

    def open(self) -> None:
        self.catch_up()

    def save(self, states: list[CounterState]) -> None:
        if self.problem is not None:
            raise self.problem
        self.heard.append(("save", list(states)))

    def forget(self, states: list[CounterState]) -> None:
        self.heard.append(("forget", list(states)))

    def close(self) -> None:
        pass


@pytest.fixture
def source(mocker: MockerFixture) -> Source:
    found = Source()
    mocker.patch.object(
        module, "GroupTopic", lambda _cluster, topic, remedy: found if topic == OPTIONS.from_topic else None
    )
    return found


@pytest.fixture
def states(mocker: MockerFixture) -> States:
    found = States(state(0, 5, epoch=3), state(1, 7, epoch=3), state(2, 9, epoch=2))
    mocker.patch.object(module, "StateLog", return_value=found)
    return found


@pytest.fixture
def cluster(mocker: MockerFixture) -> Cluster:
    mocker.patch.object(module, "Sender")
    return mocker.Mock(spec=Cluster)  # type: ignore[no-any-return]


def test_every_partition_begins_anew_in_the_next_epoch(source: Source, states: States, cluster: Cluster) -> None:
    source.first = 4
    assert reset(cluster, OPTIONS) == 4
    assert states.heard[0] == ("save", [state(number, 4, epoch=4, counts={}) for number in (0, 1)])


def test_the_old_states_are_forgotten_after_the_new_ones_are_saved(
    source: Source, states: States, cluster: Cluster
) -> None:
    reset(cluster, OPTIONS)
    assert [what for what, _ in states.heard] == ["save", "forget"]
    assert states.heard[1][1] == [state(0, 5, epoch=3), state(1, 7, epoch=3)]


def test_a_group_that_has_never_counted_can_start_over_too(source: Source, states: States, cluster: Cluster) -> None:
    states.written = []
    assert reset(cluster, OPTIONS) == 1


def test_what_counted_something_else_can_start_over(source: Source, states: States, cluster: Cluster) -> None:
    states.written = [state(0, 5, topic="other", topic_id="gone", version=9)]
    assert reset(cluster, OPTIONS) == 1
    assert states.heard[0][1][0].topic == OPTIONS.from_topic


def test_if_the_new_states_cannot_be_saved_the_old_ones_stay(
    source: Source, states: States, cluster: Cluster, mocker: MockerFixture
) -> None:
    mocker.patch.object(states, "save", side_effect=ClickstreamError("disk full"))
    with pytest.raises(ClickstreamError, match="disk full"):
        reset(cluster, OPTIONS)
    assert states.heard == []


@pytest.mark.parametrize(("running", "words"), [(1, "1 running member"), (3, "3 running members")])
def test_a_group_with_members_is_left_alone(
    source: Source, states: States, cluster: Cluster, running: int, words: str
) -> None:
    source.running = running
    with pytest.raises(ClickstreamError, match=rf"Group g has {words}\. Stop"):
        reset(cluster, OPTIONS)
    assert states.heard == []
