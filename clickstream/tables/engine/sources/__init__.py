"""The topics that tables are read from: one object for each, with its offsets, rows and time."""
