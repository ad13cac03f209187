"""Puts a backup back: unpacked beside the store, examined, and only then exchanged for it.

Whom the store must not have any more is not decided here: the regulations of the backup and those beside the store are joined in one file,
and the next start of the daemon records those that the restored store has not. A restore that ends anywhere loses none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from router import durable
from router.backup import archive, last_backup
from router.backup.archive import About
from router.backup.exchange import exchange, kept_name
from router.backup.progress import Progress
from router.backup.work_folder import remove_left_behind, work_folder
from router.errors import BackupError, StartError
from router.store.disk_space import free_bytes
from router.store.sqlite import regulation_file, snapshot
from router.store.sqlite.locks import StoreFiles


class Restored(NamedTuple):
    """A backup that was put back."""

    about: About
    kept: Path | None  #: where the old store is
    repeated: int  #: regulations that the next start records again
    not_repeated: list[
        str
    ]  #: ids of regulations whose people cannot be found in this store, as their hashes are not of it


def restore(file: Path, store: Path, *, replace: bool, now_ms: int, progress: Progress) -> Restored:
    """Put a backup in the place of a store. At every instant the one or the other is there.

    Args:
        replace: there may be a store; it is kept beside.

    Raises:
        BackupError: a daemon uses the store, there is one, or the file cannot be used. The store is as it was.
        StoreNewer: a newer program made the backup.
        OSError: a file cannot be read or written.
    """
    if file.is_dir():
        raise BackupError(f"{file} is a folder: name one of the backups in it")
    if not file.is_file():
        raise BackupError(f"there is no backup {file}")
    with _locked(store) as path:
        is_there = path.exists()
        if is_there and not replace:
            raise BackupError(
                f"there is a store at {path}: with --replace it is kept beside, and the backup takes its place"
            )
        kept = kept_name(path, now_ms)
        owner = path if is_there else path.parent
        with work_folder(path.parent, f"{path.name}.restore") as work:
            new = work / archive.STORE
            about, content = archive.unpack(file, new, lambda size: _check_room(path.parent, size), progress)
            progress.begin("checking", 0)
            facts = snapshot.examine(new, file, lambda: progress.at(0))
            if facts.events != about.events:
                raise BackupError(f"{file} is damaged: it says {about.events} events, and its store {facts.events}")
            lines = _joined(path, content)
            repeated, foreign = snapshot.lost_regulations(new, file, lines)
            durable.give_to_owner(new, owner)
            if lines:  # before the store: a start that finds an older copy of the store finds these
                whole = b"".join(map(regulation_file.encode, lines))
                durable.put(regulation_file.path_of(path), whole, owner=durable.owner_of(owner))
            exchange(path, new, kept)
        with suppress(OSError):  # the store is there; a warning that it has no backup is a small matter
            last_backup.note(path, file, about)
    return Restored(about, kept if kept.exists() else None, len(repeated), [line.id for line in foreign])


def remove_interrupted(store: Path) -> None:
    """Remove what a restore or a backup that was killed has left beside the store: it has the words of everybody, also of people who
    were forgotten since."""
    for label in ("restore", "backup"):
        remove_left_behind(store.parent, f"{store.name}.{label}")


@contextmanager
def _locked(store: Path) -> Iterator[Path]:
    """Nobody else uses the store meanwhile. Gives its resolved path."""
    try:
        files = StoreFiles(store)
    except StartError as error:
        raise BackupError(f"nothing was restored: {error}") from None
    try:
        yield files.path
    finally:
        files.close()


def _joined(store: Path, content: bytes) -> list[regulation_file.Line]:
    """The regulations beside the store and those of the backup, each once, oldest first."""
    beside = regulation_file.read(regulation_file.path_of(store))
    lines = {line.id: line for line in (*regulation_file.parse(content), *beside)}
    return sorted(lines.values(), key=lambda line: line.at)


def _check_room(folder: Path, size: int) -> None:
    free = free_bytes(folder)
    if free < size:
        raise BackupError(f"{folder} has {free:,} bytes free, and the store of the backup takes {size:,}: make room")
