"""Make .venv beside bin/ and install one pinned requirements file into it (standard library only).

A copy of the file, written last, marks a complete installation: an interrupted one is simply done again.
"""

import fcntl
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"


def install(requirements: str) -> None:
    wanted = ROOT / requirements
    marker = VENV / f"installed-{requirements}"
    if marker.exists() and marker.read_bytes() == wanted.read_bytes() and PYTHON.exists():
        return  # another process finished while this one waited for the lock
    complete_once = any(VENV.glob("installed-*")) and PYTHON.exists()
    if not complete_once:
        print("clickstream: making .venv", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
    print(f"clickstream: installing {requirements}", file=sys.stderr)
    marker.unlink(missing_ok=True)
    pip = [PYTHON, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "install", "--requirement", wanted], check=True, stdout=sys.stderr)
    purelib = sysconfig.get_path("purelib", "venv", {"base": str(VENV), "platbase": str(VENV)})
    # The package is used from the checkout: no build step, and edits take effect at once.
    Path(purelib, "clickstream-checkout.pth").write_text(f"{ROOT}\n")
    partial = marker.with_suffix(".partial")
    shutil.copyfile(wanted, partial)
    partial.replace(marker)


def main() -> int:
    # Beside .venv, not inside: making .venv anew must not remove the lock.
    with open(ROOT / ".venv.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            install(sys.argv[1])
        except subprocess.CalledProcessError as error:
            print(
                f"clickstream: {error.cmd[1:4]} failed with exit code {error.returncode} (see above). "
                "Check the network and the disk, then run the same command again.",
                file=sys.stderr,
            )
            return 1
        except KeyboardInterrupt:
            print("clickstream: installation interrupted; run the same command again.", file=sys.stderr)
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
