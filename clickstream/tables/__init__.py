"""Streaming tables: files of Flink SQL (`sql`), run on this machine (`engine`)."""
