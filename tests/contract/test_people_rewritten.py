"""When the file of a store is rewritten for people who are forgotten. Nothing else is stored meanwhile."""

from __future__ import annotations

import sqlite3

import pytest

from router.store import Regulation, Step
from router.store.sqlite import erasure, scrub
from tests.contract.rig import Plain, Rig
from tests.contract.test_people import demand, files_with

TAKES_S = 2.0


@pytest.fixture
async def rig(rig: Rig) -> Rig:
    """Two people have sent something."""
    rig.start(Plain)
    for user in ("user-one", "user-two"):
        await rig.call("identify", f"id-of-{user}", userId=user)
    await rig.quiet()
    return rig


@pytest.fixture
def rewritten(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """When the store was rewritten, which takes 2 s."""
    began: list[int] = []
    rewrite = scrub.rewrite

    def noted(db: sqlite3.Connection) -> bool:
        began.append(rig.clock.ms)
        rig.clock.ms += int(1000 * TAKES_S)
        return rewrite(db)

    monkeypatch.setattr(scrub, "rewrite", noted)
    return began


async def up_to_the_rewriting(rig: Rig, user: str) -> Regulation:
    """A regulation of which all but this is done."""
    regulation = await rig.store.people.begin(demand(f"u:{user}", id=user[-3:]))
    await rig.runner.forget(regulation)
    while regulation.step != Step.CLEAN:
        regulation = await rig.store.erasure.erase_on(regulation.id)
    return regulation


async def go_on(rig: Rig, regulation: Regulation) -> bool:
    """Take the next step. Returns whether it is finished."""
    return not (await rig.store.erasure.erase_on(regulation.id)).is_under_way


async def test_once_for_all_that_are_as_far(rig: Rig, rewritten: list[int]) -> None:
    both = [await up_to_the_rewriting(rig, user) for user in ("user-one", "user-two")]
    assert [await go_on(rig, one) for one in both] == [True, True]
    assert len(rewritten) == 1
    assert files_with(rig, "user-one", "user-two") == []


async def test_not_again_before_five_times_as_long_has_passed(rig: Rig, rewritten: list[int]) -> None:
    assert await go_on(rig, await up_to_the_rewriting(rig, "user-one"))
    other = await up_to_the_rewriting(rig, "user-two")
    assert not await go_on(rig, other)
    rig.clock.advance(erasure.REST * TAKES_S)
    assert await go_on(rig, other)
    assert len(rewritten) == 2
    assert files_with(rig, "user-two") == []


async def test_once_also_where_somebody_reads_an_older_snapshot_afterwards(
    rig: Rig, rewritten: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    regulation = await up_to_the_rewriting(rig, "user-one")
    empty_wal, answers = scrub.empty_wal, iter([True, False])
    monkeypatch.setattr(scrub, "empty_wal", lambda db: next(answers, True) and empty_wal(db))
    assert not await go_on(rig, regulation)
    assert await go_on(rig, regulation)
    assert len(rewritten) == 1
