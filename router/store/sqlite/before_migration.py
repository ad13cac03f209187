"""What a migration leaves to go back with: one copy of the store as it was, whole or not there. And what it refuses to begin with."""

from __future__ import annotations

import glob
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from router import __version__
from router.durable import give_to_owner, sync
from router.errors import StartError, StoreNewer
from router.store.disk_space import free_bytes
from router.store.sqlite.pages import used_bytes

REBUILDS = 1
"""The schema whose migration writes most tables again: they are in the file twice, and then once more in the WAL."""
MARGIN_BYTES = 16_000_000
"""For new tables and the WAL of the other migrations, which hardly depends on the size of the store."""


def schema_of(path: Path, wait_s: float = 2.0) -> int:
    """The schema of a store, 0 where there is none. Its bytes stay as they are, and so do those of its WAL, whatever wrote them.

    Raises sqlite3.Error where it cannot be read, or somebody locks it for longer than `wait_s`.
    """
    if not path.exists():
        return 0
    with closing(opened_to_look(path, wait_s)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def opened_to_look(path: Path, wait_s: float = 2.0) -> sqlite3.Connection:
    """A connection that changes neither the store nor its WAL, and waits so long for who locks it."""
    wal = Path(f"{path}-wal")
    # without a WAL nothing is missed, and no files are made beside the store
    how = "mode=ro" if wal.exists() and wal.stat().st_size else "mode=ro&immutable=1"
    return sqlite3.connect(f"file:{quote(str(path))}?{how}", uri=True, timeout=wait_s)


def refuse_newer(path: Path, schema: int, wait_s: float) -> None:
    """To be called before anything opens the store for writing. Raises StoreNewer where a newer program wrote it."""
    found = schema_of(path, wait_s)
    if found > schema:
        raise StoreNewer(
            f"{path} has schema {found}, this segment-router knows up to {schema}: install the newer version again,"
            f" or go back to the copy from before the upgrade (UPGRADING.md says how). It is left as it is"
        )


def needed_bytes(used: int, schema: int) -> int:
    """What must be free before a store of this size and schema is migrated: for its copy, and for the change itself."""
    return used * (3 if schema <= REBUILDS else 1) + MARGIN_BYTES


def keep_copy(db: sqlite3.Connection, path: Path, found: int, schema: int) -> None:
    """Copy the store beside itself, durably. At every instant the copy is whole or has another name.

    Args:
        found, schema: the schema that it has, and the one that it gets.

    Raises:
        StartError: the disk has too little room. Nothing was changed.
    """
    needed, free = needed_bytes(used_bytes(db), found), free_bytes(path.parent)
    if free < needed:
        raise StartError(
            f"store {path}: the upgrade from schema {found} to {schema} needs {needed:,} bytes free, for a copy of the store and"
            f" for the change, and {path.parent} has {free:,}: make room there, then start again. Nothing was changed"
            f" (segment-router {__version__})"
        )
    copy = Path(f"{path}.before-{schema}")
    partial = copy.with_name(copy.name + ".partial")
    try:
        partial.unlink(missing_ok=True)
        db.execute("VACUUM INTO ?", (str(partial),))
        give_to_owner(partial, path)
        sync(partial)
        partial.rename(copy)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    sync(path.parent)


def remove_older_copies(path: Path, schema: int) -> None:
    """Keep the copy of the newest upgrade only: it has all of the store, also of people who were forgotten since."""
    for file, number in _copies(path):
        if number < schema:
            with suppress(OSError):
                file.unlink()


def _copies(path: Path) -> Iterator[tuple[Path, int]]:
    for file in path.parent.glob(f"{glob.escape(path.name)}.before-*"):
        number = file.name.removeprefix(f"{path.name}.before-").removesuffix(".partial")
        if number.isdecimal():
            yield file, int(number)
