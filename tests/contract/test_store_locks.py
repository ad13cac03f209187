"""Other processes at the store's files: what they lock is waited for, what they take away ends the daemon, and nobody is told
that an event is stored which is not."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from router.errors import StartError, StoreBusy, StoreClosed, StoreError
from router.event import Call
from router.store import CommitBatch
from router.store.sqlite import connection
from router.testing.clock import START_MS, FakeClock
from tests.contract.store_case import StoreCase, open_case


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "BUSY_MS", 1)
    monkeypatch.setattr(connection, "START_WAIT_S", 0.001)


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[StoreCase]:
    clock = FakeClock()
    async with open_case(path, lambda mark: clock, dedupe_window_s=3600, min_free_bytes=0) as (store, _):
        yield store


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process is in the middle of a write."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")


async def accept(store: StoreCase, message_id: str) -> int:
    call = Call("website", "track", message_id, "u:u1", START_MS, b"{}\n{}")
    return (await store.append([call], [None], []))[0]


async def test_a_locked_store_refuses_events_for_now_and_goes_on_after(tmp_path: Path) -> None:
    async with opened(tmp_path / "router.db") as store:
        with locked(store.path), pytest.raises(StoreBusy, match="another process"):
            await accept(store, "m1")
        assert not store.writer.broken
        assert await accept(store, "m1") == 1


async def test_a_step_waits_until_the_store_is_locked_no_longer(tmp_path: Path) -> None:
    async with opened(tmp_path / "router.db") as store:
        await store.cursor("d", START_MS)
        with locked(store.path):
            steps = [
                asyncio.create_task(store.commit(CommitBatch("d", state={"k": value}, at=START_MS)))
                for value in (b"1", b"2")
            ]
            with pytest.raises(StoreBusy):
                await accept(store, "m1")
            with pytest.raises(StoreBusy):
                await accept(store, "m1")
            assert store.writer.locked
            assert not any(step.done() for step in steps)
        assert await asyncio.gather(*steps) == [[], []]
        assert await store.state("d", "k") == {"k": b"2"}, "in the order in which they were asked for"
        assert not store.writer.locked


async def test_a_destination_that_opens_waits_for_a_locked_store(tmp_path: Path) -> None:
    async with opened(tmp_path / "router.db") as store:
        with locked(store.path):
            opening = asyncio.create_task(store.cursor("d", START_MS))
            with pytest.raises(StoreBusy):
                await accept(store, "m1")
            assert not opening.done()
        assert (await opening).added


async def test_a_store_that_closes_while_it_is_locked_waits_for_nobody(tmp_path: Path) -> None:
    async with opened(tmp_path / "router.db") as store:
        await store.cursor("d", START_MS)
        with locked(store.path):
            step = asyncio.create_task(store.commit(CommitBatch("d", at=START_MS)))
            await asyncio.sleep(0)
            store.writer.close()
            with pytest.raises(StoreBusy):
                await step


async def test_a_start_says_that_another_process_holds_a_lock(tmp_path: Path) -> None:
    path = tmp_path / "router.db"
    async with opened(path):
        pass
    with locked(path), pytest.raises(StartError, match=r"another process .* holds a lock .* start again"):
        async with opened(path):
            pass
    async with opened(path) as store:
        assert await accept(store, "m1") == 1


async def test_a_start_waits_for_a_lock_that_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "START_WAIT_S", 60.0)
    path = tmp_path / "router.db"
    async with opened(path):
        pass

    async def start() -> int:
        async with opened(path) as store:
            return await accept(store, "m1")

    prepare, is_open = connection._prepare_writer, threading.Event()

    def tell(db: sqlite3.Connection) -> None:
        prepare(db)
        is_open.set()

    monkeypatch.setattr(connection, "_prepare_writer", tell)
    with locked(path):
        starting = asyncio.create_task(start())
        await asyncio.to_thread(is_open.wait)
        assert not starting.done()
    assert await starting == 1


async def test_reading_waits_for_a_process_that_has_the_file_to_itself(tmp_path: Path) -> None:
    async with opened(tmp_path / "router.db") as store:
        await accept(store, "m1")
        failed = 0
        reader = store.log._reader._connection
        run = reader.run

        async def busy_once(*args: Any) -> Any:
            nonlocal failed
            if not failed:
                failed += 1
                error = sqlite3.OperationalError("database is locked")
                error.sqlite_errorcode = sqlite3.SQLITE_BUSY
                raise error
            return await run(*args)

        reader.run = busy_once  # type: ignore[method-assign, assignment]
        assert (await store.span(0, START_MS + 1)) == (0, 1)
        assert failed == 1


@pytest.mark.parametrize("name", ["router.db", "router.db.lock"])
async def test_a_store_whose_file_was_deleted_acknowledges_nothing_more(tmp_path: Path, name: str) -> None:
    async with opened(tmp_path / "router.db") as store:
        await store.cursor("d", START_MS)
        assert await accept(store, "m1") == 1
        (tmp_path / name).unlink()
        with pytest.raises(StoreError, match=f"{name} is gone"):
            await accept(store, "m2")
        assert name in store.writer.broken
        assert store.writer.failed.is_set()
        with pytest.raises(StoreClosed):
            await store.commit(CommitBatch("d", at=START_MS))


async def test_a_store_whose_file_was_replaced_acknowledges_nothing_more(tmp_path: Path) -> None:
    async with opened(tmp_path / "router.db") as store:
        await accept(store, "m1")
        other = tmp_path / "other.db"
        other.write_bytes((tmp_path / "router.db").read_bytes())
        other.replace(tmp_path / "router.db")
        with pytest.raises(StoreError, match="is another file"):
            await accept(store, "m2")


async def test_a_store_opened_by_another_name_of_its_file_is_in_use(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "folder").symlink_to(tmp_path / "real")
    (tmp_path / "link.db").symlink_to(tmp_path / "real" / "router.db")
    async with opened(tmp_path / "folder" / "router.db"):
        for name in ("real/router.db", "link.db"):
            with pytest.raises(StartError, match="another segment-router process"):
                async with opened(tmp_path / name):
                    pass


async def test_one_connection_commits_and_checkpoints_and_all_others_can_do_neither(tmp_path: Path) -> None:
    """So no checkpoint ever runs beside a commit, which the WAL-reset bug of SQLite before 3.51.3 needs."""
    async with opened(tmp_path / "router.db") as store:
        before = wal_of(store)
        assert before
        for statement in ("DELETE FROM log", "PRAGMA user_version = 9", "PRAGMA wal_checkpoint(TRUNCATE)"):
            with pytest.raises(sqlite3.OperationalError):
                await store.lookups._connection.run(run_statement, statement)
        assert wal_of(store) == before


def wal_of(store: StoreCase) -> bytes:
    return Path(f"{store.path}-wal").read_bytes()


def run_statement(db: sqlite3.Connection, statement: str) -> list[Any]:
    return db.execute(statement).fetchall()
