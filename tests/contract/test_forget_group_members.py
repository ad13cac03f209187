"""The members of a group that is forgotten: found beside the writing, and noted once, however many they are."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from router.plugin import RetryLater
from router.store.sqlite import forget_groups, forget_rows
from tests.contract.rig import Gated, Plain, Rig, open_rig
from tests.contract.test_forget_group import WORDS, demand_of_group, forget, joins, track
from tests.contract.test_people import Crash, files_with, finish, go_on, good

MEMBERS = [f"user-{n:02}" for n in range(20)]


pytestmark = pytest.mark.usefixtures("backend")
only_sqlite = pytest.mark.only_sqlite


async def a_large_company(rig: Rig) -> None:
    """All of them belong to acme-1, and each has an event that is to be tried again."""
    rig.vendor.answer = lambda bodies: RetryLater("busy", after_s=3600)
    rig.start(Plain)
    for user in MEMBERS:
        await joins(rig, user, f"call-of-{user}")
    await rig.quiet()


async def written(rig: Rig) -> list[str]:
    """The statements of the writing connection from here on."""
    statements: list[str] = []
    await rig.store.writer.run_beside(lambda db: db.set_trace_callback(statements.append))
    return statements


@only_sqlite
async def test_they_are_written_once_and_not_with_each_slice(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forget_rows, "SLICE", 2)
    await a_large_company(rig)
    statements = await written(rig)
    done = await forget(rig, "acme-1")
    records = [one for one in statements if one.startswith("INSERT OR REPLACE INTO") and "regulation" in one]
    assert len(records) > done.counts["waiting"] / 2 > 3
    noted = [one for one in statements if MEMBERS[7].encode().hex() in one.lower() and " INTO meta " in one]
    assert len(noted) == 1
    assert not [one for one in records if MEMBERS[7].encode().hex() in one.lower()]


@only_sqlite
async def test_no_transaction_looks_through_all_memberships(rig: Rig) -> None:
    await a_large_company(rig)
    statements = await written(rig)
    await forget(rig, "acme-1")
    asked = [one for one in statements if "membership" in one and not one.startswith("--")]
    assert asked
    with contextlib.closing(sqlite3.connect(rig.store.path)) as db:
        plans = [line[3] for one in asked for line in db.execute(f"EXPLAIN QUERY PLAN {one}")]
    assert [plan for plan in plans if "membership" in plan and "user_key=?" not in plan] == []


@only_sqlite
async def test_who_joins_by_an_alias_while_they_are_found_is_a_member_no_longer(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.start(Gated)
    await joins(rig, "user-one", "call")
    await rig.quiet()
    regulation = await rig.store.people.begin(demand_of_group("acme-1"))
    find = forget_groups.find_members
    monkeypatch.setattr(forget_groups, "SLICE", 1)
    found = []

    def find_and_tell(db: sqlite3.Connection, one: Any) -> Any:
        found.append(find(db, one))
        return found[-1]

    monkeypatch.setattr(forget_groups, "find_members", find_and_tell)
    await rig.call("alias", "alias", userId="user-new", previousId="user-one")
    await rig.quiet()
    await rig.runner.forget(regulation)
    await finish(rig, regulation)
    assert [len(one.memberships) for one in found[:2]] == [2, 0]
    assert (await rig.store.lookups.profile("u:user-new"))["groups"] == []
    assert files_with(rig, "acme-1") == []


@only_sqlite
@pytest.mark.parametrize("slices", range(3))
async def test_a_crash_between_any_two_slices_of_them_ends_in_the_same(
    tmp_path: Path, slices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    erase, left = forget_groups.erase_memberships, slices

    def erase_or_crash(*args: Any) -> int:
        nonlocal left
        left -= 1
        if left < 0:
            raise Crash
        return erase(*args)

    monkeypatch.setattr(forget_groups, "SLICE", 1)
    monkeypatch.setattr(forget_groups, "erase_memberships", erase_or_crash)
    async with open_rig(tmp_path) as rig:
        await rig.store.cursor("d", rig.clock.now_ms())
        rig.start(Gated)
        for user in MEMBERS[:3]:
            await joins(rig, user, f"call-of-theirs-{user}")
        await rig.quiet()
        rig.vendor.answer = lambda bodies: RetryLater("busy", after_s=3600)
        for user in MEMBERS[:3]:
            await track(rig, user, f"event-{user}")
        await rig.quiet()
        assert files_with(rig, *WORDS[:2]) == list(WORDS[:2])
        regulation = await rig.store.people.begin(demand_of_group("acme-1"))
        with contextlib.suppress(Crash):
            await rig.runner.forget(regulation)
        await rig.crash()
    monkeypatch.setattr(forget_groups, "erase_memberships", erase)
    async with open_rig(tmp_path) as rig:
        await go_on(rig)
        assert files_with(rig, *WORDS) == []
        [done] = await rig.store.people.newest(5)
        assert done.counts["directory"] == 4
        rig.vendor.answer = lambda bodies: good()
        rig.start(Gated)
        ledger = await rig.pass_time(7200, 600)
        assert (ledger["held"], ledger["delivered"]) == (3, 3)
