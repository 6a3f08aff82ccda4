"""Rows to records, by the rules of Flink's JSON format, and none twice."""
