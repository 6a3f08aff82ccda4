"""A real-time clickstream platform on Apache Kafka."""

__version__ = "0.1.0"
