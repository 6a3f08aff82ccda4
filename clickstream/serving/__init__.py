"""Serving HTTP: a socket that says who has its port, and granian within this process."""
