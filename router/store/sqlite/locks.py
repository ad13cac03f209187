"""Who may use a store file: one daemon at a time; others may hold SQLite's own lock for a while, and then we wait."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import IO

from router.durable import make_file, make_folder, why_refused
from router.errors import StartError

BUSY_PAUSE_S = 0.05
"""Before a locked file is tried again; each try waits in SQLite for longer than this."""
BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class StoreGone(Exception):
    """The file that is being written has no name any more, or another file has it: who looks there later finds nothing."""


NO_FILE_REMEDY = "set another store.url, or remove it"


def no_file(path: Path) -> str:
    """That a store is a folder, a pipe or a device; empty where it is a file or nothing. To open a pipe would wait for ever."""
    if not path.exists() or path.is_file():
        return ""
    return f"it is {'a folder' if path.is_dir() else 'no file but a pipe, a socket or a device'}"


def half_restored(store: Path) -> Path:
    """A file that is there while a restore exchanges the store, where that takes more than an instant: the name that the old one gets."""
    return Path(f"{store}.restoring")


def is_half_restored(store: Path) -> bool:
    """Whether a restore was interrupted in that time: what is there is no store, or an old one without its WAL."""
    marker = half_restored(store)
    return marker.exists() and not (store.exists() and store.with_name(marker.read_text()).exists())


def end_restore(store: Path) -> bool:
    """Make up for the end of a restore, where only that was missing. False: it was interrupted before, and must be done again."""
    if is_half_restored(store):
        return False
    half_restored(store).unlink(
        missing_ok=True
    )  # the old store has its new name, so the one that is there is the restored one
    return True


def refuse_half_restored(store: Path) -> None:
    """Raises StartError where a restore must be done again."""
    if not end_restore(store):
        raise StartError(f"store {store}: a restore was interrupted: run `restore FILE --replace` again")


def half_copied(store: Path) -> Path:
    """What a store is called while `store copy` fills it."""
    return Path(f"{store}.copying")


def refuse_half_copied(store: Path) -> None:
    """Raises StartError where a copy must be made again: a daemon would begin with an empty store."""
    copying = half_copied(store)
    if copying.exists() and not store.exists():
        raise StartError(
            f"store {store}: a copy into it was interrupted: run `store copy SOURCE sqlite:{store}` again, or delete {copying}"
        )


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another process holds a lock on the file. It passes."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in BUSY


class StoreFiles:
    """The store file and the lock file beside it, held for as long as the process lives: only one process writes a store."""

    def __init__(self, path: Path) -> None:
        """Raises StartError: another process has it, the folder cannot be written, or there is something that is no file."""
        self.path = path = path.resolve()  # two names of one file are one store
        if odd := no_file(path):
            raise StartError(f"store {path}: {odd}: {NO_FILE_REMEDY}")
        self._lock_path = Path(f"{path}.lock")
        self._lock = _lock(path, self._lock_path)
        self._identities: dict[Path, tuple[int, int]] = {}

    def remember(self) -> None:
        """The file is open now: from here on it must stay what it is."""
        self._identities = {path: _identity(path) for path in (self.path, self._lock_path)}

    def check(self) -> None:
        """Raises StoreGone where one of them was deleted or replaced. Takes 3 us."""
        for path, identity in self._identities.items():
            try:
                now = _identity(path)
            except OSError as error:
                raise StoreGone(f"{path} is gone ({error.strerror}): was it deleted?") from None
            if now != identity:
                raise StoreGone(f"{path} is another file than the one that was opened: was it replaced?")

    def close(self) -> None:
        """Let others have it."""
        self._lock.close()


def _identity(path: Path) -> tuple[int, int]:
    stat = os.stat(path)
    return stat.st_dev, stat.st_ino


def _lock(path: Path, lock_path: Path) -> IO[bytes]:
    try:
        make_folder(path.parent, 0o700)
        make_file(lock_path)
        lock = lock_path.open("ab")
    except OSError as error:
        remedy = why_refused(path.parent, lock_path) or "check store.url and its folder"
        raise StartError(f"store {path}: cannot write there ({error.strerror}): {remedy}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise StartError(
            f"store {path}: another segment-router process is using it: stop that one, or set another store.url"
        ) from None
    return lock
