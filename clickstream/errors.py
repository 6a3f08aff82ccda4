"""Errors that a person is meant to read: what happened, where, and what to do next, in one or two lines.

The command line prints the message and exits with `exit_code`; a traceback is shown only with --verbose.
"""


class ClickstreamError(Exception):
    """A failure while working: exit code 1."""

    exit_code = 1


class ConfigError(ClickstreamError):
    """Bad usage or configuration, found before anything starts: exit code 2."""

    exit_code = 2
