"""Where the daemon that uses a store can be asked: a small file beside the store, for the command line of the same machine.

It is there while the daemon serves. A daemon that was killed leaves it behind, so a reader checks that its process lives.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from router import durable

STORE_HEADER = "Segment-Router-Store"
"""In the answers of the admin API: the store of this daemon. The command line finds out by it that another daemon answers."""


class Running(NamedTuple):
    """A daemon that serves."""

    pid: int
    admin: str  #: URL of its admin API
    ingest: str  #: URL of its ingestion
    credentials: str  #: its $CREDENTIALS_DIRECTORY; empty without one
    uid: int = -1  #: its user, who owns the file
    gid: int = -1


def place(store: Path) -> Path:
    """The file of the daemon that uses this store."""
    return Path(f"{store}.daemon.json")


@contextmanager
def announced(store: Path, ingest_url: str, admin_url: str) -> Iterator[None]:
    """Write the file, for its owner only, and remove it in the end. A disk that refuses it stops nothing."""
    path = place(store)
    about = Running(os.getpid(), admin_url, ingest_url, os.environ.get("CREDENTIALS_DIRECTORY", ""))
    written = {key: value for key, value in about._asdict().items() if key not in ("uid", "gid")}
    with suppress(OSError):
        durable.put(path, json.dumps(written).encode())
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def find(store: Path) -> Running | None:
    """The daemon that uses this store; None where none says so, or where this user may not know."""
    try:
        with place(store).open(encoding="utf-8") as file:
            about = json.load(file)
            owner = os.fstat(file.fileno())
        running = Running(**about, uid=owner.st_uid, gid=owner.st_gid)
        return running if _lives(int(running.pid)) else None
    except (OSError, ValueError, TypeError):
        return None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is another user's
        return True
    return True
