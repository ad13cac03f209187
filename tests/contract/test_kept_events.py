"""Parked rows and dead letters refer to the log. What is trimmed from there is kept for as long as a row refers to it, once for all
destinations; what became of it is told for the retention from then on."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router.store import ORDER_KEY_STEP, AttemptRow, CommitBatch, DeadLetterFilter, DeadRow, GroupCallRow, ParkedOutcome
from router.store.fate_words import TOLD_ATTEMPTS
from router.store.sqlite import cursors, dead_letter_reads, kept_events, retention
from router.store.sqlite.event_columns import DEAD
from router.store.sqlite.migrations import migrate
from router.testing.clock import START_MS, FakeClock
from router.vocabulary import Queue
from tests.contract.store_case import StoreCase, open_case
from tests.contract.test_store import accept, fate, lane_row, make, parked_row

pytestmark = pytest.mark.usefixtures("backend")
only_sqlite = pytest.mark.only_sqlite
DAY = 86_400
BODY = make("m1").body


@asynccontextmanager
async def opened(folder: Path, clock: FakeClock) -> AsyncIterator[StoreCase]:
    """A store that retains seven days."""
    async with open_case(folder / "router.db", lambda mark: clock, dedupe_window_s=60, min_free_bytes=0) as (store, _):
        yield store


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StoreCase]:
    """Five events m1 to m5 are in its log, and destinations d and e have not read them."""
    monkeypatch.setattr("router.store.sqlite.dedupe.MERGE_AT", 1)
    async with opened(tmp_path, clock) as store:
        for name in ("d", "e"):
            await store.cursor(name, clock.ms)
        await accept(store, *(make(f"m{n}", clock.ms, userId=f"u{n}") for n in range(1, 6)))
        yield store


async def commit(store: StoreCase, destination: str = "d", pos: int = 5, **changes: Any) -> None:
    await store.commit(CommitBatch(destination, pos=pos, at=store.now_ms(), **changes))


async def hold(store: StoreCase, *positions: int, destination: str = "d") -> None:
    """Events of users of their own are held; all others are delivered."""
    rows = {pos: parked_row(pos, f"m{pos}", f"u:u{pos}", body=BODY) for pos in positions}
    lanes = {f"u:u{pos}": lane_row(f"u:u{pos}") for pos in positions}
    settled = {pos: ("delivered", "") for pos in range(1, 6) if pos not in positions}
    await commit(store, destination, park=rows, lanes=lanes, settled=settled)


async def trim(store: StoreCase, clock: FakeClock, name: str = "later") -> None:
    """Eight days pass, and what comes then trims the log."""
    clock.advance(8 * DAY)
    [pos] = await accept(store, make(name, clock.ms))
    for destination in ("d", "e"):
        await commit(store, destination, pos, settled={pos: ("delivered", "")})
    await store.tidy()


async def release(store: StoreCase, pos: int, destination: str = "d") -> None:
    """A held event is delivered."""
    late = [ParkedOutcome(pos, "website", f"m{pos}", "delivered", "")]
    await commit(store, destination, store.head, unpark=[pos], late=late, lanes={f"u:u{pos}": None})


async def bodies(store: StoreCase, pos: int, destination: str = "d") -> list[bytes]:
    [(rows, _)] = await store.parked(destination, [(f"u:u{pos}", Queue.HELD, -1)], 10)
    return [row.body for row in rows]


def count(store: StoreCase, sql: str, *args: object) -> int:
    with closing(store.image()) as db:
        return int(db.execute(sql, args).fetchone()[0])


async def kept(store: StoreCase, what: str = "pos", where: str = "1") -> list[Any]:
    await store.tidy()
    with closing(store.image()) as db:
        return [row[0] for row in db.execute(f"SELECT {what} FROM kept WHERE {where} ORDER BY pos")]


async def test_a_held_event_is_stored_once_however_many_destinations_hold_it(store: StoreCase) -> None:
    before = count(store, "SELECT sum(length(body)) FROM log")
    for destination in ("d", "e"):
        await hold(store, 1, 2, destination=destination)
    assert await bodies(store, 1) == await bodies(store, 1, "e") == [make("m1", userId="u1").body]
    assert count(store, "SELECT sum(length(body)) FROM log") == before
    assert await kept(store) == []


async def test_what_rows_refer_to_outlives_the_log_in_one_copy(store: StoreCase, clock: FakeClock) -> None:
    await hold(store, 1, 3)
    await hold(store, 3, destination="e")
    await trim(store, clock)
    assert count(store, "SELECT min(pos) FROM log") == 6
    assert await kept(store) == [1, 3]
    assert await bodies(store, 3) == await bodies(store, 3, "e") == [make("m3", userId="u3").body]
    [(rows, _)] = await store.parked("d", [("u:u3", Queue.HELD, -1)], 10)
    assert (rows[0].message_id, rows[0].source, rows[0].type, rows[0].received_at) == (
        "m3",
        "website",
        "track",
        START_MS,
    )
    assert await fate(store, "m3") == ("held", "group_unknown")


async def test_the_copy_goes_with_the_last_reference(store: StoreCase, clock: FakeClock) -> None:
    for destination in ("d", "e"):
        await hold(store, 1, destination=destination)
    await trim(store, clock)
    await release(store, 1)
    assert await kept(store, where="body IS NOT NULL") == [1]
    assert await bodies(store, 1, "e") != []
    await release(store, 1, "e")
    assert await kept(store, where="body IS NOT NULL") == []


async def test_what_was_delivered_late_is_told_for_the_retention_from_then_on(
    store: StoreCase, clock: FakeClock
) -> None:
    await hold(store, 1)
    await trim(store, clock)
    await release(store, 1)
    assert await fate(store, "m1") == ("delivered", "")
    answer = await store.queries.message("m1", None, ["d"])
    assert answer is not None
    assert (answer["source"], answer["type"], answer["user_id"]) == ("website", "track", "u1")
    await trim(store, clock, "later still")
    assert await store.queries.message("m1", None, ["d"]) is None
    assert await kept(store) == []


async def test_what_was_delivered_late_but_before_the_log_was_trimmed_is_told_as_long(
    store: StoreCase, clock: FakeClock
) -> None:
    await hold(store, 1)
    await commit(store, "e")
    clock.advance(5 * DAY)
    await release(store, 1)
    clock.advance(-5 * DAY)
    await trim(store, clock)
    assert await fate(store, "m1") == ("delivered", "")
    assert await kept(store, "body") == [None], "the facts, and nothing to send"


async def test_a_retry_of_a_few_seconds_leaves_no_copy(store: StoreCase, clock: FakeClock) -> None:
    await hold(store, 1)
    await commit(store, "e")
    clock.advance(5)
    await release(store, 1)
    clock.advance(7 * DAY - 3)
    [pos] = await accept(store, make("later", clock.ms))
    await store.tidy()
    assert count(store, "SELECT min(pos) FROM log") == pos
    assert await kept(store) == []


async def test_a_dead_letter_keeps_its_event_until_it_is_dropped(store: StoreCase, clock: FakeClock) -> None:
    letter = DeadRow(2, clock.ms, "u:u2", "rejected", "no", START_MS, "website", "track", "m2", "", BODY, None, "", 1)
    await commit(store, dead=[letter])
    await commit(store, "e")
    await trim(store, clock)
    [found] = await store.letters("d", DeadLetterFilter(), 0, 10)
    assert (found.body, found.message_id, found.received_at) == (make("m2", userId="u2").body, "m2", START_MS)
    assert (await store.queries.dead("d", DeadLetterFilter("rejected"), None))["items"][0]["message_id"] == "m2"
    await commit(store, pos=store.head, undead={2})
    assert await kept(store) == []


async def test_a_held_event_that_dies_and_is_replayed_keeps_its_event_all_the_while(
    store: StoreCase, clock: FakeClock
) -> None:
    await hold(store, 1)
    await commit(store, "e")
    await trim(store, clock)
    letter = DeadRow(1, clock.ms, "u:u1", "dropped", "", START_MS, "website", "track", "m1", "", BODY, None, "", 0)
    await commit(store, pos=store.head, unpark=[1], dead=[letter], lanes={"u:u1": None})
    assert await kept(store) == [1]
    row = parked_row(1, "m1", "u:u1", Queue.MAIN, body=BODY)
    await commit(store, pos=store.head, undead={1}, park={1: row}, lanes={"u:u1": lane_row("u:u1")})
    assert await kept(store, "body") == [make("m1", userId="u1").body]


async def test_a_second_sending_refers_to_the_event_it_sends_again(store: StoreCase, clock: FakeClock) -> None:
    pos = -(5 * ORDER_KEY_STEP + 1)
    again = parked_row(pos, "m2", "u:u2", Queue.MAIN, place=-pos, origin=2, body=BODY)
    await commit(store, park={pos: again}, lanes={"u:u2": lane_row("u:u2")})
    await commit(store, "e")
    [(rows, _)] = await store.parked("d", [("u:u2", Queue.MAIN, -1)], 10)
    assert (rows[0].message_id, rows[0].body) == ("m2", make("m2", userId="u2").body)
    await trim(store, clock)
    assert await kept(store) == [2]
    await commit(store, pos=store.head, unpark=[pos], lanes={"u:u2": None})
    assert await kept(store) == []


async def test_an_event_that_left_the_log_before_it_was_parked_is_kept_as_it_is_handed_over(
    store: StoreCase, clock: FakeClock
) -> None:
    for destination in ("d", "e"):
        await commit(store, destination)
    await trim(store, clock)
    pos = -(6 * ORDER_KEY_STEP + 1)
    again = parked_row(pos, "m2", "u:u2", Queue.MAIN, place=-pos, origin=2, body=BODY)
    await commit(store, pos=store.head, park={pos: again}, lanes={"u:u2": lane_row("u:u2")})
    [(rows, _)] = await store.parked("d", [("u:u2", Queue.MAIN, -1)], 10)
    assert (rows[0].message_id, rows[0].body) == ("m2", BODY)
    assert await fate(store, "m2", "e") == ("queued", "in_flight"), "its receipt was trimmed, too"


async def test_what_a_timer_returned_is_kept_by_its_destination(store: StoreCase) -> None:
    pos = -(5 * ORDER_KEY_STEP + 1)
    for destination in ("d", "e"):
        row = parked_row(pos, f"wake:{destination}", "u:u1", Queue.MAIN, place=-pos, type="wake", source="", body=b"")
        await commit(store, destination, park={pos: row}, lanes={"u:u1": lane_row("u:u1")})
    [(rows, _)] = await store.parked("e", [("u:u1", Queue.MAIN, -1)], 10)
    assert (rows[0].message_id, rows[0].type, rows[0].body) == ("wake:e", "wake", b"")
    assert await fate(store, "wake:d") == ("queued", "group_unknown")
    letter = DeadRow(pos, START_MS, "u:u1", "rejected", "", START_MS, "", "wake", "wake:d", "", b"", None, "", 1)
    await commit(store, unpark=[pos], dead=[letter], lanes={"u:u1": None})
    assert [found.message_id for found in await store.letters("d", DeadLetterFilter(), -(1 << 62), 10)] == ["wake:d"]
    await commit(store, undead={pos})
    assert count(store, "SELECT count(*) FROM woken WHERE destination = 'd'") == 0
    assert count(store, "SELECT count(*) FROM woken WHERE destination = 'e'") == 1


@only_sqlite
async def test_a_slice_copies_no_more_than_its_bytes_and_the_next_one_goes_on(
    store: StoreCase, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hold(store, 1, 2, 3, 4, 5)
    await commit(store, "e")
    monkeypatch.setattr(retention, "MOST_BYTES", 2 * len(BODY))
    clock.advance(8 * DAY)
    for left in (3, 5, 6):
        await store.append([], [], [])
        assert count(store, "SELECT coalesce(min(pos), 6) FROM log") == left
    assert await kept(store) == [1, 2, 3, 4, 5]


@only_sqlite
async def test_what_only_a_dropped_destination_held_goes_in_slices(
    store: StoreCase, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "LOOKED_AT", 2)
    await hold(store, 1, 2, 3, 4, 5)
    await hold(store, 2, destination="e")
    await trim(store, clock)
    await store.drop("d")
    assert await kept(store) == [1, 2, 3, 4, 5]
    for _ in range(4):
        await store.append([], [], [])
    assert await kept(store) == [2]
    assert count(store, "SELECT count(*) FROM meta WHERE key = ?", cursors.SWEEP) == 0


async def test_a_group_call_that_nobody_can_ask_for_is_forgotten_with_its_letter(
    store: StoreCase, clock: FakeClock
) -> None:
    groups = [make(f"g{n}", clock.ms, type="group", userId="u1", groupId=f"group-{n}") for n in (6, 7)]
    assert await accept(store, *groups) == [6, 7]
    letters = [
        DeadRow(pos, clock.ms, "u:u1", "rejected", "", START_MS, "website", "group", f"g{pos}", "", BODY, None, "", 1)
        for pos in (6, 7)
    ]
    calls: dict[int, GroupCallRow | None] = {pos: GroupCallRow(pos, "u:u1", f"group-{pos}", ("id",)) for pos in (6, 7)}
    await commit(store, pos=7, dead=letters, supplies=calls)
    await commit(store, "e", 7)
    await trim(store, clock)
    await trim(store, clock, "more")
    assert [row.pos for row in await store.supplies("d")] == [6, 7], "their letters may be sent again"
    await commit(store, pos=store.head, undead={6, 7})
    await trim(store, clock, "and more")
    await trim(store, clock, "still more")
    assert [row.pos for row in await store.supplies("d")] == [7], "the newest group of u1 is the one that was refused"


@only_sqlite
async def test_attempts_are_bounded_in_bytes(
    store: StoreCase, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "KEPT_ATTEMPT_BYTES", 50_000)
    for n in range(10):
        attempts = [AttemptRow(1, clock.ms, 0, None, "", "dry_run", "x" * 1_900) for _ in range(10)]
        await commit(store, attempts=attempts)
        assert count(store, "SELECT count(*) FROM attempt") <= 25 + 10, n
    assert count(store, "SELECT max(upto) - min(upto) FROM attempt") <= 70_000


async def test_a_bounded_number_of_attempts_is_told_of_an_event_and_of_their_requests(store: StoreCase) -> None:
    request = msgspec.json.encode({"body": "x" * 400_000}).decode()
    tries = [AttemptRow(2, START_MS + n, 0, None, f"{n}", "dry_run", request) for n in range(10)]
    tries += [AttemptRow(2, START_MS + n, 0, 503, f"{n}", "status_503") for n in range(10, TOLD_ATTEMPTS + 5)]
    await commit(store, attempts=tries)
    answer = await store.queries.message("m2", None, ["d"])
    assert answer is not None
    attempts = answer["destinations"]["d"]["attempts"]
    assert [one["error"] for one in attempts] == [f"{n}" for n in range(5, TOLD_ATTEMPTS + 5)]
    assert [one["error"] for one in attempts if "request" in one] == ["7", "8", "9"], "a megabyte, the newest first"


@only_sqlite
@pytest.mark.parametrize(("reason", "how"), [("rejected", "INDEX dead_by_reason"), (None, "PRIMARY KEY")])
def test_pages_of_dead_letters_are_read_in_order_by_an_index(reason: str | None, how: str) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        migrate(db, Path("unused"), 0)
        sql, values = dead_letter_reads.letters_of(DEAD, "d", DeadLetterFilter(reason), 0, 10)
        plan = " ".join(str(row[-1]) for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", values))
        assert f"SEARCH d USING {how} " in plan
        assert "B-TREE" not in plan
        assert dead_letter_reads.count(db, "d", DeadLetterFilter(reason)) == 0


@only_sqlite
def test_referred_events_are_looked_up_by_index() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        migrate(db, Path("unused"), 0)
        sql = f"EXPLAIN QUERY PLAN SELECT {kept_events.REFERRED}, {kept_events.TOLD}"
        plan = [str(row[-1]) for row in db.execute(sql, {"part": 0, "pos": 1})]
        assert not [step for step in plan if step.startswith("SCAN") and "CONSTANT ROW" not in step], plan
