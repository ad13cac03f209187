"""Files that are replaced at once, that are there after a power cut, and that belong to whom they belonged; and whether others can read one.

Whoever reads meets the old file or the new one, also after a crash.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OWNER_ONLY = 0o600

Owner = tuple[int, int]
"""User and group."""


def put(path: Path, content: bytes, *, mode: int = OWNER_ONLY, owner: Owner | None = None) -> None:
    """Replace a file's content. Raises OSError."""
    with prepared(path, content, mode, owner) as new:
        take_place(new, path)


@contextmanager
def prepared(path: Path, content: bytes, mode: int = OWNER_ONLY, owner: Owner | None = None) -> Iterator[Path]:
    """A file beside `path` with this in it, on the disk, for `take_place`. Removed again unless that was called.

    Args:
        owner: whose it is to be; None: of whoever runs this.
    """
    _remove_left_behind(path)
    file, new = _new_beside(path)
    try:
        with os.fdopen(file, "wb") as stream:
            if owner is not None and owner != (os.geteuid(), os.getegid()):
                os.fchown(stream.fileno(), *owner)
            os.fchmod(stream.fileno(), mode)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
            yield new
    finally:
        new.unlink(missing_ok=True)


def _new_beside(path: Path) -> tuple[int, Path]:
    """A file with a name of its own, so that two who write the same path do not meet; locked until it is closed."""
    while True:
        file, new = tempfile.mkstemp(".new", f".{path.name}.", path.parent)
        with contextlib.suppress(OSError):  # a disk without locks: nobody can lock it, so nobody removes it
            fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file).st_nlink:
            return file, Path(new)
        os.close(file)  # it was taken for left behind before it was locked


def _remove_left_behind(path: Path) -> None:
    """The files of processes that were killed: nobody has them locked."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.new"):
        with contextlib.suppress(OSError), open(left, "rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()


def take_place(new: Path, path: Path) -> None:
    """Let a prepared file take the place of another one. Where only the last step fails, it has taken it already."""
    os.replace(new, path)
    sync(path.parent)


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


def owner_of(like: Path) -> Owner | None:
    """To whom what root writes is to belong: to the owner of `like`, since the daemon runs as another user."""
    if os.geteuid() != 0:
        return None
    found = like.stat()
    return found.st_uid, found.st_gid


def give_to_owner(path: Path, like: Path) -> None:
    """The same for a file that is there already. Root of a container may lack the right, and all its processes are root's then."""
    if (owner := owner_of(like)) is not None:
        with contextlib.suppress(PermissionError):
            os.chown(path, *owner)


def why_refused(*paths: Path) -> str:
    """What keeps this user from writing these files, and what to do: the first that this user may not write, or the folder of one that is
    not there. Empty where that is no question of rights."""
    for at in map(_nearest, paths):
        if not os.access(at, os.R_OK | os.W_OK | (os.X_OK if at.is_dir() else 0)):
            if os.geteuid() in (0, at.stat().st_uid):
                return _why_refused_to_owner(at)
            is_ours_above = at.parent.stat().st_uid == os.geteuid()
            give = f"as root, `chown -R --reference={at.parent} {at}`"
            ask = f"run it as root, or give user {os.geteuid()} the right to write there"
            whose = f"{at} belongs to user {at.stat().st_uid}, and this process runs as user {os.geteuid()}"
            return f"{whose}: {give if is_ours_above else ask}"
    return ""


def _why_refused_to_owner(at: Path) -> str:
    """The same where to own it changes nothing."""
    if close := mode_that_opens(at):
        return f"{at} has mode {stat.S_IMODE(at.stat().st_mode):o}: `{close}`"
    return f"its mode allows it, so it is marked or its disk is: see `lsattr -d {at}` and `findmnt -T {at}`"


def mode_that_opens(path: Path) -> str:
    """The command that lets its owner read and write a file, and enter a folder; empty where its mode allows that."""
    found = path.stat()
    wanted = stat.S_IRWXU if stat.S_ISDIR(found.st_mode) else stat.S_IRUSR | stat.S_IWUSR
    rights = "rwx" if wanted & stat.S_IXUSR else "rw"
    return f"chmod u+{rights} {path}" if wanted & ~found.st_mode else ""


def _nearest(path: Path) -> Path:
    """The path, or the nearest above it that is there and that this user may see."""
    for at in (path, *path.absolute().parents):
        with contextlib.suppress(OSError):
            at.stat()
            return at
    return path


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """A folder and those above it, where they are missing. What root makes belongs to the owner of the nearest that is there.

    Args:
        mode: of the folder itself, without what the umask takes away.

    Raises:
        OSError: it cannot be made, or one of them is a link to what is not there: a disk that is not mounted, and another one is not meant.
    """
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        if one.is_symlink():
            raise FileNotFoundError(errno.ENOENT, f"a link to {os.path.realpath(one)}, which is not there", str(one))
        one.mkdir(mode if one == folder else 0o777, exist_ok=True)
        give_to_owner(one, one.parent)


def make_file(path: Path) -> None:
    """An empty file for its owner only, where there is none. What root makes belongs to the owner of the folder."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, OWNER_ONLY))
        give_to_owner(path, path.parent)


def others_can_read(path: Path) -> bool:
    """Whether users that are neither its owner nor in its group may read a file. Not where there is none."""
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False
