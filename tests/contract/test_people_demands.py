"""A demand to forget or suppress people is recorded: who is meant, also by what comes meanwhile, and who is refused from then on."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from router.errors import StoreFull
from router.store import Demand, Regulation
from router.store.regulation import Step
from router.store.sqlite import forget_begin, scrub
from router.store.sqlite.people import SqlitePeople
from tests.contract.rig import Plain, Rig, open_rig
from tests.contract.test_people import beside, demand, files_with, finish

pytestmark = pytest.mark.usefixtures("backend")
only_sqlite = pytest.mark.only_sqlite


async def suppress(rig: Rig, *keys: str, also: tuple[str, ...] = (), id: str) -> None:
    asked = Demand(id, "SUPPRESS_ONLY", "USER_ID", keys, also, suppresses=True)
    await rig.store.people.begin(asked)


@only_sqlite
@pytest.mark.parametrize("kind", ["SUPPRESS_ONLY", "UNSUPPRESS"])
async def test_the_line_beside_the_store_is_written_after_a_crash_too(tmp_path: Path, kind: str) -> None:
    """Whoever brings an older copy of the store back finds there who is suppressed since."""
    async with open_rig(tmp_path) as rig:
        await rig.store.people.begin(
            Demand(
                "r1", kind, "USER_ID", ("u:one",), suppresses=kind == "SUPPRESS_ONLY", unsuppresses=kind == "UNSUPPRESS"
            )
        )
    async with open_rig(tmp_path) as rig:
        assert ("u:one" in rig.store.people.suppressions) == (kind == "SUPPRESS_ONLY")
        [left] = await rig.store.erasure.resume()
        await finish(rig, left)
        assert [json.loads(line)["kind"] for line in beside(rig).splitlines()] == [kind]
        assert await rig.store.erasure.resume() == []


async def unsuppress(rig: Rig, *keys: str, id: str) -> None:
    await rig.store.people.begin(Demand(id, "UNSUPPRESS", "USER_ID", keys, unsuppresses=True))


async def test_a_browser_that_two_suppressed_people_share_stays_suppressed_until_both_are_free(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        await suppress(rig, "u:one", also=("a:shared",), id="r1")
        await suppress(rig, "u:two", also=("a:shared",), id="r2")
        await unsuppress(rig, "u:two", id="r3")
        assert [key in rig.store.people.suppressions for key in ("u:one", "u:two", "a:shared")] == [True, False, True]
    async with open_rig(tmp_path) as rig:
        suppressions = rig.store.people.suppressions
        assert ([key in suppressions for key in ("u:one", "u:two", "a:shared")], len(suppressions)) == (
            [True, False, True],
            1,
        )
        await unsuppress(rig, "u:one", id="r4")
        assert not suppressions
    async with open_rig(tmp_path) as rig:
        assert not rig.store.people.suppressions


@only_sqlite
async def test_a_demand_that_cannot_be_recorded_frees_nobody_who_was_suppressed_before(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await suppress(rig, "u:one", id="r1")

    def full(*args: object) -> None:
        raise StoreFull("no room")

    monkeypatch.setattr(forget_begin, "begin", full)
    with pytest.raises(StoreFull):
        await suppress(rig, "u:one", "u:two", id="r2")
    assert [key in rig.store.people.suppressions for key in ("u:one", "u:two")] == [True, False]


@only_sqlite
async def test_whom_an_anonymous_id_is_joined_to_while_the_links_are_read_is_known_to_the_demand(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The links are read beside the transaction that records the demand."""
    rig.start(Plain)
    await rig.call("identify", "m1", userId="one", anonymousId="before")
    joined = SqlitePeople.joined

    async def read(self: SqlitePeople, user_keys: Sequence[str]) -> dict[str, list[str]]:
        found = await joined(self, user_keys)
        await rig.call("identify", "m2", userId="one", anonymousId="meanwhile")
        await rig.call("identify", "m3", userId="two", anonymousId="other")
        await rig.call("track", "m4", anonymousId="meanwhile", event="E")
        return found

    monkeypatch.setattr(SqlitePeople, "joined", read)
    regulation = await rig.store.people.begin(demand("u:one"))
    monkeypatch.undo()
    assert regulation.keys == ["u:one", "a:before", "a:meanwhile"]
    await rig.call("identify", "m5", userId="one", anonymousId="after")
    await rig.runner.forget(regulation)
    await finish(rig, regulation)
    with closing(rig.store.image()) as db:
        left = db.execute("SELECT anonymous_key, user_key FROM link ORDER BY anonymous_key").fetchall()
        assert left == [("a:after", "u:one"), ("a:other", "u:two")], "what came after the demand is new"
        assert db.execute("SELECT count(*) FROM log WHERE user_key IN ('u:one', 'a:meanwhile')").fetchone() == (1,)


@only_sqlite
async def test_a_demand_that_comes_while_another_one_is_finished_is_noted_and_overwrites(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite drops the temporary tables when the store is rewritten, and the end of the last demand ends the overwriting."""
    rig.start(Plain)
    await rig.call("identify", "m1", userId="user-one", anonymousId="browser-one")
    await rig.call("identify", "m2", userId="user-two", anonymousId="browser-two")
    await rig.quiet()
    first = await rig.store.people.begin(demand("u:user-one"))
    await rig.runner.forget(first)
    ending: list[asyncio.Task[Regulation]] = []
    joined = SqlitePeople.joined

    async def read(self: SqlitePeople, user_keys: Sequence[str]) -> dict[str, list[str]]:
        ending.append(asyncio.create_task(finish(rig, first)))
        while (await self.find(first.id) or first).step not in (Step.CLEAN, Step.DONE):
            await rig.vendor_moves()
        return await joined(self, user_keys)

    monkeypatch.setattr(SqlitePeople, "joined", read)
    second = await rig.store.people.begin(demand("u:user-two", id="r2"))
    monkeypatch.undo()
    assert not (await ending[0]).is_under_way
    await rig.runner.forget(second)
    monkeypatch.setattr(scrub, "VACUUM_BYTES", 1)
    await finish(rig, second)
    assert files_with(rig, "user-two", "browser-two", "m2") == []


@only_sqlite
async def test_the_transaction_that_records_a_demand_does_not_read_the_links(rig: Rig) -> None:
    links = [(0, f"a:{n}", n, f"u:{n}") for n in range(50_000)]

    def steps(db: sqlite3.Connection) -> int:
        db.executemany("INSERT OR REPLACE INTO link VALUES (?, ?, ?, ?)", links)
        forget_begin.note_links(db)
        counted = [0]

        def tick() -> None:
            counted[0] += 100

        db.set_progress_handler(tick, 100)
        known = {"u:7": ["a:7"]}
        forget_begin.begin(db, demand("u:7"), known, rig.store.people.suppressions, 0, 0)
        db.set_progress_handler(None, 0)
        return counted[0]

    taken = await rig.store.writer.run_beside(steps)
    assert taken < len(links) / 10, "instructions of SQLite's machine; to read every link takes several of each"


@only_sqlite
async def test_links_are_noted_by_nobody_once_a_demand_is_recorded_or_could_not_be(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def noted(db: sqlite3.Connection) -> list[Any]:
        return db.execute("SELECT name FROM temp.sqlite_master").fetchall()

    await rig.store.people.begin(demand("u:one"))
    assert await rig.store.writer.run_beside(noted) == []

    def full(*args: object) -> None:
        raise StoreFull("no room")

    monkeypatch.setattr(forget_begin, "begin", full)
    with pytest.raises(StoreFull):
        await rig.store.people.begin(demand("u:two", id="r2"))
    assert await rig.store.writer.run_beside(noted) == []
