"""The state of a file's tables: where it lies, what is in it, to which statements and which Kafka it belongs."""
