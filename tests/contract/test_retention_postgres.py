"""Trimming the shared store: several processes, commits that are under way meanwhile, and message ids in generations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from router.store import ORDER_KEY_STEP, PART, CommitBatch, Opening, Unit
from router.store.postgres import commit as commits
from router.store.postgres import housekeeping, trim_log
from router.store.postgres.generations import RING
from router.store.postgres.wanted import WANTED_MS
from router.testing.clock import FakeClock
from router.vocabulary import Queue
from tests.contract.postgres_case import OnServer, PostgresCase
from tests.contract.test_store import accept, lane_row, make, parked_row
from tests.contract.test_store_postgres import administrator
from tests.flow.harness import eventually

DAY = 86_400
AGAIN = -(5 * ORDER_KEY_STEP + 1)
"""Where a second sending stands."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def nodes(
    on_server: OnServer, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[list[PostgresCase]]:
    """Two processes on one database, which keep house when a test says so. Three old events are in three blocks, and d has delivered them."""

    async def never(self: housekeeping.Housekeeping) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(housekeeping.Housekeeping, "_run", never)
    async with opened(on_server, tmp_path, clock) as node, opened(on_server, tmp_path, clock) as other:
        await node.cursor("d", clock.ms)
        for n in (1, 2, 3):
            await accept(node, make(f"m{n}", clock.ms))
        await node.commit(CommitBatch("d", pos=3, settled=dict.fromkeys((1, 2, 3), ("delivered", "")), at=clock.ms))
        yield [node, other]


@asynccontextmanager
async def opened(server: OnServer, folder: Path, clock: FakeClock) -> AsyncIterator[Any]:
    async with server.open(folder / "db", lambda mark: clock, dedupe_window_s=DAY) as (store, _):
        yield store


async def first_left(node: PostgresCase) -> int:
    """The first position that the log has."""
    return node.number("SELECT coalesce(min(first), 0) FROM block")


async def is_waited_for(node: PostgresCase) -> bool:
    """Whether somebody waits for a lock."""
    return bool(node.number("SELECT count(*) FROM pg_locks WHERE NOT granted"))


async def test_what_a_commit_under_way_parks_keeps_its_event(
    nodes: list[PostgresCase], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has asked how far the log is trimmed, and is not stored yet: whoever trims waits for it."""
    node, other = nodes
    clock.advance(8 * DAY)
    has_asked, goes_on = asyncio.Event(), asyncio.Event()
    let_go = commits._let_go

    async def waits(*args: Any) -> None:
        has_asked.set()
        await goes_on.wait()
        await let_go(*args)

    monkeypatch.setattr(commits, "_let_go", waits)
    row = parked_row(AGAIN, "m2", "u:u1", Queue.MAIN, place=-AGAIN, origin=2, body=make("m2").body)
    batch = CommitBatch("d", pos=3, park={AGAIN: row}, lanes={"u:u1": lane_row("u:u1")}, at=clock.ms)
    committing = asyncio.create_task(node.commit(batch))
    await has_asked.wait()
    trimming = asyncio.create_task(other.tidy())
    await eventually(partial(is_waited_for, node), what="the trimming waits")
    goes_on.set()
    await asyncio.gather(committing, trimming)
    assert await first_left(node) == 0
    [(rows, _)] = await node.parked("d", [("u:u1", Queue.MAIN, -1)], 10)
    assert [(one.message_id, one.body) for one in rows] == [("m2", make("m2").body)]


async def test_one_process_at_a_time_trims_and_another_one_once_the_lease_is_over(
    nodes: list[PostgresCase], clock: FakeClock
) -> None:
    node, other = nodes
    await node.housekeeping.round()
    clock.advance(8 * DAY)
    await other.housekeeping.round()
    assert await first_left(node) == 1, "the other one has the duty"
    await node.execute("UPDATE duty SET expires = '-infinity'")
    await other.tidy()
    assert await first_left(node) == 0
    await node.housekeeping.round()
    assert node.number("SELECT epoch FROM duty WHERE name = 'housekeeping'") == 2


async def test_who_has_lost_the_duty_removes_nothing_and_the_next_one_goes_on(
    nodes: list[PostgresCase], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, other = nodes
    clock.advance(8 * DAY)
    waits = trim_log.wait_for_commits

    async def frozen(connection: Any) -> None:
        await waits(connection)
        monkeypatch.setattr(trim_log, "wait_for_commits", waits)
        await other.execute("UPDATE duty SET expires = '-infinity'")
        await other.housekeeping._duty.take(connection)

    monkeypatch.setattr(trim_log, "wait_for_commits", frozen)
    assert not await node.housekeeping.round()
    assert (await first_left(node), node.number("SELECT pos FROM trim")) == (1, 3), "it was announced, and nothing more"
    await other.tidy()
    assert await first_left(node) == 0


async def test_what_another_process_has_configured_is_not_trimmed_before_it_is_read(
    nodes: list[PostgresCase], clock: FakeClock
) -> None:
    node, other = nodes
    other.keep_for(["e"])
    node.keep_for(["d"])
    await other.cursor("e", clock.ms)
    await accept(node, make("m4", clock.ms), make("m5", clock.ms))
    await node.commit(CommitBatch("d", pos=5, settled=dict.fromkeys((4, 5), ("delivered", "")), at=clock.ms))
    clock.advance(8 * DAY)
    await other.housekeeping.round()
    await node.execute("UPDATE duty SET expires = '-infinity'")
    await node.tidy()
    assert await first_left(node) == 4, "e has not read it"
    clock.advance(WANTED_MS / 1000)
    other.keep_for([])
    await node.tidy()
    assert await first_left(node) == 0
    claim = await other.claims.open(Unit(PART, "e"), Opening(clock.ms, "live", True, ""))
    assert (claim.cursor.pos, claim.cursor.abandoned) == (5, 2), "they are dead, without a letter"
    assert (await node.queries.ledger(["e"]))["destinations"]["e"]["dead"] == 2


async def test_nobody_trims_before_all_processes_have_said_what_they_need(
    nodes: list[PostgresCase], on_server: OnServer, tmp_path: Path, clock: FakeClock
) -> None:
    clock.advance(8 * DAY)
    async with opened(on_server, tmp_path, clock) as new:
        await new.housekeeping.round()
        assert await first_left(new) == 1
        clock.advance(WANTED_MS / 1000)
        await new.tidy()
        assert await first_left(new) == 0


async def test_the_next_destination_waits_for_a_trimming_that_has_not_heard_of_it(
    nodes: list[PostgresCase], clock: FakeClock
) -> None:
    """A destination comes back while the log that it has not read is given up: it goes on behind that, and misses nothing beside it."""
    node, other = nodes
    await node.cursor("e", clock.ms)
    await accept(node, make("m4", clock.ms))
    await node.commit(CommitBatch("d", pos=4, settled={4: ("delivered", "")}, at=clock.ms))
    node.keep_for(["d"])
    clock.advance(8 * DAY)
    await accept(node, make("m5", clock.ms))
    async with administrator(node) as connection, connection.transaction():
        await trim_log.announce(connection, ["d"], clock.ms, clock.ms - 7 * DAY * 1000)
        opening = asyncio.create_task(other.cursor("e", clock.ms))
        await eventually(partial(is_waited_for, node), what="the opening waits")
    cursor = await opening
    assert (cursor.pos, cursor.abandoned) == (4, 1)


async def test_message_ids_go_with_their_generation(nodes: list[PostgresCase], clock: FakeClock) -> None:
    node, other = nodes
    for day in range(RING + 1):
        clock.advance(DAY)
        await node.tidy()
        [pos] = await accept(other if day % 2 else node, make(f"day-{day}", clock.ms))
        assert await accept(node, make(f"day-{day}", clock.ms)) == [0], "also where it was just turned"
        assert await other.queries.position(f"day-{day}", None) == pos
    assert node.number("SELECT generation FROM head") == RING + 1
    assert node.number("SELECT count(*) FROM generation") == RING
    ids = sum(node.number(f"SELECT count(*) FROM seen_{n}") for n in range(RING))
    assert ids == RING, "one of each day; those of the first days were in tables that were filled again"


async def test_an_id_of_the_window_is_a_duplicate_in_the_generations_before(
    nodes: list[PostgresCase], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, other = nodes
    monkeypatch.setattr("router.store.postgres.generations.LEAST_MS", 1)
    node.housekeeping._ids_ms = 7 * 3_600_000
    await accept(node, make("m", clock.ms))
    for _ in range(5):
        clock.advance(3_600)
        await node.housekeeping.round()
        assert await accept(other, make("m", clock.ms)) == [0]


async def test_events_that_nobody_refers_to_any_more_are_swept_out(nodes: list[PostgresCase], clock: FakeClock) -> None:
    node, _ = nodes
    await node.execute(
        "INSERT INTO kept VALUES (0, 2, 7, 0, 'website', 'track', 'u:u1', 'm2', 'a'), (0, 3, 8, 0, 'website', 'track', 'u:u1', 'm3', 'a')"
    )
    row = parked_row(3, "m3", "u:u1", body=b"a")
    await node.commit(CommitBatch("d", pos=3, park={3: row}, lanes={"u:u1": lane_row("u:u1")}, at=clock.ms))
    clock.advance(housekeeping.SWEEP_MS / 1000)
    while await node.housekeeping.round():
        pass
    assert [n for n in (2, 3) if node.number("SELECT count(*) FROM kept WHERE pos = ?", n)] == [3]


async def test_it_keeps_house_by_itself_and_tells_what_it_cannot_do(
    on_server: OnServer, tmp_path: Path, clock: FakeClock
) -> None:
    async with opened(on_server, tmp_path, clock) as node:
        await accept(node, make("m1", clock.ms))
        await node.execute("ALTER TABLE duty RENAME TO hidden")

        async def problems() -> list[str]:
            clock.advance(60)
            return [problem.code for problem in node.health.problems()]

        await eventually(problems, what="a problem is told")
        assert await problems() == ["store_not_trimmed"]
        await node.execute("ALTER TABLE hidden RENAME TO duty")
        clock.advance(8 * DAY)

        async def all_is_well() -> bool:
            return (
                not await problems() and await first_left(node) == 0
            )  # time goes on: a round that failed is tried again later

        await eventually(all_is_well, what="the log is trimmed")
