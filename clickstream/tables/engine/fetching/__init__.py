"""Topics to batches of rows: a process beside the engine fetches and decodes."""
