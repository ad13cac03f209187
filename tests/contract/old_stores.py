"""A store of each schema, made by a program that had it, and what must become of all that waits in it.

`store-1.db.gz` was made by the last program of schema 1. Its destination needs a group with a name for tracks. Of its log the first
8 events are trimmed. It holds tracks of u1, u2, u3 and of an anonymousId, two dead letters and one of what a timer returned, and at
u9 a retry with two events behind it, at u7 a retry of what a timer returned and behind it a second sending of new0-0.

`store-2.db.gz` was made by the last program of schema 2. free-0 to free-4 were sent at once, late was held and released, retried met a
503 first, dead was refused, and held is held.

`store-3.db.gz` and later ones were made by `make_store.py`, by the last programs of their schemas; the one of this schema, by this program.
"""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from router.deliver.runner import ReplayOrder
from router.plugin import Context, Event, Item, hookimpl
from router.store import DeadLetterFilter
from router.store.sqlite.migrations import SCHEMA
from tests.contract import make_store
from tests.contract.rig import Gated, Plain, open_rig
from tests.contract.simulation.invariants import rows_and_counters

FIXTURES = Path(__file__).parent.parent / "fixtures"
SCHEMAS = tuple(range(1, SCHEMA + 1))


class Waking(Gated):
    """The plugin that the store of schema 1 was made with."""

    @hookimpl
    def state_key(self, event: Event) -> str | None:
        key = event.properties.get("key")
        return None if key is None else str(key)

    @hookimpl
    def wake(self, key: str, at: datetime, context: Context) -> Item:
        return Item({"m": f"end-{key}", "type": "wake"})


class Old(NamedTuple):
    """What is in a store, and what it waits for."""

    plugin: type[Plain]
    members: tuple[Mapping[str, str], ...]  #: who lacks a group call
    waiting: frozenset[str]  #: message ids that are held, retried, or queued
    dead: frozenset[str]
    in_order: tuple[str, ...]  #: of these, those of one user


def _made(members: tuple[Mapping[str, str], ...]) -> Old:
    waiting = frozenset({*make_store.HELD, *make_store.RETRYING, *make_store.BEHIND, *make_store.QUEUED})
    in_order = (*make_store.RETRYING, *make_store.BEHIND, "queued-3", "queued-11", "queued-19")
    return Old(Gated, members, waiting, frozenset(make_store.DEAD), in_order)


OLD = {
    1: Old(
        Waking,
        ({"userId": "u1"}, {"userId": "u2"}, {"userId": "u3"}, {"anonymousId": "x"}),
        frozenset(
            [
                "old-held-1",
                "old-held-2",
                "old-held-3",
                "old-held-a",
                "new-held",
                "later-1",
                "queued-1",
                "queued-2",
                "new0-0",
                "end-k-later",
            ]
        ),
        frozenset({"old-dead", "new-dead", "end-dead"}),
        ("later-1", "queued-1", "queued-2"),
    ),
    2: Old(Gated, ({"userId": "u2"},), frozenset({"held"}), frozenset({"dead"}), ()),
    **{schema: _made(({"userId": "h1"}, {"anonymousId": "a1"})) for schema in SCHEMAS[2:]},
}


WRITTEN_MS = 1_767_000_000_000
"""When the stores were written: what they hold has not expired then."""


def unpack(schema: int, folder: Path) -> Path:
    """Put the store of a schema into a folder, and give its path."""
    path = folder / "router.db"
    path.write_bytes(gzip.decompress((FIXTURES / f"store-{schema}.db.gz").read_bytes()))
    return path


async def deliver_all(folder: Path, schema: int) -> None:
    """The same of a file, in which rows and counters agree at the end."""
    await deliver_waiting(folder, schema)
    with closing(sqlite3.connect(folder / "router.db")) as db:
        rows_and_counters(db)


async def deliver_waiting(folder: Path, schema: int) -> None:
    """Open the store and run its destination until nothing waits: group calls come, and the dead letters are replayed."""
    old = OLD[schema]
    async with open_rig(folder, now_ms=WRITTEN_MS) as rig:
        rig.start(old.plugin)
        for number, who in enumerate(old.members):
            await rig.call("group", f"group-{number}-now", **who, groupId="acme", traits={"name": "Acme"})
        await rig.pass_time(600, step=60)
        assert old.waiting - set(rig.vendor.ids()) == set()
        await rig.runner.replay(ReplayOrder(letters=DeadLetterFilter()))
        ledger: dict[str, Any] = await rig.pass_time(60, step=60)
        assert old.dead - set(rig.vendor.ids()) == set()
        assert [ledger[state] for state in ("held", "retrying", "queued", "dead")] == [0, 0, 0, 0]
        assert tuple(m for m in rig.vendor.ids() if m in old.in_order) == old.in_order
        await rig.stop()
