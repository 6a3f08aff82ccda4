"""The Kafka client layer: building clients, reading batches, sending with every failure seen, dead letters."""
