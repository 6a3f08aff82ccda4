"""The standard streams: what a shell left closed, what they cannot encode, and whether there is somebody to ask."""

import codecs
import io
import os
import sys

from clickstream.errors import ConfigError

_ESCAPING = "clickstream.escaping"


def set_up() -> None:
    """Make the standard streams fit to be used, before any other file is opened."""
    _open_closed()
    codecs.register_error(_ESCAPING, _escaped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ESCAPING)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    r"""What a terminal that is not UTF-8 has no character for, as \uXXXX: within JSON strings that is the same text."""
    import json  # rarely needed

    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def _open_closed() -> None:
    """Streams that the process was started without (`2>&-`) are None, and the next file opened gets their number.

    They become /dev/null, for child processes, too. It is opened for writing alone, also as standard input: that is not
    empty, reading it fails.
    """
    for name in ("stdin", "stdout", "stderr"):  # in the order of their numbers: each gets the lowest that is free
        if getattr(sys, name) is None:
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # as long as the process
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)


def on_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty()


def read_standard_input() -> bytes:
    """All of it, to its end; raises ConfigError when it cannot be read."""
    try:
        return sys.stdin.buffer.read()
    except io.UnsupportedOperation:
        raise ConfigError("Cannot read -: standard input is closed.") from None
    except OSError as error:
        raise ConfigError(f"Cannot read -: {error.strerror}.") from None
