"""How a program is run."""

from dataclasses import dataclass
from pathlib import Path

DAY_S = 86_400.0

RESET = "--reset forgets the state and what was written, and reads the topics from the start again."


@dataclass(frozen=True)
class EngineOptions:
    """`changes`: early rows too, at most every `early_interval` s. `idle_timeout` (s): None leaves it to the file.

    `unknown_waits`: records wait for a schema of Avro that the registry does not know; otherwise they are dead letters.
    `auto_register`: schemas of results that it does not have are registered; `how_to_register` is the command for it.
    """

    name: str
    state_dir: Path
    group: str
    dead_letter_topic: str
    late_topic: str | None = None
    changes: bool = False
    early_interval: float = 1.0
    idle_timeout: float | None = None
    max_ahead: float = DAY_S
    exit_at_end: bool = False
    memory_limit: str = "512MB"
    threads: int = 1
    unknown_waits: bool = True
    auto_register: bool = False
    how_to_register: str = ""
    text: str = ""  # the file, without secrets, for who watches
