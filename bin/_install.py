"""Make .venv beside bin/ and install one pinned requirements file into it (standard library only).

A copy of the file, written last, marks a complete installation: an interrupted one is simply done again. `made-for`
says for which Python and which place .venv was made: moved, copied, or below another Python it does not work.
"""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
MADE_FOR = VENV / "made-for"
_PROGRAM = "import sys, sysconfig; print('%d.%d' % sys.version_info[:2]); print(sysconfig.get_path('purelib'))"


def say(line: str) -> None:
    print(f"clickstream: {line}", file=sys.stderr)


def python_of_venv() -> tuple[str, Path] | None:
    """Its version, 3.11 for example, and where its packages are; None if it does not run."""
    try:
        told = subprocess.run([PYTHON, "-I", "-c", _PROGRAM], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    version, purelib = told.splitlines()
    return version, Path(purelib)


def problem() -> str:
    """Why .venv has to be made (again); "" if it need not."""
    found = python_of_venv()
    if found is None:
        return "its Python does not run"
    version, purelib = found
    if not MADE_FOR.exists() or not purelib.is_dir():
        return "it is not complete, or of another Python"
    if MADE_FOR.read_text("utf-8") != f"{version} {ROOT}\n":
        return "it was made for another Python or another place"
    return ""


def make() -> None:
    why = problem()
    if not why:
        return
    say(f"making .venv again: {why}" if VENV.exists() else "making .venv")
    subprocess.run([sys.executable, "-I", "-m", "venv", "--clear", VENV], check=True)
    found = python_of_venv()
    if found is None:
        raise OSError(f"{PYTHON} does not run")
    version, purelib = found
    # The package is used from the checkout: no build step, and edits take effect at once.
    Path(purelib, "clickstream-checkout.pth").write_text(f"{ROOT}\n", "utf-8")
    MADE_FOR.write_text(f"{version} {ROOT}\n", "utf-8")


def install(requirements: str) -> None:
    wanted = ROOT / requirements
    marker = VENV / f"installed-{requirements}"
    if not problem() and marker.exists() and marker.read_bytes() == wanted.read_bytes():
        return  # another process finished while this one waited for the lock
    make()
    say(f"installing {requirements}")
    marker.unlink(missing_ok=True)
    pip = [PYTHON, "-I", "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "install", "--require-hashes", "--requirement", wanted], check=True, stdout=sys.stderr)
    partial = marker.with_suffix(".partial")
    shutil.copyfile(wanted, partial)
    partial.replace(marker)


def main() -> int:
    try:
        # Beside .venv, not inside: making .venv anew must not remove the lock.
        with open(ROOT / ".venv.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            install(sys.argv[1])
    except subprocess.CalledProcessError as error:
        say(
            f"{' '.join(map(str, error.cmd[2:4]))} failed with exit code {error.returncode} (see above). "
            "Check the network and the disk, then run the same command again."
        )
        return 1
    except OSError as error:
        say(f"cannot make {VENV}: {error.strerror or error}.")
        if isinstance(error, PermissionError):
            say(f"have its owner run the command once, or install it for yourself: pip install '{ROOT}[tables]'")
        return 1
    except KeyboardInterrupt:
        say("installation interrupted; run the same command again.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
