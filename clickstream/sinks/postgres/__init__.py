"""PostgreSQL as a sink's target: rows and offsets in one transaction."""
