"""Where the metrics of a process are served."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Endpoint:
    """Port 0: they are not served."""

    host: str = "127.0.0.1"
    port: int = 0
