"""The daily salts of cookieless visitors' ids: one file for all workers of a collector.

A day begins at midnight UTC, for every site. Its salt is made when it is first needed, is deleted 48 hours after the
day began. The salt of the day before is only for telling whose visit went on over midnight.
"""

import fcntl
import logging
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from clickstream.errors import ConfigError
from clickstream.files import replace_text

_log = logging.getLogger(__name__)

DAY_MS: Final = 86_400_000
KEPT_DAYS: Final = 2  # today and yesterday: 48 h from a salt's beginning to its end
SALT_BYTES: Final = 32
RETRY_MS: Final = 60_000
FILE: Final = "salts.json"

_decode: Final = msgspec.json.Decoder(dict[int, str]).decode


class Salts:
    """The salts in `folder`; None: in memory, for one process. Raises ConfigError when the folder cannot be used."""

    def __init__(self, folder: Path | None, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._folder = folder
        self._random = random
        self._salts: dict[int, bytes] = {}
        self._checked_day = -1
        self._failed_at: int | None = None
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                with _locked(folder):
                    _read(folder)
            except OSError as error:
                raise ConfigError(
                    f"Cannot keep the salts of visitors' ids in {folder}: {error.strerror or error}. Choose another "
                    "folder for the collector's state."
                ) from None

    def of(self, now: int) -> bytes:
        """The salt of the day that `now` (epoch ms) is in."""
        day = now // DAY_MS
        if day != self._checked_day:
            self.maintain(now)
        return self._salts[day]

    def before(self, now: int) -> bytes | None:
        """The salt of the day before, if there was one."""
        if now // DAY_MS != self._checked_day:
            self.maintain(now)
        return self._salts.get(now // DAY_MS - 1)

    def maintain(self, now: int) -> None:
        """Make the salt of the day if there is none, and delete those that are too old. Cheap within a day.

        A file that cannot be written is logged, and tried again a minute later: meanwhile this process has a salt of
        its own, and its cookieless visitors are not those of other workers.
        """
        day = now // DAY_MS
        if day == self._checked_day or (day in self._salts and self._failed_just_now(now)):
            return
        try:
            salts = self._shared(day)
        except OSError as error:
            self._failed_at = now
            _log.warning("Cannot keep the salts of visitors' ids in %s: %s.", self._folder, error.strerror or error)
            self._salts = {one: salt for one, salt in self._salts.items() if _kept(one, day)}
            self._salts.setdefault(day, self._random(SALT_BYTES))
            return
        self._salts = salts
        self._checked_day = day
        self._failed_at = None

    def age(self, now: int) -> int:
        """For how long there has been the oldest salt, in ms."""
        self.maintain(now)
        return now - min(self._salts) * DAY_MS

    def _shared(self, day: int) -> dict[int, bytes]:
        if self._folder is None:
            return self._renewed(self._salts, day)
        with _locked(self._folder):
            _remove_unfinished(self._folder)
            stored = _read(self._folder)
            salts = self._renewed(stored, day)
            if salts != stored:
                _write(self._folder, salts)
        return salts

    def _renewed(self, salts: dict[int, bytes], day: int) -> dict[int, bytes]:
        kept = {one: salt for one, salt in salts.items() if _kept(one, day)}
        kept.setdefault(day, self._random(SALT_BYTES))
        return kept

    def _failed_just_now(self, now: int) -> bool:
        return self._failed_at is not None and abs(now - self._failed_at) < RETRY_MS


def _kept(one: int, day: int) -> bool:
    # A clock that went wrong by a day and back finds its salt again; one of the far future is nobody's.
    return day - KEPT_DAYS < one <= day + 1


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Only one process at a time. The lock is a file of its own, as the salts' file is replaced whole."""
    lock = os.open(folder / f"{FILE}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _remove_unfinished(folder: Path) -> None:
    """What a process has left that was killed as it wrote salts: nobody else would ever delete them."""
    for path in folder.glob(f".{FILE}.*"):
        path.unlink(missing_ok=True)


def _read(folder: Path) -> dict[int, bytes]:
    try:
        stored = _decode((folder / FILE).read_bytes())
        return {day: bytes.fromhex(salt) for day, salt in stored.items() if len(salt) == 2 * SALT_BYTES}
    except FileNotFoundError:
        return {}
    except ValueError:
        _log.warning("The salts of visitors' ids in %s cannot be read: there will be new ones.", folder)
        return {}


def _write(folder: Path, salts: dict[int, bytes]) -> None:
    text = msgspec.json.encode({day: salt.hex() for day, salt in salts.items()}).decode()
    replace_text(folder / FILE, text)  # for its owner only: as temporary files are
