"""Makes a backup: a copy of the store beside the running daemon, examined, compressed, read again, and only then given its name."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from router import __version__
from router.backup import archive, last_backup
from router.backup.archive import About
from router.backup.keeping import SUFFIX, Removal, name_of, remove_oldest
from router.backup.progress import Progress
from router.backup.work_folder import work_folder
from router.clock import to_iso
from router.durable import give_to_owner, make_folder, sync
from router.errors import BackupError
from router.store.disk_space import free_bytes
from router.store.sqlite import regulation_file, snapshot

MARGIN = 1.5
"""Room that is asked for, in sizes of the store: the copy, and its compressed form, which is a fifth of that for usual events."""


class Target(NamedTuple):
    """Where the backup goes."""

    path: Path
    is_folder: bool  #: then it gets a name with the time
    keep: int = 0  #: so many are kept in the folder; 0: all
    replace: bool = False  #: a backup that is there is replaced


class Made(NamedTuple):
    """A backup that was made."""

    file: Path
    about: About
    size: int  #: bytes of the file
    removal: Removal  #: of older ones
    is_noted: bool  #: whether the daemon can know of it


def back_up(store: Path, target: Target, now_ms: int, min_free_bytes: int, progress: Progress) -> Made:
    """Make a backup of a store, whether a daemon runs or not. At every instant the target is as it was, or is whole.

    Args:
        min_free_bytes: what must stay free where the backup and the store share a disk, so that the daemon goes on.

    Raises:
        BackupError: it was not made, and why.
        OSError: a file or folder cannot be written.
    """
    folder, file = _placed(store, target, now_ms)
    size = snapshot.used_bytes(store)
    _check_room(store, folder, size, min_free_bytes)
    with work_folder(folder, f"{store.name}.backup") as work:
        copy = work / archive.STORE
        progress.begin("copying", size)
        snapshot.copy(store, copy, lambda: progress.at(_size(copy)))
        progress.begin("checking", 0)
        facts = snapshot.examine(copy, store, lambda: progress.at(0))
        about = About(
            archive.FORMAT, __version__, store.name, to_iso(now_ms), facts.schema, facts.events, facts.ledger, _size(copy)
        )  # fmt: skip
        # read behind the copy: what it has and the copy has not is recorded again when the backup is put back
        beside = b"".join(map(regulation_file.encode, regulation_file.read(regulation_file.path_of(store))))
        packed = work / "packed"
        about = archive.write(packed, copy, beside, about, progress)
        copy.unlink()
        archive.verify(packed, about, progress)
        size = _size(packed)
        give_to_owner(packed, folder)  # who makes the next ones there has to read it and to remove it
        packed.rename(file)
        sync(folder)
    is_noted = False
    with suppress(OSError):  # whoever may only read the store makes backups, too
        last_backup.note(store, file, about)
        is_noted = True
    removal = remove_oldest(folder, store, target.keep, file) if target.keep else Removal()
    return Made(file, about, size, removal, is_noted)


def _placed(store: Path, target: Target, now_ms: int) -> tuple[Path, Path]:
    """The folder and the file. Raises BackupError where another file is there."""
    if target.is_folder:
        make_folder(target.path, 0o700)
        return target.path, target.path / name_of(store, now_ms)
    file = Path(os.path.realpath(target.path)) if target.path.is_symlink() else target.path  # a link stays one
    if not file.parent.is_dir():
        raise BackupError(f"there is no folder {file.parent}")
    if not file.exists():
        if not file.name.endswith(SUFFIX):  # a folder that was meant, and is not mounted
            raise BackupError(f"there is no folder {file}: make it, or name a file that ends in {SUFFIX}")
    elif not _is_packed(file):
        raise BackupError(f"{file} is there and is not a backup: it is left as it is")
    elif not target.replace:  # the store may be a new one, and this all that is left of the old one
        raise BackupError(f"{file} is a backup already: add --replace, or name a folder")
    return file.parent, file


def _is_packed(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(archive.MAGIC)) == archive.MAGIC


def _check_room(store: Path, folder: Path, size: int, min_free_bytes: int) -> None:
    shares_disk = os.stat(store).st_dev == os.stat(folder).st_dev
    needed = int(size * MARGIN) + (min_free_bytes if shares_disk else 0)
    free = free_bytes(folder)
    if free < needed:
        why = f", {min_free_bytes:,} of them for store.min_free" if shares_disk and min_free_bytes else ""
        raise BackupError(
            f"{folder} has {free:,} bytes free, and {needed:,} are needed{why}: make room, or use another disk"
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
