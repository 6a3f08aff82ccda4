"""Engines without Kafka, in milliseconds: topics in memory, batches and time that a test gives, crashes at an instant.

What runs is the real engine: its loop, its state in a DuckDB file, its writer, its reading of records' bytes.
"""

from clickstream.tables.engine.rig.rig import Instant, Rig
from clickstream.tables.engine.rig.topics import Crash, Record

__all__ = ["Crash", "Instant", "Record", "Rig"]
