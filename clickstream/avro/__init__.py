"""Avro with a schema registry, as Confluent's serializers write it: the wire format, the registry, JSON both ways."""
