"""The restored store takes the place of the old one, which is kept beside it. A process that is killed at any instant leaves the one or
the other, or a store that says it needs `restore` again; never a file of the one with the WAL of the other."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from router.backup.keeping import stamp
from router.durable import owner_of, put, sync
from router.errors import BackupError
from router.store.sqlite import snapshot
from router.store.sqlite.locks import end_restore, half_restored


def kept_name(store: Path, now_ms: int) -> Path:
    """Where the old store goes: where an exchange that was interrupted has begun to put it, else a name with the time. Raises
    BackupError where that is taken."""
    if not end_restore(store):
        return store.with_name(half_restored(store).read_text())
    for other in store.parent.glob(f"{glob.escape(store.name)}.before-restore-*"):
        if store.exists() and other.samefile(store):
            other.unlink()  # its second name, of an exchange that was interrupted
    kept = store.with_name(f"{store.name}.before-restore-{stamp(now_ms)}")
    if kept.exists():
        raise BackupError(f"{kept} is there already: restore again in a second")
    return kept


def exchange(store: Path, new: Path, kept: Path) -> None:
    """Put `new` in the place of `store`. `kept`: where the old one goes. Durable on return; to be called while nobody uses the store."""
    marker = half_restored(store)
    if not store.exists():
        _put_aside(store, kept)  # a WAL without its store: the new one must not take it for its own
        _take_place(store, new)
    elif not marker.exists() and snapshot.fold_wal(store) and _is_linked(store, kept):
        _drop_wal(store)
        _take_place(store, new)
    else:  # the WAL belongs to the old store, and two files cannot be exchanged at one instant
        put(marker, kept.name.encode(), owner=owner_of(store))
        _put_aside(store, kept)
        _take_place(store, new)
    marker.unlink(missing_ok=True)
    sync(store.parent)


def _is_linked(store: Path, kept: Path) -> bool:
    """Give the old store a second name. False: this disk knows no second names."""
    try:
        os.link(store, kept)
    except OSError:
        return False
    sync(store.parent)
    return True


def _put_aside(store: Path, kept: Path) -> None:
    Path(f"{store}-shm").unlink(missing_ok=True)  # made again from the WAL
    for part in ("-wal", ""):  # what is killed between the two is told by the marker
        path = Path(f"{store}{part}")
        if path.exists():
            path.rename(f"{kept}{part}")
    sync(store.parent)


def _drop_wal(store: Path) -> None:
    """Nothing is left in it."""
    for part in ("-wal", "-shm"):
        Path(f"{store}{part}").unlink(missing_ok=True)
    sync(store.parent)


def _take_place(store: Path, new: Path) -> None:
    new.rename(store)
    sync(store.parent)
