"""One owner of a destination at a time: who opens it takes it over, and what a former owner commits is not stored."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router.errors import ClaimLost, CommitFailed, StoreFull
from router.store import EVERY, PART, Claim, CommitBatch, Opening, Unit
from router.store.fence import Came, Fence
from router.testing.clock import START_MS
from tests.contract.store_case import StoreCase
from tests.contract.test_store import accept, count, hold, make, opened, parked_row

pytestmark = pytest.mark.usefixtures("backend")
UNIT = Unit(PART, "d")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[StoreCase]:
    async with opened(tmp_path) as store:
        yield store


async def claimed(store: StoreCase, **how: str) -> Claim:
    return await store.claims.open(UNIT, Opening(START_MS, **how))  # type: ignore[arg-type]


def batch(value: str, pos: int = 0) -> CommitBatch:
    step = CommitBatch("d", pos=pos, state={"k": value.encode()}, at=START_MS)
    step.count("delivered")
    return step


def fence(store: StoreCase) -> tuple[int, int]:
    return count(store, "SELECT epoch FROM cursor"), count(store, "SELECT step FROM cursor")


def first_epoch(store: StoreCase) -> int:
    """Of the first owner: the embedded store writes nothing where nobody is to be fenced off."""
    return 0 if isinstance(store, StoreCase) else 1


async def test_who_opens_a_destination_takes_it_over(store: StoreCase) -> None:
    former = await claimed(store)
    await former.commit(batch("1"))
    owner = await claimed(store)
    with pytest.raises(ClaimLost):
        await former.commit(batch("2"))
    assert former.lost.is_set()
    assert not owner.lost.is_set()
    assert count(store, "SELECT delivered FROM cursor") == 1
    await owner.commit(batch("3"))
    assert await owner.keyed_state.load(["k"]) == {"k": b"3"}


async def test_who_has_lost_a_destination_may_send_nothing_more(store: StoreCase) -> None:
    former = await claimed(store)
    owner = await claimed(store)
    assert former.may_send(10)  # nobody has told it yet
    with pytest.raises(ClaimLost):
        await former.commit(batch("1"))
    assert (former.may_send(10), owner.may_send(10)) == (False, True)


@pytest.mark.only_sqlite
@pytest.mark.parametrize(
    ("stored", "came_to"),
    [
        ((3, 7), Came.NOT_STORED),
        ((3, 8), Came.STORED),
        ((4, 7), Came.LOST),
        ((4, 8), Came.LOST),
        ((3, 6), Came.LOST),
        ((3, 9), Came.LOST),
    ],
    ids=[
        "same step",
        "next step",
        "another owner",
        "another owner's step",
        "the store went back in time",
        "two steps on",
    ],
)
def test_a_commit_without_an_answer_is_known_by_epoch_and_step(stored: tuple[int, int], came_to: Came) -> None:
    assert Fence(UNIT, 3, 7).came_to(*stored) is came_to


async def test_a_former_owner_changes_nothing_though_its_group_is_stored(store: StoreCase) -> None:
    former = await claimed(store)
    owner = await claimed(store)
    lost, stored, positions = await asyncio.gather(
        former.commit(batch("lost")), owner.commit(batch("stored")), accept(store, make("m1")), return_exceptions=True
    )
    assert isinstance(lost, ClaimLost)
    assert (stored, positions) == ([], [1])
    assert await owner.keyed_state.load(["k"]) == {"k": b"stored"}


async def test_each_commit_is_a_step_and_each_take_over_an_epoch(store: StoreCase) -> None:
    claim = await claimed(store)
    first = first_epoch(store)
    assert fence(store) == (first, 0)
    for n in range(3):
        await claim.commit(batch(str(n)))
    assert fence(store) == (first, 3)
    await claimed(store)
    assert fence(store) == (first + 1, 3)


async def test_two_commits_of_one_claim_are_stored_one_after_the_other(store: StoreCase) -> None:
    claim = await claimed(store)
    assert await asyncio.gather(*(claim.commit(batch(str(n))) for n in range(5))) == [[]] * 5
    assert await claim.keyed_state.load(["k"]) == {"k": b"4"}
    assert fence(store) == (first_epoch(store), 5)


async def test_a_commit_that_failed_is_no_step(store: StoreCase) -> None:
    claim = await claimed(store)
    bad = batch("bad")
    bad.park[1] = parked_row(1, "m1", user_key=None)
    with pytest.raises(CommitFailed):
        await claim.commit(bad)
    await claim.commit(batch("good"))
    assert fence(store) == (first_epoch(store), 1)


@pytest.mark.only_sqlite
async def test_a_commit_on_a_full_disk_is_no_step(store: StoreCase) -> None:
    claim = await claimed(store)
    pages = await store.writer.run_alone(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    await store.writer.run_alone(lambda db: db.execute(f"PRAGMA max_page_count = {pages}").fetchall())
    with pytest.raises(StoreFull):
        await claim.commit(batch("x" * 200_000))
    await store.writer.run_alone(lambda db: db.execute("PRAGMA max_page_count = 1000000").fetchall())
    await claim.commit(batch("1"))
    assert fence(store) == (0, 1)


async def test_a_commit_that_nobody_waits_for_any_more_still_counts(store: StoreCase) -> None:
    claim = await claimed(store)
    task = asyncio.create_task(claim.commit(batch("1")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # the writer has taken it
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await claim.commit(batch("2"))
    assert await claim.keyed_state.load(["k"]) == {"k": b"2"}


@pytest.mark.only_sqlite
async def test_the_fence_is_the_first_statement_of_a_step(store: StoreCase) -> None:
    claim = await claimed(store)
    asked: list[str] = []
    await store.writer.run_alone(lambda db: db.set_trace_callback(asked.append))
    await claim.commit(batch("1"))
    first = asked[asked.index("SAVEPOINT step") + 1]
    assert first.startswith("UPDATE cursor SET step = step + 1")
    assert "epoch = 0 AND step = 0" in first


async def test_a_forgotten_destination_has_no_owner(store: StoreCase) -> None:
    claim = await claimed(store)
    await store.claims.drop("d")
    with pytest.raises(ClaimLost):
        await claim.commit(batch("1"))


async def test_an_owner_with_another_gate_asks_all_that_waits_again(store: StoreCase) -> None:
    claim = await claimed(store, gate="id")
    assert await claim.lanes.openings() == []
    await hold(store, 2)  # takes it over with no gate at all, while nothing waits
    assert await (await claimed(store, gate="")).lanes.openings() == []
    assert await (await claimed(store, gate="id, name")).lanes.openings() == [(EVERY, "")]


@pytest.mark.only_sqlite
async def test_the_first_owner_since_the_file_was_opened_writes_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await (await claimed(store)).commit(batch("1"))
    async with opened(tmp_path) as store:
        before = await store.writer.run_alone(changes)
        owner = await claimed(store)
        assert await store.writer.run_alone(changes) == before
        await owner.commit(batch("2"))
        assert fence(store) == (0, 2)


def changes(db: sqlite3.Connection) -> int:
    """Rows written through this connection."""
    return db.total_changes
