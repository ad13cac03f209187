"""What a store says of itself: what it may store now, and in words what it refuses and who must act."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router.errors import StoreFull
from router.store import CommitBatch
from router.store.disk_space import Room
from router.testing.clock import START_MS
from tests.contract.store_case import StoreCase
from tests.contract.test_store import accept, make, opened


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[StoreCase]:
    async with opened(tmp_path) as store:
        await store.cursor("d", START_MS)
        yield store


def codes(store: StoreCase) -> list[str]:
    return [problem.code for problem in store.health.problems()]


async def test_a_store_that_works_has_no_problem(store: StoreCase) -> None:
    assert (codes(store), store.health.may_append(), store.health.may_grow()) == ([], True, True)


@pytest.mark.parametrize(
    ("room", "code", "may_grow"),
    [(Room.DELIVERIES, "disk_low", True), (Room.NOTHING_THAT_GROWS, "disk_full", False)],
)
async def test_a_disk_without_room_refuses_events_and_says_where_to_free_it(
    store: StoreCase, monkeypatch: pytest.MonkeyPatch, room: Room, code: str, may_grow: bool
) -> None:
    monkeypatch.setattr(store.disk, "room", lambda: room)
    [problem] = store.health.problems()
    assert problem.code == code
    assert "503" in problem.words
    assert str(store.path.parent) in problem.words
    assert (store.health.may_append(), store.health.may_grow()) == (False, may_grow)
    with pytest.raises(StoreFull):
        await accept(store, make("m1"))
    await store.commit(CommitBatch("d", at=START_MS))  # what frees room is stored at any time


async def test_a_lock_of_another_process_is_a_problem_while_it_lasts(store: StoreCase) -> None:
    store.writer.locked = True
    assert codes(store) == ["store_locked"]
    await accept(store, make("m1"))
    assert codes(store) == []


async def test_a_store_that_cannot_write_says_why(store: StoreCase) -> None:
    (store.path).unlink()
    with pytest.raises(Exception, match="is gone"):
        await accept(store, make("m1"))
    [problem] = store.health.problems()
    assert problem.code == "store_broken"
    assert "router.db is gone" in problem.words
    assert store.health.failed.is_set()
