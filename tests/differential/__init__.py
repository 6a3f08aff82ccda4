"""Streaming tables against a naive evaluation and against Apache Flink, on the same topics."""
