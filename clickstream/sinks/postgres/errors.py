"""What a PostgreSQL error means for a sink: the table of SQLSTATE classes.

https://www.postgresql.org/docs/current/errcodes-appendix.html. A class that is not here stops the sink: better than to
wait for ever for what does not pass, or to set aside rows that nothing is wrong with.
"""

import re

import psycopg

from clickstream.errors import ClickstreamError
from clickstream.sinks.target import Away, Refused

# 08 connection, 53 resources (disk full), 57 operator (shutdown, starting up), 40 deadlock, 55 locked.
AWAY = frozenset({"08", "53", "57", "40", "55"})
# 25 is about transactions: these three say that the server takes no writes, or took the connection away.
AWAY_STATES = frozenset({"25006", "25P03", "25P04"})
# 21 a key twice, 22 a value out of range, 23 a constraint, 54 too long for an index, 44 a view's condition; P0001 is
# what a trigger of the table's owner raises.
REFUSED = frozenset({"21", "22", "23", "54", "44"})
REFUSED_STATES = frozenset({"P0001"})

# Of a connection that is not made libpq tells no SQLSTATE, only texts. What does not pass by itself:
_WRONG = re.compile(
    r"authentication failed|no password supplied|no pg_hba\.conf entry|permission denied for database"
    r"|(database|role|user) \"?.*\"? does not exist|is not permitted to log in|unsupported frontend protocol"
    r"|root certificate file|certificate verify failed|does not support SSL"
)
_COLUMN = re.compile(r"^COPY .*?, line \d+, column ([^\n]+?)(?::|$)", re.MULTILINE)


def translated(error: psycopg.Error, where: str) -> Exception:
    """What to raise for an error of a statement: Away, Refused, or a ClickstreamError that says what to do."""
    state = error.sqlstate
    if state is None:
        # It is no answer of the server. This is what a connection that is lost says.
        if isinstance(error, psycopg.OperationalError):
            return Away(f"{where} does not answer: {_first_line(str(error))}")
        return ClickstreamError(f"{where}: {_first_line(str(error))}. Nothing was written.")
    reason = _first_line(error.diag.message_primary or str(error))
    if state[:2] in AWAY or state in AWAY_STATES:
        return Away(f"{where} takes nothing just now ({state}: {reason})")
    if state[:2] in REFUSED or state in REFUSED_STATES:
        return Refused(state, reason, _column(error))
    return ClickstreamError(f"{where} says {state}: {reason}. {_remedy(state)}")


def not_connected(error: psycopg.Error, where: str) -> ClickstreamError:
    """What to raise when a connection is not made: Away, or a ClickstreamError for what does not pass by itself."""
    # The texts name host, port, user and database, and never the password.
    text = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    text = text.removeprefix("connection failed: ")
    if _WRONG.search(text):
        return ClickstreamError(f"{where} does not let the sink in: {text}. Check the DSN, its user and its rights.")
    return Away(f"{where} is not reached: {text}")


def _remedy(state: str) -> str:
    if state == "42501":
        return "Have its owner GRANT this right to the sink's user; `sink plan postgres` names all that are missing."
    if state == "42P01":
        return "Was the table dropped? Start the sink again with --reset: it makes it and fills it from the start."
    if state == "42703":
        return "Was the column dropped? Start the sink again; --evolve add adds it."
    if state[:2] == "42":
        return "Its table may have another shape than the rows: see `sink plan postgres`."
    if state[:2] in ("28", "3D", "3F"):
        return "Check the DSN: user, password, database and --schema."
    return "The sink does not know whether this passes by itself; nothing was written. Mend it and start again."


def _column(error: psycopg.Error) -> str | None:
    if error.diag.column_name:
        return error.diag.column_name
    found = _COLUMN.search(error.diag.context or "")
    return found[1].strip('"') if found else None


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0].rstrip(".") if text.strip() else "no reason given"
