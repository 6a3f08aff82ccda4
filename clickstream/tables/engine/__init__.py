"""Runs checked SQL on DuckDB: Kafka to micro-batches to Kafka, state and offsets in one transaction."""
