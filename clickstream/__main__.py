"""`python -m clickstream`: the umbrella command."""

from clickstream.cli import process

process()
