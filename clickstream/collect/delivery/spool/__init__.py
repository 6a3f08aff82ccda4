"""The spool: files that hold what Kafka does not take now.

Each worker has a folder of its own below the spool's folder, and keeps its lock as long as it lives; the folder of a
worker that is dead is taken over by another one. A folder has segments, which are only appended to, and read from the
oldest on; how far they are delivered is in a file that is replaced as a whole.
"""
