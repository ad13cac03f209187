"""The files of a store hold personal data, so only their owner may read them: which files these are, and how that is restored.

The daemon makes them so. Files of before that, or that were copied by hand, may have another mode, and SQLite gives new files beside the
store the mode of the store.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from router.durable import OWNER_ONLY, others_can_read

ENDINGS = ("", "-wal", "-shm", ".regulations")


def private_files(store: Path) -> Iterator[Path]:
    """The store, what may be beside it, and the copies of an upgrade or a restore."""
    path = store.resolve()
    yield from (Path(f"{path}{ending}") for ending in ENDINGS)
    yield from sorted(path.parent.glob(f"{glob.escape(path.name)}.before-*"))


def make_private(store: Path) -> list[Path]:
    """Let only its owner read a file that every user of the machine could read. One that only a group can read was made so on purpose.

    Returns those that every user could read. Some may be so still: a disk without modes, or a file of somebody else.
    """
    exposed = [path for path in private_files(store) if path.is_file() and others_can_read(path)]
    for path in exposed:
        with suppress(OSError):  # not opened: to close a file drops the locks that SQLite has on it in this process
            path.chmod(OWNER_ONLY)
    return exposed
