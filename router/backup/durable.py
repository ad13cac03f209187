"""Files that are there after a power cut, and that belong to whom the store belongs."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path


def sync(path: Path) -> None:
    """A file's bytes, or a folder's names, are on the disk when this returns."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network disks sync no folders
            raise
    finally:
        os.close(fd)


def put(path: Path, content: bytes, *, like: Path) -> None:
    """Replace a file's content, at once and durably. Only its owner may read it: the owner of `like`."""
    partial = path.with_name(f"{path.name}.partial")
    with suppress(FileNotFoundError):
        partial.unlink()
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    give_to_owner(partial, like)
    partial.rename(path)
    sync(path.parent)


def give_to_owner(path: Path, like: Path) -> None:
    """What root has written belongs to the owner of `like`: the daemon runs as another user."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
