"""Fill the generated blocks of README.md and docs/*.md, or check that they are fresh.

python docs/generate.py          writes them
python docs/generate.py --check  exits 1 and names the stale files

A block stands between `<!-- generated: NAME -->` and `<!-- end -->`; NAME is `settings`, or `help COMMAND`.
"""

import re
import sys
from pathlib import Path

from click.testing import CliRunner

from clickstream.cli import clickstream
from clickstream.config import SETTINGS

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- generated: (?P<name>[^>]+?) -->\n).*?(<!-- end -->)", re.DOTALL)
WIDTH = 100


def generated(name: str) -> str:
    """The text of a block; raises ValueError for an unknown name."""
    if name == "settings":
        return _settings()
    kind, _, command = name.partition(" ")
    if kind == "help":
        return _help(command.split())
    raise ValueError(f"unknown generated block {name!r}")


def documents() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def fresh(text: str) -> str:
    """`text` with every generated block made anew."""
    return BLOCK.sub(lambda block: block[1] + generated(block["name"]) + block[3], text)


def _help(command: list[str]) -> str:
    result = CliRunner().invoke(clickstream, [*command, "--help"], prog_name="clickstream", terminal_width=WIDTH)
    if result.exit_code != 0:
        raise ValueError(f"no help for {command}: {result.output}")
    return f"```text\n{result.output.rstrip()}\n```\n"


def _settings() -> str:
    lines = ["| setting | default | environment variable | meaning |", "|---|---|---|---|"]
    for setting in SETTINGS.values():
        default = "max" if setting.default == float("inf") else setting.default
        shown = f"`{default}`" if default != "" else ""
        lines.append(f"| `{setting.name}` | {shown} | `{setting.environment}` | {setting.help} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    stale = []
    for path in documents():
        text = path.read_text("utf-8")
        wanted = fresh(text)
        if wanted != text:
            stale.append(path)
            if "--check" not in sys.argv:
                path.write_text(wanted, "utf-8")
    for path in stale:
        print(("stale: " if "--check" in sys.argv else "written: ") + str(path.relative_to(ROOT)))
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
