"""A new store for a test: a copy of one that was made once in this process, which takes a third of the time."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from router.store.sqlite.store import open_store
from router.testing.clock import FakeClock


class _Made(NamedTuple):
    file: bytes
    keys: list[bytes]  #: made by chance, of each store others


_made: list[_Made] = []  # at most one


async def lay_new_store(path: Path) -> None:
    """Put a store there as `open_store` makes it when a `FakeClock` begins. What is there of a store is left as it is, and so is a place
    without a folder."""
    if not _made:
        _made.append(await _make())
    _lay(path, *_made[0])


def _lay(path: Path, file: bytes, keys: list[bytes]) -> None:
    if not path.parent.is_dir() or any(path.parent.glob(f"*{path.stem}*")):
        return
    for key in keys:
        file = file.replace(key, os.urandom(len(key)))
    path.write_bytes(file)


async def _make() -> _Made:
    with TemporaryDirectory(prefix="segment-router-new-store-") as folder:
        path = Path(folder) / "router.db"
        async with open_store(path, lambda mark: FakeClock(), dedupe_window_s=86_400, min_free_bytes=0):
            pass
        return _read(path)


def _read(path: Path) -> _Made:
    with closing(sqlite3.connect(path)) as db:
        keys = [value for (value,) in db.execute("SELECT value FROM meta WHERE typeof(value) = 'blob'")]
    return _Made(path.read_bytes(), keys)
