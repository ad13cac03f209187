"""Appending with a callback: who calls is told in the event loop, once it is durable or has failed."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from router.clock import SystemClock
from router.errors import StoreClosed, StoreError
from router.event import Call, normalize_event
from router.store import append_intake
from tests.contract.store_case import StoreCase, open_case


def make(message_id: str) -> Call:
    return Call("website", "track", message_id, "u:1", 0, b"{}\n{}")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[StoreCase]:
    async with open_case(tmp_path / "router.db", SystemClock, dedupe_window_s=60, min_free_bytes=0) as (store, _):
        yield store


class Told:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.results: list[list[int] | StoreError] = []
        self.once = asyncio.Event()

    def __call__(self, result: list[int] | StoreError) -> None:
        self.results.append(result)
        self.once.set()


async def test_the_positions_come_once_the_events_are_durable(store: StoreCase) -> None:
    told = Told()
    store.log.append_soon([make("m1"), make("m1"), make("m2")], [None] * 3, [], told)
    assert told.results == []
    await told.once.wait()
    assert told.results == [[1, 0, 2]]
    with closing(sqlite3.connect(store.path)) as db:
        assert db.execute("SELECT message_id FROM log ORDER BY pos").fetchall() == [("m1",), ("m2",)]


async def test_what_cannot_be_stored_is_told_and_the_rest_of_the_group_is_stored(store: StoreCase) -> None:
    good, bad = Told(), Told()
    store.log.append_soon([make("half \ud800")], [None], [], bad)
    store.log.append_soon([make("m1")], [None], [], good)
    await asyncio.gather(good.once.wait(), bad.once.wait())
    assert good.results == [[1]]
    assert isinstance(bad.results[0], StoreError)


async def test_an_error_of_who_is_told_is_logged_and_harms_nobody_else(
    store: StoreCase, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(result: list[int] | StoreError) -> None:
        raise ValueError("boom")

    told = Told()
    store.log.append_soon([make("m1")], [None], [], fails)
    store.log.append_soon([make("m2")], [None], [], told)
    await told.once.wait()
    assert told.results == [[2]]
    assert await store.append([make("m3")], [None], []) == [3]
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["boom"]


async def test_a_store_that_is_closed_says_so_at_once(tmp_path: Path) -> None:
    async with open_case(tmp_path / "router.db", SystemClock, dedupe_window_s=60, min_free_bytes=0) as (store, _):
        pass
    told = Told()
    with pytest.raises(StoreClosed):
        store.log.append_soon([make("m1")], [None], [], told)
    assert told.results == []


async def test_what_was_opened_of_calls_is_kept_while_few_wait_for_the_disk(
    store: StoreCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An opened event takes several times its body, and what may wait is bounded by bodies."""
    monkeypatch.setattr(append_intake, "OPENED_EVENTS", 1)
    calls = [make(f"m{n}") for n in range(3)]
    told = Told()
    for call in calls:
        call.opened = normalize_event(call.source, call.type, call.message_id, 0, call.body)
        store.log.append_soon([call], [None], [], told)
    assert [call.opened is not None for call in calls] == [True, True, False]
    await told.once.wait()
