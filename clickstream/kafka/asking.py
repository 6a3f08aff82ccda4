"""A client for questions that is replaced where it may never be answered again."""

import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from confluent_kafka import (
    OFFSET_INVALID,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not in its __all__
    AdminClient,
    ClusterMetadata,
    ConfigResource,
    OffsetSpec,
)
from confluent_kafka.cimpl import NewTopic

from clickstream.kafka.errors import error_of

log = logging.getLogger(__name__)

Key = TypeVar("Key", bound=Hashable)
Answers = Mapping[Key, "Future[Any]"]

# Before that, the client may well find another broker by itself, and a new one has to find the first again.
RENEWS_AFTER_S = 5.0
RENEWS_AFTER_QUESTIONS = 2


@dataclass(frozen=True)
class _Question:
    client: AdminClient
    asked_at: float
    answers: tuple["Future[Any]", ...]


class Admin:
    """What we use of librdkafka's AdminClient, with another one in its place where it may be dead.

    It is for ever where it has lost its last broker: after an answer that there are none, as of one that is fenced,
    it may forget its bootstrap servers, too (https://github.com/confluentinc/librdkafka/issues/5301, mended by pull
    request 5303). A connection that a frozen broker has held may be answered no more for a minute and longer. Neither
    shows but in that nothing is answered: after that the next question goes to a new client. Any thread may ask.
    """

    def __init__(self, make: Callable[[], AdminClient], clock: Callable[[], float] = time.monotonic) -> None:
        self._make = make
        self._clock = clock
        self._lock = threading.Lock()
        self._client = make()
        self._unanswered = 0  # questions since the last one that was answered
        self._unanswered_since = 0.0  # when the first of them was asked
        # A client that nobody holds ends before it answers.
        self._open: list[_Question] = []

    def poll(self, timeout: float) -> int:
        """Have the client log what it has to."""
        return self._client.poll(timeout)

    def list_topics(self, *, timeout: float) -> ClusterMetadata:
        """All topics and brokers. Raises KafkaException, also for an answer that there are no brokers: ask again."""
        asked_at, client = self._clock(), self._current()
        try:
            found = client.list_topics(timeout=timeout)
            if not found.brokers:
                raise KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN, "The cluster names no brokers"))
        except KafkaException as problem:
            with self._lock:
                self._note(client, asked_at, answered=not _is_silence(problem))
            raise
        with self._lock:
            self._note(client, asked_at, answered=True)
        return found

    # As AdminClient's; `options` are theirs. Answers come at the latest when the time for the question is over.

    def describe_topics(self, topics: TopicCollection, **options: Any) -> Answers[str]:
        return self._ask(lambda client: client.describe_topics(topics, **options))

    def list_offsets(self, places: dict[TopicPartition, OffsetSpec], **options: Any) -> Answers[TopicPartition]:
        return self._ask(lambda client: client.list_offsets(places, **options))

    def describe_configs(self, resources: list[ConfigResource], **options: Any) -> Answers[ConfigResource]:
        return self._ask(lambda client: client.describe_configs(resources, **options))

    def list_consumer_groups(self, **options: Any) -> "Future[Any]":
        return self._ask(lambda client: {"": client.list_consumer_groups(**options)})[""]

    def describe_consumer_groups(self, groups: list[str], **options: Any) -> Answers[str]:
        return self._ask(lambda client: client.describe_consumer_groups(groups, **options))

    def list_consumer_group_offsets(self, groups: list[ConsumerGroupTopicPartitions], **options: Any) -> Answers[str]:
        return self._ask(lambda client: client.list_consumer_group_offsets(groups, **options))

    def create_topics(self, topics: list[NewTopic], **options: Any) -> Answers[str]:
        return self._ask(lambda client: client.create_topics(topics, **options))

    def delete_topics(self, names: list[str], **options: Any) -> Answers[str]:
        return self._ask(lambda client: client.delete_topics(names, **options))

    def _ask(self, question: Callable[[AdminClient], Answers[Key]]) -> Answers[Key]:
        asked_at, client = self._clock(), self._current()
        answers = question(client)
        with self._lock:
            self._open.append(_Question(client, asked_at, tuple(answers.values())))
        return answers

    def _current(self) -> AdminClient:
        with self._lock:
            self._look_at_answers()
            silent_s = self._clock() - self._unanswered_since
            if self._unanswered >= RENEWS_AFTER_QUESTIONS and silent_s >= RENEWS_AFTER_S:
                log.debug("No answer for %.0f s: asking through a new client.", silent_s)
                self._unanswered = 0
                self._client = self._make()
            return self._client

    def _look_at_answers(self) -> None:
        done = [one for one in self._open if all(answer.done() for answer in one.answers)]
        for question in done:
            self._open.remove(question)
            self._note(question.client, question.asked_at, answered=_is_any_answer(question.answers))

    def _note(self, client: AdminClient, asked_at: float, *, answered: bool) -> None:
        if client is not self._client:
            return
        if answered:
            self._unanswered = 0
            return
        self._unanswered += 1
        if self._unanswered == 1:
            self._unanswered_since = asked_at


def _is_any_answer(answers: Iterable["Future[Any]"]) -> bool:
    for answer in answers:
        problem = answer.exception()
        # A partition whose leader does not answer has no offset, and no error.
        if not _is_silence(problem) if problem else getattr(answer.result(), "offset", None) != OFFSET_INVALID:
            return True
    return False


def _is_silence(problem: BaseException) -> bool:
    """Whether it is an error of the client's own: brokers' have codes above 0."""
    error = error_of(problem)
    return error is not None and error.code() < 0
