from confluent_kafka.admin import AdminClient


def test_the_session_broker_answers(kafka: str) -> None:
    assert AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=5).brokers
