"""A Java runtime and verified jars for what runs on it: the embedded Kafka and Flink."""
