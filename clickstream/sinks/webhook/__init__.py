"""Rows as posts over HTTP: alerts, each once."""
