"""What lies where in the broker's state directory."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StateDir:
    """The paths below one state directory."""

    root: Path

    @property
    def data(self) -> Path:
        """Kafka's log.dirs."""
        return self.root / "data"

    @property
    def was_killed(self) -> bool:
        """Whether a Kafka ran on `data` and did not shut down in order, as long as none runs."""
        # The log in which brokers are registered; a marker that an orderly shutdown leaves and a start removes.
        ran = (self.data / "__cluster_metadata-0").exists()
        return ran and not (self.data / ".kafka_cleanshutdown").exists()

    @property
    def unfinished(self) -> Path:
        """Storage that is being formatted: it becomes `data` in one step."""
        return self.root / "data.new"

    @property
    def status_file(self) -> Path:
        """What the supervisor tells about itself (status.py)."""
        return self.root / "broker.json"

    @property
    def lease_lock(self) -> Path:
        """Held shared by everyone who uses the broker."""
        return self.root / "lease.lock"

    @property
    def supervisor_lock(self) -> Path:
        """Held exclusively by the supervisor for as long as it lives, and holding its pid."""
        return self.root / "supervisor.lock"

    @property
    def jvm_lock(self) -> Path:
        """Held exclusively by a JVM on `data` until it is dead: nothing formats or starts without it."""
        return self.root / "jvm.lock"

    @property
    def jvm_pid_file(self) -> Path:
        """Written by the process that holds jvm_lock."""
        return self.root / "jvm.pid"

    @property
    def pinned(self) -> Path:
        """Exists while the broker shall stay up without users."""
        return self.root / "pinned"

    @property
    def log_file(self) -> Path:
        """What Kafka logs, rotated."""
        return self.root / "kafka.log"

    @property
    def console_file(self) -> Path:
        """What the JVM prints besides, overwritten at each start."""
        return self.root / "jvm.out"

    @property
    def supervisor_log(self) -> Path:
        """What the supervisor did, and why."""
        return self.root / "supervisor.log"

    @property
    def properties(self) -> Path:
        """Kafka's configuration, written at each start."""
        return self.root / "server.properties"

    @property
    def log_config(self) -> Path:
        """The configuration of Kafka's log, written at each start."""
        return self.root / "log4j2.properties"

    @property
    def tmp(self) -> Path:
        """The JVM's java.io.tmpdir, emptied at each start: a killed JVM leaves its native libraries there."""
        return self.root / "tmp"
