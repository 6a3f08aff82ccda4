"""A JVM of Flink's: the Java and the jars it runs on, its options, its configuration and its log."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from clickstream.files import replace_text
from clickstream.flink import JAR_SET
from clickstream.java import jars, runtime
from clickstream.java.complaints import REFUSED, REFUSED_REMEDY, complaints, lines_of
from clickstream.java.runtime import Java

NEWEST_JAVA = 21  # that this Flink is released for

# What Flink's own scripts give to Java 17 and newer (env.java.opts.all in its config.yaml).
_EXPORTS = ("java.rmi/sun.rmi.registry", "java.security.jgss/sun.security.krb5")
_OPENS = (
    *("java.base/java." + package for package in ("lang", "net", "io", "nio", "lang.reflect", "text", "time", "util")),
    *("java.base/java.util.concurrent" + package for package in ("", ".atomic", ".locks")),
    "java.base/sun.nio.ch",
)
_OPTIONS = (
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    *(f"--add-exports={name}=ALL-UNNAMED" for name in _EXPORTS),
    *(f"--add-opens={name}=ALL-UNNAMED" for name in _OPENS),
)

_LOG_FILE = "flink.log"
_LOG_CONFIG = "log4j.properties"
# Names of files are relative to the JVM's directory: here, as in Flink's lists of directories, some characters of a
# path would be taken for syntax. The jobs' changes of state have a file of their own: it says why a job failed.
_LOG = """\
status=error
rootLogger.level=info
rootLogger.appenderRef.file.ref=file
appender.file.type=RollingFile
appender.file.name=file
appender.file.fileName=flink.log
appender.file.filePattern=flink.log.%i
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d{yyyy-MM-dd HH:mm:ss.SSS} %p %m (%c{1})%n%throwable
appender.file.policies.type=Policies
appender.file.policies.size.type=SizeBasedTriggeringPolicy
appender.file.policies.size.size=10MB
appender.file.strategy.type=DefaultRolloverStrategy
appender.file.strategy.max=2
logger.jobs.name=org.apache.flink.runtime.executiongraph.ExecutionGraph
logger.jobs.level=info
logger.jobs.appenderRef.jobs.ref=jobs
appender.jobs.type=RollingFile
appender.jobs.name=jobs
appender.jobs.fileName=flink.log.jobs
appender.jobs.filePattern=flink.log.jobs.%i
appender.jobs.layout.type=PatternLayout
appender.jobs.layout.pattern=%d{yyyy-MM-dd HH:mm:ss.SSS} %p %m%n%throwable
appender.jobs.policies.type=Policies
appender.jobs.policies.size.type=SizeBasedTriggeringPolicy
appender.jobs.policies.size.size=10MB
appender.jobs.strategy.type=DefaultRolloverStrategy
appender.jobs.strategy.max=1
"""

# In the log of jobs; the stack trace goes up to the next line with a time.
_FAILED = re.compile(r"switched from state \w+ to FAILED\.\n(.*?)(?=^\d{4}-\d\d-\d\d |\Z)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Runtime:
    """What every Flink JVM is made of."""

    java: Java
    jars: tuple[Path, ...]

    def connectors(self, *, avro: bool) -> list[Path]:
        """The jars that a cluster needs beside its own Flink: the Kafka connector, for `avro` the format, too."""
        names = ("flink-sql-connector-kafka", *(("flink-sql-avro-confluent-registry",) if avro else ()))
        return [next(path for path in self.jars if path.name.startswith(name)) for name in names]

    def command(self, directory: Path, main: str, options: Iterable[str], *arguments: str) -> list[str]:
        """The command line of class `main`, configured in `directory` and to be started there."""
        return [
            str(self.java.path),
            *_OPTIONS,
            *options,
            f"-Dlog4j2.configurationFile={_LOG_CONFIG}",
            f"-Djava.io.tmpdir={directory / 'tmp'}",  # absolute: native libraries are loaded from it
            "-cp",
            ":".join(map(str, self.jars)),
            main,
            *arguments,
        ]


def find(java_setting: str, notify: Callable[[str], None]) -> Runtime:
    """Java and Flink's jars, which are downloaded unless they are here. Raises ClickstreamError without them."""
    found = runtime.find(java_setting)
    if java_setting == "auto" and found.version > NEWEST_JAVA:
        found = runtime.find("wheel")
    return Runtime(found, tuple(jars.ensure(JAR_SET, notify)))


def configure(directory: Path, settings: Mapping[str, object]) -> None:
    """Make `directory` what FLINK_CONF_DIR and the command line name. Raises OSError."""
    (directory / "tmp").mkdir(parents=True, exist_ok=True)
    own = {"io.tmp.dirs": "tmp", "blob.storage.directory": "tmp"}
    lines = [f"{key}: {_yaml(value)}\n" for key, value in {**settings, **own}.items()]
    replace_text(directory / "config.yaml", "".join(lines))
    replace_text(directory / _LOG_CONFIG, _LOG)


def _yaml(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def log_file(directory: Path) -> Path:
    """What Flink logs, in the working directory of its JVM."""
    return directory / _LOG_FILE


def console_file(directory: Path) -> Path:
    """What the JVM prints: the reasons why Java itself did not start."""
    return directory / "console.log"


def last_failure(directory: Path) -> str:
    """The stack trace of the last job that failed in the JVM of `directory`; "" if none did."""
    try:
        found = _FAILED.findall((directory / f"{_LOG_FILE}.jobs").read_text("utf-8", "replace"))
    except FileNotFoundError:
        return ""
    return str(found[-1]) if found else ""


def last_words(directory: Path) -> str:
    """Why the JVM of `directory` ended: that it refused its options, or the last lines that it printed, or else
    logged as errors; in one line.
    """
    for path, level in ((console_file(directory), ""), (log_file(directory), " ERROR ")):
        try:
            text = path.read_text("utf-8", "replace")
        except FileNotFoundError:
            continue
        if (refused := complaints(text)).startswith(REFUSED):
            return f"{refused}. {REFUSED_REMEDY}".rstrip(".")
        said = [line for line in lines_of(text) if level in line]
        if said:
            return " | ".join(said[-2:])[-400:].rstrip(".")
    return "it said nothing"
