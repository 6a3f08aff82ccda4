"""Starting modules of ours in Python processes of their own."""

import os
import sys
import sysconfig
from pathlib import Path

_PACKAGES = Path(__file__).resolve().parents[1]  # the folder that this package is in


def command_for(module: str) -> list[str]:
    """The command line that runs a module of ours, to be started with environment().

    `-P`: what lies in the current folder, or beside the module, is not imported.
    """
    return [sys.executable, "-P", "-m", module]


def environment() -> dict[str, str]:
    """Ours, in which a child finds the package where this process has found it.

    It does so by itself unless it was found in the current folder, as with `python -m clickstream` in a checkout.
    """
    installed = str(_PACKAGES) in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
    if installed or sys.flags.safe_path:
        return dict(os.environ)
    paths = [str(_PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
