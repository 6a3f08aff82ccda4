"""How many files and connections this process may have open at once (ulimit -n)."""

import resource

from clickstream.errors import ClickstreamError

FOR_A_COMMAND = 512  # a demo has 130, and more with many partitions; libraries that get none abort or wait for ever
FOR_A_JVM = 1024  # jars, and three for each partition of a topic
_ENOUGH = 4096
_CONNECTIONS = 16_384  # of a server: at 30 kB each that is 500 MB


def allow() -> None:
    """Raise the soft limit to what the hard one allows, up to what is enough."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = _ENOUGH if hard == resource.RLIM_INFINITY else min(_ENOUGH, hard)
    if soft != resource.RLIM_INFINITY and soft < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))


def for_connections() -> int:
    """How many of them a server may keep for its connections: the others are for all else that it does."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if allowed == resource.RLIM_INFINITY:
        return _CONNECTIONS
    return min(_CONNECTIONS, max(allowed - FOR_A_COMMAND, allowed // 2))


def require(number: int, what: str) -> None:
    """Raises ClickstreamError when fewer are allowed; `what` needs them."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if allowed != resource.RLIM_INFINITY and allowed < number:
        raise ClickstreamError(
            f"{allowed} open files per process are allowed here, {what} needs {number:,}. "
            f"Raise that (ulimit -n {number}) and run the command again."
        )
