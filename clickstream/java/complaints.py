"""What a JVM printed before it ended, in one line."""

REFUSED = "Java refuses its options"
REFUSED_REMEDY = "Unset JAVA_TOOL_OPTIONS and JDK_JAVA_OPTIONS if they are set, or set CLICKSTREAM_JAVA=wheel."

_NOT_CREATED = "Error: Could not create the Java Virtual Machine."
_EMPTY = (_NOT_CREATED, "Error: A fatal exception has occurred. Program will exit.")
_NOTES = ("Picked up ", "NOTE: Picked up ")  # of JAVA_TOOL_OPTIONS, of JDK_JAVA_OPTIONS
_MOST = 3  # lines


def complaints(text: str) -> str:
    """The lines of `text` that say something, the first three; "" if there are none.

    They begin with REFUSED when Java ended because of an option, ours or one in the environment.
    """
    lines = lines_of(text)
    said = [line for line in lines if line not in _EMPTY]
    one = " | ".join(said[:_MOST]).rstrip(".")
    return f"{REFUSED}: {one or 'it does not say which'}" if _NOT_CREATED in lines else one


def lines_of(text: str) -> list[str]:
    """Those that say something, without the places of exceptions, and what Java tells of the environment."""
    lines = [line.strip() for line in text.splitlines() if not line.startswith("\tat ")]
    return [line for line in lines if line and not line.startswith(_NOTES)]
