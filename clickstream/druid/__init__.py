"""Apache Druid, which reads topics by itself: how far its supervisors are, beside what Kafka still holds."""
