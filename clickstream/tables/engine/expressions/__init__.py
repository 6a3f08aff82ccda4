"""Expressions of Flink SQL as DuckDB's SQL, with Flink's answers."""
