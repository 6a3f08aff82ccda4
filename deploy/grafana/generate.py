"""Write the dashboards' files, by Grafana's own types (grafana-foundation-sdk), or check that they are fresh.

python -m deploy.grafana.generate          writes them
python -m deploy.grafana.generate --check  exits 1 and names the stale files
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.clicks import clicks
from deploy.grafana.health import health

FOLDER = Path(__file__).resolve().parent / "dashboards"
DASHBOARDS: Mapping[str, Callable[[], build.Dashboard]] = {"clicks.json": clicks, "health.json": health}


def text_of(name: str) -> str:
    """What a file of DASHBOARDS is to hold. Panels have the numbers of their places: links to them stay."""
    made = DASHBOARDS[name]().build()
    for number, panel in enumerate(made.panels or (), 1):
        panel.id_val = number
    return json.dumps(made, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def stale() -> list[Path]:
    """Files that are not what they are to be."""
    texts = {FOLDER / name: text_of(name) for name in DASHBOARDS}
    return [path for path, text in texts.items() if not path.exists() or path.read_text("utf-8") != text]


def main(check: bool) -> int:
    """Write them, or only tell which would be written."""
    found = stale()
    for path in found:
        print(f"{'stale' if check else 'written'}: {path}")
        if not check:
            path.write_text(text_of(path.name), "utf-8")
    return 1 if check and found else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
