"""What a backup of a daemon's store holds."""

from __future__ import annotations

import asyncio

from router.backup import Target, archive, back_up
from router.clock import SystemClock
from tests.contract.killed_backup import Silent
from tests.flow.harness import Daemon


async def in_a_backup(daemon: Daemon) -> bytes:
    """All of a backup that is made now, unpacked: the store, and the regulations beside it."""
    return await asyncio.to_thread(_content, daemon)


def _content(daemon: Daemon) -> bytes:
    packed, unpacked = daemon.folder / "looked-at.tar.zst", daemon.folder / "looked-at"
    back_up(daemon.store, Target(packed, is_folder=False), SystemClock().now_ms(), 0, Silent())
    _, beside = archive.unpack(packed, unpacked, lambda size: None, Silent())
    content = unpacked.read_bytes() + beside
    packed.unlink()
    unpacked.unlink()
    return content
