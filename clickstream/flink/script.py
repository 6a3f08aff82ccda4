"""A file of SQL as Flink gets it: settings, definitions, and one job that does all its INSERTs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clickstream.errors import ClickstreamError
from clickstream.kafka.clients import Cluster
from clickstream.tables.sql.check import VARIABLES, Checked
from clickstream.tables.sql.dialect import parse
from clickstream.tables.sql.model import Program
from clickstream.tables.sql.nodes import InsertNode, SetNode

# The connector has the Kafka client's classes under names of its own.
_LOGINS = "org.apache.flink.kafka.shaded.org.apache.kafka.common.security"


@dataclass(frozen=True, eq=False)
class Script:
    """`definitions` are CREATE statements and `job` the INSERTs, each with the text that the file has.

    The INSERTs of a file become one job, also those outside of a statement set, as our own engine runs them:
    every topic is read once, and one savepoint holds the state of the file.
    """

    name: str
    settings: Mapping[str, str]
    definitions: tuple[str, ...]
    job: str
    program: Program


def variables(cluster: Cluster, path: Path, *, bounded: bool, given: Mapping[str, str]) -> dict[str, str]:
    """What `${NAME}` stands for in a file that works on `cluster`; what is given wins.

    `bounded`: reading ends at what is there when it begins.
    """
    common = cluster.common
    mechanism = str(common.get("sasl.mechanism") or common.get("sasl.mechanisms") or VARIABLES["SASL_MECHANISM"])
    return {
        **VARIABLES,
        "BOOTSTRAP_SERVERS": cluster.address,
        "GROUP_ID": f"clickstream-flink-{path.stem}",
        **({"BOUNDED": "latest-offset", "REF_IDLE": "0 s"} if bounded else {}),
        "SECURITY_PROTOCOL": str(common.get("security.protocol", "PLAINTEXT")).upper(),
        "SASL_MECHANISM": mechanism,
        "SASL_JAAS_CONFIG": _login(mechanism, common),
        **given,
    }


def _login(mechanism: str, common: Mapping[str, object]) -> str:
    """The value of sasl.jaas.config for a user's name and password; "" without them."""
    if "sasl.username" not in common or "sasl.password" not in common:
        return ""
    module = "plain.PlainLoginModule" if mechanism == "PLAIN" else "scram.ScramLoginModule"
    user, password = (_quoted(str(common[name])) for name in ("sasl.username", "sasl.password"))
    return f"{_LOGINS}.{module} required username={user} password={password};"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def script(checked: Checked) -> Script:
    """The script of a file without problems. Raises ClickstreamError when it has no INSERT."""
    source = checked.source
    settings: dict[str, str] = {}
    definitions: list[str] = []
    jobs: list[str] = []  # statements that start a job
    inserts: list[str] = []  # what they insert, one by one
    for statement in checked.statements:
        members = [source.text[span.start : span.end] for span in statement.members]
        tree = parse(members[0]) if members else None
        if isinstance(tree, SetNode):
            settings[tree.this.name] = tree.expression.name
        elif isinstance(tree, InsertNode):
            jobs.append(statement.text)
            inserts += members
        else:
            definitions.append(statement.text)
    if not inserts:
        raise ClickstreamError(f"{source.name} has no INSERT INTO: there is nothing to run.")
    job = jobs[0] if len(jobs) == 1 else _statement_set(inserts)
    return Script(Path(source.name).name, settings, tuple(definitions), job, checked.program)


def _statement_set(inserts: list[str]) -> str:
    # A line break before each semicolon: an INSERT may end with a comment.
    return "EXECUTE STATEMENT SET BEGIN\n" + "".join(f"{insert}\n;\n" for insert in inserts) + "END"
