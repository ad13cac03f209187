"""An older copy of the store is put back: who was forgotten or suppressed since that copy is so again, before anybody reads it."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from router.store import Demand, Regulation, Step
from router.store.sqlite import regulation_file, regulations_again
from tests.contract.rig import Gated, Rig, open_rig
from tests.contract.test_forget_group import demand_of_group
from tests.contract.test_people import a_life, consistent, demand, files_with, finish, forget


def copy(folder: Path) -> Path:
    """A copy of the store as it is now."""
    target = folder / "copy.db"
    target.unlink(missing_ok=True)
    with closing(sqlite3.connect(f"file:{folder / 'router.db'}?mode=ro", uri=True)) as db:
        db.execute("VACUUM INTO ?", (str(target),))
    return target


def put_back(copied: Path) -> None:
    """The store is this copy from now on."""
    for name in ("router.db", "router.db-wal", "router.db-shm"):
        (copied.parent / name).unlink(missing_ok=True)
    shutil.copy(copied, copied.parent / "router.db")


@asynccontextmanager
async def lived(folder: Path) -> AsyncIterator[Rig]:
    """user-one and user-two have a life; then the store is copied."""
    async with open_rig(folder) as rig:
        await rig.store.cursor("d", rig.clock.now_ms())
        rig.start(Gated)
        await a_life(rig)
        copy(folder)
        yield rig


async def resume(rig: Rig) -> list[Regulation]:
    """What a start does before destinations begin. Returns the regulations, at their end."""
    await rig.store.people.begin_again()
    found = []
    for regulation in await rig.store.erasure.resume():
        if regulation.step == Step.ROWS:
            await rig.store.erasure.erase_at("d", regulation.id)
        found.append(await finish(rig, await rig.store.erasure.erase_on(regulation.id)))
    return found


async def test_who_was_forgotten_since_the_copy_is_forgotten_in_it(tmp_path: Path) -> None:
    async with lived(tmp_path) as rig:
        await forget(rig, "u:user-one")
    put_back(tmp_path / "copy.db")
    (tmp_path / "copy.db").unlink()
    async with open_rig(tmp_path) as rig:
        assert files_with(rig, "user-one", "anon-one") == ["user-one", "anon-one"]
        (done,) = await resume(rig)
        assert (done.id, done.kind, done.subjects) == ("r1", "DELETE_INTERNAL", 1)
        assert done.counts == {"directory": 2, "waiting": 2, "dead": 1, "events": 6}
        assert files_with(rig, "user-one", "anon-one", "held-1", "one-1") == []
        assert files_with(rig, "user-two", "held-3") == ["user-two", "held-3"]
        consistent(rig)


async def test_a_group_that_was_forgotten_since_the_copy_is_forgotten_in_it(tmp_path: Path) -> None:
    """Also one that no group call has told of: events name it, and nothing else."""
    async with open_rig(tmp_path) as rig:
        await rig.store.cursor("d", rig.clock.now_ms())
        rig.start(Gated)
        await rig.call("group", "call", userId="user-one", groupId="acme-1", traits={"name": "Acme Unlimited"})
        await rig.call("track", "t1", userId="user-one", event="E")
        await rig.call("identify", "i2", userId="user-two", context={"groupId": "solo-2"})
        await rig.quiet()
        copied = copy(tmp_path)
        regulation = await rig.store.people.begin(demand_of_group("acme-1", "solo-2"))
        await rig.runner.forget(regulation)
        await finish(rig, regulation)
    put_back(copied)
    copied.unlink()
    words = ("acme-1", "Acme Unlimited", "solo-2")
    async with open_rig(tmp_path) as rig:
        assert files_with(rig, *words) == list(words)
        (done,) = await resume(rig)
        assert (done.id, done.subject_type, done.subjects) == ("r1", "GROUP_ID", 2)
        assert done.counts == {"directory": 2, "events": 2}
        assert files_with(rig, *words) == []
        assert files_with(rig, "user-one", "t1") == ["user-one", "t1"]
        consistent(rig)


async def test_nobody_else_and_nothing_twice(tmp_path: Path) -> None:
    async with lived(tmp_path) as rig:
        await forget(rig, "u:user-one")
        copied = copy(tmp_path)
    put_back(copied)
    async with open_rig(tmp_path) as rig:
        assert await rig.store.people.begin_again() == 0


async def test_who_was_suppressed_since_the_copy_is_suppressed_with_the_anonymous_ids(tmp_path: Path) -> None:
    kind = {"kind": "SUPPRESS_ONLY", "subject_type": "USER_ID", "suppresses": True}
    async with lived(tmp_path) as rig:
        await rig.store.people.begin(Demand("s1", subjects=("u:user-one", "u:user-new"), **kind))  # type: ignore[arg-type]
    put_back(tmp_path / "copy.db")
    async with open_rig(tmp_path) as rig:
        assert await resume(rig) == []
        suppressions = rig.store.people.suppressions
        assert len(suppressions) == 2
        assert all(key in suppressions for key in ("u:user-one", "a:anon-one", "u:user-new"))
    async with open_rig(tmp_path) as rig:
        assert "a:anon-one" in rig.store.people.suppressions, "it is stored"
        undo = Demand("s2", "UNSUPPRESS", "USER_ID", ("u:user-one",), unsuppresses=True)
        await rig.store.people.begin(undo)
        assert [key in rig.store.people.suppressions for key in ("u:user-one", "a:anon-one", "u:user-new")] == [
            False, False, True,
        ]  # fmt: skip


async def test_what_was_undone_since_the_copy_stays_undone(tmp_path: Path) -> None:
    async with lived(tmp_path) as rig:
        await rig.store.people.begin(Demand("s1", "SUPPRESS_ONLY", "USER_ID", ("u:user-one",), suppresses=True))
        rig.clock.ms += 1
        await rig.store.people.begin(Demand("s2", "UNSUPPRESS", "USER_ID", ("u:user-one",), unsuppresses=True))
    put_back(tmp_path / "copy.db")
    async with open_rig(tmp_path) as rig:
        assert await rig.store.people.begin_again() == 2
        assert len(rig.store.people.suppressions) == 0


async def test_what_was_accepted_after_the_demand_stays(tmp_path: Path) -> None:
    """The file is found late: the person has come back in the meantime."""
    async with lived(tmp_path) as rig:
        await forget(rig, "u:user-one")
    beside = regulation_file.path_of(tmp_path / "router.db")
    late = beside.rename(tmp_path / "late")
    put_back(tmp_path / "copy.db")
    async with open_rig(tmp_path) as rig:
        rig.clock.ms += 1000
        assert await rig.store.people.begin_again() == 0
        await rig.call("track", "again-1", userId="user-one", event="E", properties={"p": "new-text"})
        late.rename(beside)
        (done,) = await resume(rig)
        assert done.bound == rig.store.head - 1
        assert files_with(rig, "new-text", "again-1", "held-1") == ["new-text", "again-1"]


async def test_a_start_that_ends_half_way_is_taken_up_by_the_next_one(tmp_path: Path) -> None:
    async with lived(tmp_path) as rig:
        await forget(rig, "u:user-one", id="r1")
        await forget(rig, "u:user-two", id="r2")
    put_back(tmp_path / "copy.db")
    (tmp_path / "copy.db").unlink()
    original = regulations_again.begin_again
    calls = 0

    def failing(*args: object, **more: object) -> Regulation:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise asyncio.CancelledError
        return original(*args, **more)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regulations_again, "begin_again", failing)
        async with open_rig(tmp_path) as rig:
            with pytest.raises(asyncio.CancelledError):
                await rig.store.people.begin_again()
    async with open_rig(tmp_path) as rig:
        assert await rig.store.people.begin_again() == 1
        assert {one.id for one in await resume(rig)} == {"r1", "r2"}
        assert files_with(rig, "user-one", "user-two") == []


async def test_lines_of_another_store_say_nothing_about_this_one(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    async with lived(tmp_path / "other") as rig:
        await forget(rig, "u:user-one")
    async with lived(tmp_path) as rig:
        shutil.copy(tmp_path / "other/router.db.regulations", tmp_path / "router.db.regulations")
        assert await rig.store.people.begin_again() == 0
        assert files_with(rig, "user-one") == ["user-one"]


async def test_a_demand_is_beside_the_store_before_anything_is_erased(tmp_path: Path) -> None:
    async with lived(tmp_path) as rig:
        await rig.store.people.begin(demand("u:user-one"))
        (line,) = regulation_file.read(regulation_file.path_of(rig.store.path))
        assert (line.id, len(line.hashes), len(line.named), line.deletes) == ("r1", 2, 1, True)
