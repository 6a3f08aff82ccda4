"""Files of Flink SQL, read, checked and described for an engine to run."""
