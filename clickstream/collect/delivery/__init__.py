"""Delivery: what was taken of a request is with Kafka, or in the spool, before it is answered."""
