"""What was imported, as files in a folder: all of them new, secrets readable by their owner only. All of it or nothing."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from router import durable
from router.editing.config_file import FOLDER_MODE
from router.segment_import.convert import Imported

CONFIG = "config.toml"
FOR_ALL = 0o644
"""Of files without secrets."""


class AlreadyThere(Exception):
    """A file is there already. Nothing was written."""

    def __init__(self, file: Path) -> None:
        super().__init__(f"{file} is there already; nothing was written: name a new folder")


def write(imported: Imported, folder: Path) -> list[Path]:
    """Write the files; returns them. config.toml comes last, so whoever finds it finds all that it names, also after a power cut. What
    root writes belongs to the owner of the folder, or of the one in which that is made.

    Raises:
        AlreadyThere: see there.
        OSError: a file cannot be written. None was.
    """
    wanted = [*imported.secrets, *imported.files, CONFIG]
    for name in wanted:
        if os.path.lexists(folder / name):
            raise AlreadyThere(folder / name)
    like = next(one for one in (folder, *folder.absolute().parents) if one.is_dir())
    with ExitStack() as undo:
        _make_folder(folder, 0o777, like, undo)
        with TemporaryDirectory(prefix=".import-", dir=folder) as name_of_new:
            new = Path(name_of_new)
            _prepare(imported, new, durable.owner_of(like))
            for name in wanted:
                _make_folder((folder / name).parent, FOLDER_MODE if name in imported.secrets else 0o777, like, undo)
                if name == CONFIG:
                    for parent in {(folder / other).parent for other in wanted}:
                        durable.sync(parent)
                undo.callback((folder / name).unlink, missing_ok=True)
                os.rename(new / name, folder / name)
        durable.sync(folder)
        undo.pop_all()
    return [folder / name for name in wanted]


def _prepare(imported: Imported, new: Path, owner: durable.Owner | None) -> None:
    """The files, on the disk, in a folder that nobody reads yet: a disk that is full is met here."""
    secrets = {name: (f"{value}\n", durable.OWNER_ONLY) for name, value in imported.secrets.items()}
    others = {name: (text, FOR_ALL) for name, text in imported.files.items()}
    for name, (text, mode) in {**secrets, **others, CONFIG: (imported.config, durable.OWNER_ONLY)}.items():
        (new / name).parent.mkdir(exist_ok=True)
        durable.put(new / name, text.encode(), mode=mode, owner=owner)


def _make_folder(path: Path, mode: int, like: Path, undo: ExitStack) -> None:
    """`mode`: less what the umask takes."""
    if path.is_dir():
        return
    _make_folder(path.parent, 0o777, like, undo)
    path.mkdir(mode)
    undo.callback(_remove_folder, path)
    durable.give_to_owner(path, like)


def _remove_folder(path: Path) -> None:
    with suppress(OSError):  # somebody has put something there
        path.rmdir()
