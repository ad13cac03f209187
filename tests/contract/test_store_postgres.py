"""What only the shared store has: several processes on one database, connections that are lost, a clock of the database's own."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import pytest

from router.clock import SystemClock
from router.counts import Counted, Counts
from router.errors import ClaimLost, StartError, StoreAway
from router.event import Call, Discard
from router.event.envelope import Noted
from router.plans.verdict import Verdict, Violation
from router.store import HOUR_S, CommitBatch, DeadLetterFilter, DeadRow, EventAsk, EventQuery, search_bounds
from router.store.postgres import append_group, block_reads, log_backwards
from router.store.postgres.database import connect
from router.store.postgres.install import LOCK, install
from router.store.postgres.store import open_postgres
from router.testing.clock import START_MS, FakeClock
from tests.contract.postgres_case import OnServer, PostgresCase
from tests.contract.test_store import WINDOW_S, accept, make
from tests.flow.harness import eventually

DAY_MS = 86_400_000


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def node(on_server: OnServer, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Any]:
    async with on_server.open(tmp_path / "db", lambda mark: clock, dedupe_window_s=WINDOW_S) as (store, _):
        yield store


@asynccontextmanager
async def another(node: PostgresCase, clock: Any = None) -> AsyncIterator[PostgresCase]:
    """Another process on the same database."""
    own = clock or FakeClock()
    opening = open_postgres(node.dsn, lambda mark: own, dedupe_window_s=WINDOW_S, needs_fsync=False)
    async with opening as (store, _):
        yield PostgresCase(store, node.dsn)


@asynccontextmanager
async def administrator(node: PostgresCase) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(node.dsn, server_settings={"application_name": "administrator"})
    try:
        yield connection
    finally:
        await connection.close()


WAITS = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"
ROUTERS = "pid <> pg_backend_pid() AND application_name = 'segment-router' AND datname = current_database()"


async def test_a_process_waits_while_another_one_makes_tables_for_longer_than_it_waits_for_any_other_lock(
    node: PostgresCase,
) -> None:
    async with administrator(node) as other:
        starting = await connect(node.dsn, lock_timeout="1ms")
        try:
            await other.execute(f"BEGIN; SELECT pg_advisory_xact_lock({LOCK})")
            installing = asyncio.ensure_future(install(starting, START_MS))
            await eventually(lambda: other.fetchval(WAITS), what="it waits for its turn")
            assert not installing.done()
            await other.execute("COMMIT")
            await installing
            assert await starting.fetchval("SHOW lock_timeout") == "1ms"
        finally:
            await starting.close()


async def test_a_process_that_waits_for_too_long_says_what_it_has_waited_for(
    node: PostgresCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.store.postgres.install.PATIENCE_S", 0.01)
    async with administrator(node) as other:
        starting = await connect(node.dsn)
        try:
            await other.execute(f"BEGIN; SELECT pg_advisory_xact_lock({LOCK})")
            with pytest.raises(StartError, match="another process has been making or upgrading tables"):
                await install(starting, START_MS)
        finally:
            await starting.close()


async def test_the_same_messages_through_two_nodes_at_once_are_stored_once(node: PostgresCase) -> None:
    random = Random(1)
    async with another(node) as other:
        found = []
        for store in (node, other):
            ids = [f"m{n}" for n in range(600)]
            random.shuffle(ids)
            calls = [make(m) for m in ids]
            found += [accept(store, *calls[n : n + 20]) for n in range(0, len(calls), 20)]
        random.shuffle(found)
        positions = [pos for told in await asyncio.gather(*found) for pos in told]
        assert sorted(pos for pos in positions if pos) == list(range(1, 601))
        ledger = await other.queries.ledger([])
        assert (ledger["accepted"], ledger["duplicates"]) == (600, 600)
        rows = await node.log.read(0, 1000, 1 << 30)
        assert [row.pos for row in rows] == list(range(1, 601))
        assert {row.message_id for row in rows} == {f"m{n}" for n in range(600)}


async def test_another_process_takes_a_destination_over(node: PostgresCase) -> None:
    await node.cursor("d", START_MS)
    await node.commit(CommitBatch("d", at=START_MS))
    async with another(node) as other:
        await other.cursor("d", START_MS)
        with pytest.raises(ClaimLost):
            await node.commit(CommitBatch("d", at=START_MS))
        assert not node.claim("d").may_send(1)
        await other.commit(CommitBatch("d", at=START_MS))
    assert node.number("SELECT step FROM cursor") == 2


async def test_commits_whose_connection_is_cut_are_stored_once(node: PostgresCase, clock: FakeClock) -> None:
    await node.cursor("d", START_MS)
    asked = 0
    claim: Any = node.claim("d")
    came_to = claim._came_to

    async def counted() -> Any:
        nonlocal asked
        asked += 1
        return await came_to()

    claim._came_to = counted
    async with administrator(node) as connection:
        for n in range(60):
            step = CommitBatch("d", at=START_MS, state={"n": str(n).encode()})
            step.count("delivered")
            committing = asyncio.ensure_future(node.commit(step))
            for _ in range(n % 6):
                await asyncio.sleep(0)
            await connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ROUTERS}")
            while not committing.done():
                await asyncio.wait({committing}, timeout=0.01)
                clock.advance(1)  # the moment before it asks again
            await committing
    assert asked > 10, "else nothing was cut"
    assert node.number("SELECT delivered FROM cursor") == 60
    assert node.number("SELECT step FROM cursor") == 60


async def test_appends_whose_connection_is_cut_are_refused_and_then_stored_once(node: PostgresCase) -> None:
    refused = 0
    async with administrator(node) as connection:
        for n in range(60):
            call = make(f"m{n}", type="identify", userId=f"u{n}", traits={"n": n})
            appending = asyncio.ensure_future(accept(node, call))
            for _ in range(n % 4):
                await asyncio.sleep(0)
            await connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ROUTERS}")
            try:
                await appending
            except StoreAway:
                refused += 1
                [again] = await accept(node, call)
                assert again in (0, n + 1)
    assert refused > 10
    assert (await node.queries.ledger([]))["accepted"] == 60
    known = await node.directory.known([(f"u:u{n}", 1 << 62) for n in range(60)], [])
    assert known.people == {f"u:u{n}": {"n": n} for n in range(60)}


async def test_a_question_whose_connection_is_cut_is_asked_again_on_another_one(node: PostgresCase) -> None:
    asked = 0

    async def question(connection: Any) -> int:
        nonlocal asked
        asked += 1
        if asked == 1:
            async with administrator(node) as other:
                pid = connection.get_server_pid()
                await other.execute("SELECT pg_terminate_backend($1)", pid)
        return int(await connection.fetchval("SELECT 7"))

    claims: Any = node.claims
    assert await claims._database.ask(question) == 7
    assert asked == 2


async def test_an_event_whose_append_has_no_answer_is_read_though_nothing_more_is_appended(
    node: PostgresCase, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = append_group.Group.store

    async def loses_the_answer(*args: Any) -> Any:
        await store(*args)
        raise ConnectionResetError

    with monkeypatch.context() as patches:
        patches.setattr(append_group.Group, "store", loses_the_answer)
        with pytest.raises(StoreAway):
            await accept(node, make("m1"))
    woken = asyncio.Event()
    node.watch(woken.set)
    assert (node.head, [problem.code for problem in node.health.problems()]) == (0, ["store_away"])
    while not woken.is_set():
        clock.advance(1)
        await asyncio.wait({asyncio.ensure_future(woken.wait())}, timeout=0.01)
    assert (node.head, node.health.problems()) == (1, [])
    assert [row.message_id for row in await node.log.read(0, 9, 1)] == ["m1"]
    assert await accept(node, make("m1"), make("m2")) == [0, 2]


async def test_ids_stay_duplicates_when_their_table_is_closed(node: PostgresCase, clock: FakeClock) -> None:
    await accept(node, make("m1", clock.ms), make("m2", clock.ms))
    async with administrator(node) as connection:
        await connection.execute("UPDATE generation SET closed_at = $1", clock.ms)
        await connection.execute("INSERT INTO generation VALUES (1, $1, NULL)", clock.ms)
        await connection.execute("UPDATE head SET generation = 1")
    clock.advance(WINDOW_S - 10)
    assert await accept(node, make("m1", clock.ms), make("m3", clock.ms)) == [0, 3]
    found = await node.queries.message("m1", None, [])
    assert found is not None
    assert await node.queries.position("m1", None) == 1
    clock.advance(10)
    assert await accept(node, make("m2", clock.ms)) == [4]
    assert await node.queries.position("m2", None) == 4


async def test_a_clock_that_is_ahead_pushes_nobodys_time_on(node: PostgresCase) -> None:
    ahead = FakeClock(START_MS + 1000 * 365 * DAY_MS)
    async with another(node, ahead) as other:
        assert await accept(other, make("m1", ahead.ms)) == [1]
    [row] = await node.log.read(0, 1, 1)
    assert row.received_at < SystemClock().now_ms() + DAY_MS
    assert await accept(node, make("m2", START_MS)) == [2]
    rows = await node.log.read(0, 9, 1 << 20)
    assert rows[1].received_at == rows[0].received_at, "time never runs back"


async def test_words_with_a_nul_character_are_kept_without_it(node: PostgresCase) -> None:
    await node.append([], [], [Discard("web", START_MS, "bad", "a\0b", "m\0", "track", "{\0}")])
    [item] = (await node.input_reports.discards(None, 0))["items"]
    assert (item["message"], item["message_id"]) == ("a\ufffdb", "m\ufffd")
    await node.cursor("d", START_MS)
    await accept(node, make("m1"))
    letter = DeadRow(1, START_MS, "u:u1", "rejected", "no\0", START_MS, "web", "track", "m1", "", b"", None, "", 1)
    await node.commit(CommitBatch("d", pos=1, dead=[letter], at=START_MS))
    [stored] = await node.letters("d", DeadLetterFilter(), 0, 9)
    assert stored.detail == "no\ufffd"


async def test_counts_of_two_nodes_that_write_at_once_add_up(node: PostgresCase) -> None:
    names = [Counted("source", f"s{n}") for n in range(20)]
    async with another(node) as other:
        adding = []
        for n in range(10):
            some = {name: Counts({"accepted": 1}, peak={"bytes": n}) for name in sorted(names, reverse=bool(n % 2))}
            adding += [store.counters.add(START_MS, some) for store in (node, other)]
        await asyncio.gather(*adding)
        found = await other.counters.buckets(HOUR_S, 0)
    assert {(whom, counts.n["accepted"], counts.peak["bytes"]) for _, whom, counts in found} == {
        (name, 20, 9) for name in names
    }


async def test_a_search_reads_the_log_in_parts_and_finds_the_same(
    node: PostgresCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(12):
        calls = [make(f"m{n}-{k}", userId=f"u{k}", event="E") for k in range(4)]
        await accept(node, *calls, make("m0-0", userId="u0"), *calls[:2])
    which = EventQuery(user_key="u:u1", after=6)
    whole = await node.queries.events(which, [], None, 20)
    assert [event["message_id"] for event in whole["items"]] == [f"m{n}-1" for n in range(11, 1, -1)]
    assert [event["position"] for event in whole["items"]] == list(range(46, 6, -4))
    monkeypatch.setattr(log_backwards, "BYTES", 1)
    monkeypatch.setattr(search_bounds, "SLICE", 7)
    assert await node.queries.events(which, [], None, 20) == whole
    assert len(await node.lookups.newest_of_sources(100)) == 48


async def test_of_several_kinds_none_knows_an_event_that_came_after_the_first_was_asked_for(
    node: PostgresCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what came between would never be counted as new."""
    queries: Any = node.queries
    search = queries.events
    await accept(node, make("m1"))

    async def and_then_one_more(*args: Any) -> Any:
        found = await search(*args)
        await accept(node, make(f"after-{found['head']}"))
        return found

    monkeypatch.setattr(queries, "events", and_then_one_more)
    found = await queries.events_together([EventAsk(EventQuery(), None, 20)] * 2, ["d"])
    assert [(one["head"], len(one["items"])) for one in found] == [(1, 1), (1, 1)]


async def test_events_are_looked_up_however_many_blocks_they_stand_in(
    node: PostgresCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(6):
        await accept(node, make(f"m{n}a"), make(f"m{n}b"))
    async with another(node) as other:
        monkeypatch.setattr(block_reads, "AT_ONCE_BYTES", 1)
        found = await other.queries.events(EventQuery(at=(1, 4, 5, 12, 99)), [], None, 20)
    assert [event["message_id"] for event in found["items"]] == ["m5b", "m2a", "m1b", "m0a"]


@pytest.mark.parametrize("address", ["Ann@Example.com ", "x" * 20_000, "a\0b"])
async def test_a_person_is_found_by_the_newest_address_whatever_it_is(node: PostgresCase, address: str) -> None:
    def told(word: str, message_id: str) -> Call:
        return make(message_id, type="identify", userId="u1", traits={"email": word})

    await accept(node, told("before@example.com", "i1"), make("i2", type="identify", userId="u2", traits={"email": 7}))
    await accept(node, told(address, "i3"))
    assert (await node.lookups.by_trait(address.upper()))["people"] == ["user:u1"]
    for word in ("before@example.com", "7", ""):
        assert await node.lookups.by_trait(word) == {"people": [], "groups": []}


async def test_a_violation_of_a_name_with_a_nul_character_is_counted_without_it(node: PostgresCase) -> None:
    call = make("m1")
    call.noted = Noted("E\0", Verdict(violations=[Violation("Required", "properties.a\0", "a\0 is required")]))
    await node.append([call], [None], [])
    [kind] = (await node.input_reports.violations(None, None, 0))["items"]
    assert (kind["event"], kind["field"], kind["message_ids"]) == ("E\ufffd", "properties.a\ufffd", ["m1"])


# ------------------------------------------------------------ what is refused at the start


async def refused(node: PostgresCase, sql: str) -> str:
    """What a start says once this was done to the database."""
    async with administrator(node) as connection:
        await connection.execute(sql)
    with pytest.raises(StartError) as error:
        async with another(node):
            pass
    return str(error.value)


async def test_a_database_that_may_lose_what_it_acknowledged_is_refused(node: PostgresCase) -> None:
    name = node.dsn.rpartition("/")[2]
    told = await refused(node, f"ALTER DATABASE {name} SET synchronous_commit = off")
    assert "synchronous_commit = off" in told
    assert "set it to on" in told


async def test_a_newer_schema_is_refused(node: PostgresCase) -> None:
    assert "use the newer version" in await refused(node, "UPDATE version SET schema = 9, usable_from = 9")


async def test_a_schema_that_is_newer_and_still_usable_is_opened(node: PostgresCase) -> None:
    async with administrator(node) as connection:
        await connection.execute("UPDATE version SET schema = 9")
    async with another(node) as other:
        assert await accept(other, make("m1")) == [1]


async def test_a_database_that_cannot_be_reached_is_refused_in_words() -> None:
    clock = FakeClock()
    dsn = "postgresql://router:secret@127.0.0.1:1/router"
    with pytest.raises(StartError, match=r"^the database of store.url cannot be used: ") as error:
        async with open_postgres(dsn, lambda mark: clock, dedupe_window_s=60):
            pass
    assert "secret" not in str(error.value)


async def test_fsync_off_is_refused(node: PostgresCase) -> None:
    clock = FakeClock()
    with pytest.raises(StartError, match="fsync = off"):
        async with open_postgres(node.dsn, lambda mark: clock, dedupe_window_s=60):
            pass


async def test_a_connection_whose_other_end_is_gone_ends_within_seconds(node: PostgresCase) -> None:
    """Else who waits for an answer of a machine without power waits for ever: nothing comes, and nothing is sent."""
    claims: Any = node.claims
    database = claims._database
    own = await database.connect()
    async with database.worker() as worker, database._questions.acquire() as question:
        for connection in (own, worker, question):
            given = connection._transport.get_extra_info("socket")
            with socket.socket(fileno=os.dup(given.fileno())) as same:
                asks = same.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
                times = [same.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in names]
            assert (asks, times) == (1, [5, 1, 3, 8000])
    await own.close()
