"""When the last backup was made: a small file beside the store, for the daemon to warn when it is too old. The daemon alone writes the
store, and a backup is another process."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec

from router import durable
from router.backup.archive import About


class LastBackup(msgspec.Struct, frozen=True):
    """The last one that was made or restored."""

    made_at: Annotated[datetime, msgspec.Meta(tz=True)]
    file: str
    events: int

    @property
    def made_ms(self) -> int:
        """Milliseconds since 1970."""
        return int(self.made_at.timestamp() * 1000)


def path_of(store: Path) -> Path:
    """The file that belongs to a store."""
    return Path(f"{store}.backup.json")


def note(store: Path, file: Path, about: About) -> None:
    """Write it down. Raises OSError."""
    last = {"made_at": about.made_at, "file": str(file.absolute()), "events": about.events}
    durable.put(path_of(store), msgspec.json.encode(last) + b"\n", owner=durable.owner_of(store))


class Known:
    """The last backup of a store, for who looks again and again: its file is read only where it is another one than before."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._file: tuple[int, int, int] | None = None  #: inode, instant and size of the file that was read
        self.last: LastBackup | None = None  #: as of the last look

    def look(self) -> LastBackup | None:
        """The last backup; None where none is known. It asks the disk."""
        file = self._on_disk()
        if file != self._file:
            self._file, self.last = file, read(self._store)
        return self.last

    def _on_disk(self) -> tuple[int, int, int] | None:
        try:
            found = path_of(self._store).stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


def read(store: Path) -> LastBackup | None:
    """The last backup; None where none is known."""
    try:
        return msgspec.json.decode(path_of(store).read_bytes(), type=LastBackup)
    except (OSError, msgspec.DecodeError):
        return None


def problem(last: LastBackup | None, max_age_s: float, now_ms: int) -> str:
    """That there is no backup which is young enough; empty while there is one. `max_age_s` 0: nobody wants to know."""
    if not max_age_s:
        return ""
    if last is None:
        return "no backup of the store is known, and store.backup_max_age is set: run `backup`"
    age_h = (now_ms - last.made_ms) / 3_600_000
    if age_h * 3600 <= max_age_s:
        return ""
    return f"the last backup is {age_h:.0f} h old, more than store.backup_max_age: run `backup`, or see why its timer does not"
