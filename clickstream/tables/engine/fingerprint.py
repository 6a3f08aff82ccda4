"""What a state belongs to: the statements of a file, whatever their layout, comments and `${NAME}`s stand for."""

import re

from clickstream.tables.sql.check import Checked
from clickstream.tables.sql.source import is_blank, pieces

_NAMED = re.compile(r"(CREATE (?:TEMPORARY )?(?:TABLE|VIEW)|INSERT INTO|SET) (?:IF NOT EXISTS )?(\S+)", re.IGNORECASE)


def statements_of(checked: Checked) -> dict[str, str]:
    """Each statement by a name that a person knows it by."""
    found = {}
    for statement in checked.statements:
        for span in statement.members:
            source = checked.source
            original = source.original[source.origin(span.start) : source.origin(span.end)]
            text = " ".join(piece for _, piece in pieces(original) if not is_blank(piece))
            match = _NAMED.match(text)
            found[f"{match[1].upper()} {match[2]}" if match else text[:60]] = text
    return found
