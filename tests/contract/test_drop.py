"""Dropping a destination: slice by slice, and wholly, also where the process ends half-way."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router.store import AttemptRow, CommitBatch, ParkedOutcome
from router.store.sqlite import cursors
from router.testing.clock import START_MS
from tests.contract.store_case import StoreCase
from tests.contract.test_store import accept, count, hold, lane_row, make, opened, parked_row

TABLES = ("cursor", *cursors.TABLES)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[StoreCase]:
    """Ten users are held at "d", one at "e"; other tables have a row of "d"."""
    async with opened(tmp_path) as store:
        await hold(store, 10)
        await store.cursor("e", START_MS)
        await accept(store, make("more"))
        await store.commit(
            CommitBatch("e", pos=11, park={11: parked_row(11, "more")}, lanes={"u:u1": lane_row("u:u1")}, at=START_MS)
        )
        step = CommitBatch("d", pos=11, settled={11: ("delivered", "")}, state={"k": b"1"}, at=START_MS)
        step.late.append(ParkedOutcome(1, "website", "m0", "delivered", ""))
        step.attempts.append(AttemptRow(1, START_MS, 1, 503, "", "status_503"))
        await store.commit(step)
        yield store


def left(store: StoreCase, destination: str) -> int:
    """Rows of a destination in all tables."""
    return sum(count(store, f"SELECT count(*) FROM {table} WHERE destination = ?", destination) for table in TABLES)


async def test_nothing_is_left_of_a_dropped_destination_and_others_keep_all(store: StoreCase) -> None:
    others = left(store, "e")
    assert await store.drop("d") == {"held": 10, "retrying": 0, "queued": 1, "dead": 0}
    assert (left(store, "d"), left(store, "e")) == (0, others)


async def test_each_transaction_drops_a_slice(store: StoreCase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cursors, "SLICE", 4)
    dropped: list[int] = []
    slice_of = cursors.drop_slice

    def counted(db: sqlite3.Connection, destination: str) -> bool:
        before = db.total_changes
        more = slice_of(db, destination)
        dropped.append(db.total_changes - before)
        return more

    monkeypatch.setattr(cursors, "drop_slice", counted)
    await store.drop("d")
    assert len(dropped) > 5
    assert max(dropped) <= 4
    assert left(store, "d") == 0


async def test_a_destination_that_was_dropped_half_way_begins_anew(
    store: StoreCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cursors, "SLICE", 4)
    await store.writer.run_alone(cursors.begin_to_drop, "d")
    await store.writer.run_alone(cursors.drop_slice, "d")
    assert list(await store.output_reports.left_over([])) == ["d", "e"], "it can be dropped once more"
    cursor = await store.cursor("d", START_MS)
    assert (cursor.added, cursor.pos, cursor.start, cursor.held, cursor.status.state) == (True, 11, 11, 0, "running")
    assert left(store, "d") == 1
