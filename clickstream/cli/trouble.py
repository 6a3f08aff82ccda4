"""What the operating system refused, in words: for errors that no part could say more about."""

import errno
import os
import resource

from clickstream.cli.output import discard_output
from clickstream.errors import ClickstreamError

_WRITING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def explained(error: OSError) -> ClickstreamError:
    """An error for people."""
    reason = error.strerror or str(error) or type(error).__name__
    if error.errno in (errno.EMFILE, errno.ENFILE):
        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return ClickstreamError(f"{reason}: {allowed} are allowed. Raise that (ulimit -n 1024) and run it again.")
    if error.filename is not None:
        return ClickstreamError(f"Cannot use {os.fsdecode(error.filename)}: {reason}.")
    if error.errno in _WRITING:  # whoever writes a file of ours says which
        discard_output()  # what is left of it would fail once more at exit
        return ClickstreamError(f"Cannot write to standard output: {reason}.")
    return ClickstreamError(f"The operating system refused something: {reason}.")
