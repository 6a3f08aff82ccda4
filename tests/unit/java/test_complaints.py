import pytest

from clickstream.java.complaints import REFUSED, complaints

REFUSAL = """\
Picked up JAVA_TOOL_OPTIONS: -XX:+Nonsense
Unrecognized VM option 'Nonsense'
Error: Could not create the Java Virtual Machine.
Error: A fatal exception has occurred. Program will exit.
"""


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        (REFUSAL, f"{REFUSED}: Unrecognized VM option 'Nonsense'"),
        ("Error: Could not create the Java Virtual Machine.\n", f"{REFUSED}: it does not say which"),
        ("Exception in x: y\n\tat a.b\n\nmore\nand more\nlast\n", "Exception in x: y | more | and more"),
        ("Picked up JAVA_TOOL_OPTIONS: -Dx=y\n", ""),
        ("NOTE: Picked up JDK_JAVA_OPTIONS: -Dx=y\nwhat it says\n", "what it says"),
        ("", ""),
    ],
)
def test_what_a_jvm_said_in_one_line(printed: str, said: str) -> None:
    assert complaints(printed) == said
