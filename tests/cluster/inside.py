"""What a daemon of these tests does beside its work: it notes what cannot be seen from outside, or stops where a test wants it to. Each
function is called in its process before it starts."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any
from unittest.mock import patch

from router.store.fence import Came
from router.store.postgres import install, node, nodes_seen
from router.store.postgres.append_group import Group
from router.store.postgres.claim import PostgresClaim
from router.store.postgres.database import Connection

NOTES, STOP = "notes", "stop"
"""Files in the folder of the daemon: what it notes, and that it is to stop once."""
UNKNOWN = "unknown"


def note(word: str) -> None:
    """Add a word to its notes."""
    with Path(NOTES).open("a") as file:
        file.write(f"{word}\n")


def notes_unknown_commits() -> None:
    """Note each commit whose answer was lost, and what became of it."""
    came_to = PostgresClaim._came_to

    async def noted(claim: PostgresClaim) -> Came:
        came = await came_to(claim)
        note(UNKNOWN)
        note(came.name)
        return came

    patch.object(PostgresClaim, "_came_to", noted).start()


def stop_if_asked() -> None:
    """Once."""
    if Path(STOP).exists():
        Path(STOP).unlink()
        os.kill(os.getpid(), signal.SIGSTOP)


def stops_with_the_head_row() -> None:
    """Freeze between an append that tells the directory something and its commit, whenever the file asks for it."""
    append = Group._append

    async def stopped(group: Group, *args: Any, **how: Any) -> Any:
        found = await append(group, *args, **how)
        if how["has_facts"]:
            stop_if_asked()
        return found

    patch.object(Group, "_append", stopped).start()


NEXT = "99.0"
"""The version of the next release."""
ADDS = "CREATE TABLE later (id bigint PRIMARY KEY); ALTER TABLE node ADD COLUMN later text"


def is_the_next_release() -> None:
    """Another version, with a schema of one step more, which adds something as such steps do."""
    execute = install._execute

    async def extended(connection: Connection, *files: str) -> None:
        for name in files:
            if name == f"upgrade_{install.SCHEMA}.sql":
                await connection.execute(ADDS)
            else:
                await execute(connection, name)

    patch.object(install, "SCHEMA", install.SCHEMA + 1).start()
    patch.object(install, "_execute", extended).start()
    for module in (node, nodes_seen):
        patch.object(module, "__version__", NEXT).start()
