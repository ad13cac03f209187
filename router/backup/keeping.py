"""Names of backups in a folder, and which of them go when there are more than are to be kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from router.durable import sync

SUFFIX = ".tar.zst"


def stamp(now_ms: int) -> str:
    """An instant in a file name: `20260102T030405Z`, UTC, so names are in the order of time."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")


def name_of(store: Path, now_ms: int) -> str:
    """The name of a backup that is made now."""
    return f"{store.name}.{stamp(now_ms)}{SUFFIX}"


def backups_in(folder: Path, store: Path) -> list[Path]:
    """The backups of this store's name in a folder, oldest first. Files with other names and folders are somebody else's."""
    pattern = re.compile(rf"{re.escape(store.name)}\.\d{{8}}T\d{{6}}Z{re.escape(SUFFIX)}")
    return sorted(path for path in folder.iterdir() if pattern.fullmatch(path.name) and path.is_file())


class Removal(NamedTuple):
    """What became of the older backups. The new one is made, whatever becomes of them."""

    removed: Sequence[Path] = ()
    failed: str = ""  #: why the others are still there


def remove_oldest(folder: Path, store: Path, keep: int, newest: Path) -> Removal:
    """Remove the oldest beyond so many, and never `newest`, whatever its clock says."""
    removed: list[Path] = []
    try:
        for path in backups_in(folder, store)[:-keep]:
            if path != newest:
                path.unlink(missing_ok=True)
                removed.append(path)
        if removed:
            sync(folder)
    except OSError as error:
        return Removal(removed, f"{error.filename or folder}: {error.strerror}")
    return Removal(removed)
