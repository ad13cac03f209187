"""When the last backup was made: a small file beside the store, for the daemon to warn when it is too old. The daemon alone writes the
store, and a backup is another process."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from router.backup import durable
from router.backup.archive import About


class LastBackup(msgspec.Struct, frozen=True):
    """The last one that was made or restored."""

    made_at: str
    file: str
    events: int

    @property
    def made_ms(self) -> int:
        """Milliseconds since 1970."""
        return int(datetime.fromisoformat(self.made_at).timestamp() * 1000)


def path_of(store: Path) -> Path:
    """The file that belongs to a store."""
    return Path(f"{store}.backup.json")


def note(store: Path, file: Path, about: About) -> None:
    """Write it down. Raises OSError."""
    last = LastBackup(about.made_at, str(file.absolute()), about.events)
    durable.put(path_of(store), msgspec.json.encode(last) + b"\n", like=store)


def read(store: Path) -> LastBackup | None:
    """The last backup; None where none is known."""
    try:
        return msgspec.json.decode(path_of(store).read_bytes(), type=LastBackup)
    except (OSError, msgspec.DecodeError):
        return None


def problem(store: Path, max_age_s: float, now_ms: int) -> str:
    """That there is no backup which is young enough; empty while there is one. `max_age_s` 0: nobody wants to know."""
    if not max_age_s:
        return ""
    last = read(store)
    if last is None:
        return "no backup of the store is known, and store.backup_max_age is set: run `backup`"
    age_h = (now_ms - last.made_ms) / 3_600_000
    if age_h * 3600 <= max_age_s:
        return ""
    return f"the last backup is {age_h:.0f} h old, more than store.backup_max_age: {last.file}; run `backup`, or see why its timer does not"
