"""Records to rows, by the rules of Flink's JSON format."""
