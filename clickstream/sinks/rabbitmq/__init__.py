"""Rows as messages of RabbitMQ, each confirmed before its offset moves on."""
