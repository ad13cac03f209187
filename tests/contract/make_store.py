"""Makes the fixture of a schema with the program that has it, so that later programs can be tried with it.

    python -m tests.contract.make_store tests/fixtures      # store-N.db.gz, N being the schema of this checkout

To be run before a schema is changed. It asks the rig for what all schemas since 3 have; `LIFE` says what the store then holds.
"""

from __future__ import annotations

import asyncio
import gzip
import sqlite3
import sys
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from router.plugin import Delivered, Reject, RetryLater
from router.store.sqlite import dedupe, group_transaction
from router.store.sqlite.migrations import SCHEMA
from tests.contract.rig import Gated, Rig, open_rig

DAY_S = 86_400.0
LIFE = """
user0 to user7 are members of acme, whose name is known; their tracks old-0 to old-7 and free-0 to free-7 are delivered. Eight days
lie between the two, longer than the retention, so old ones were trimmed; of them held-old is held still and dead-old is dead still.
held-1 to held-3 wait for a group of h1, held-a for one of an anonymousId. dead-1 was refused. retry-1 met a 503 and is due, and
behind-1 and behind-2 wait behind it. queued-0 to queued-19 were accepted while the destination stood still.
"""
HELD = ("held-old", "held-1", "held-2", "held-3", "held-a")
DEAD = ("dead-old", "dead-1")
RETRYING = ("retry-1",)
BEHIND = ("behind-1", "behind-2")
QUEUED = tuple(f"queued-{n}" for n in range(20))
LEDGER = {"delivered": 24, "held": 5, "retrying": 1, "queued": 22, "dead": 2}
"""What `ledger` of such a store says before anything moves."""


def answer(bodies: list[dict[str, Any]]) -> Any:
    """The vendor's answers while the fixture is made."""
    first = bodies[0]["m"]
    if first.startswith("dead"):
        return Reject("no", "the vendor said no")
    return RetryLater("status_503", "busy") if first in RETRYING else Delivered()


async def live(rig: Rig) -> None:
    """What `LIFE` says."""
    rig.vendor.answer = answer
    rig.start(Gated)
    await rig.runner.worker()  # it begins before the first event
    for n in range(8):
        await rig.call("group", f"group-{n}", userId=f"user{n}", groupId="acme", traits={"name": "Acme"})
        await rig.call("track", f"old-{n}", userId=f"user{n}", event="E", properties={"n": n})
    await rig.call("track", "held-old", userId="h1", event="E")
    await rig.call("track", "dead-old", userId="user1", event="E")
    await rig.quiet()
    rig.clock.advance(8 * DAY_S)
    for n in range(8):
        await rig.call("track", f"free-{n}", userId=f"user{n}", event="E", properties={"n": n})
        await rig.quiet()  # each commit trims a slice
    for message_id in ("held-1", "held-2", "held-3"):
        await rig.call("track", message_id, userId="h1", event="E")
    await rig.call("track", "held-a", anonymousId="a1", event="E")
    await rig.call("track", "dead-1", userId="user2", event="E")
    await rig.call("track", "retry-1", userId="user3", event="E")
    await rig.quiet()
    for message_id in BEHIND:
        await rig.call("track", message_id, userId="user3", event="E")
    await rig.quiet()
    await rig.stop()
    for n, message_id in enumerate(QUEUED):
        await rig.call("track", message_id, userId=f"user{n % 8}", event="E")


async def make(folder: Path) -> bytes:
    """The bytes of such a store: one file, without a WAL."""
    dedupe.MERGE_AT = 10  # what is not merged yet is not trimmed
    group_transaction.TRIM_PAUSE_MS = 0
    async with open_rig(folder) as rig:
        await live(rig)
    path = folder / "router.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with suppress(sqlite3.Error):
            db.execute("VACUUM")
    return path.read_bytes()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as empty:
        content = asyncio.run(make(Path(empty)))
    Path(sys.argv[1], f"store-{SCHEMA}.db.gz").write_bytes(gzip.compress(content, mtime=0))
