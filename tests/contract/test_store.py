"""The store, on real files and on a real server: what was promised stands after a close and after a kill, and what failed left no
trace."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router.clock import SystemClock, to_iso
from router.directory import facts
from router.errors import ClaimLost, CommitFailed, StartError, StoreBusy, StoreClosed, StoreFull
from router.event import Call, Discard
from router.store import (
    ORDER_KEY_STEP,
    CommitBatch,
    DeadRow,
    DirectoryUpdate,
    LaneRow,
    Miscounted,
    ParkedOutcome,
    ParkedRow,
    Status,
    Tried,
    Waits,
    append_intake,
)
from router.store.outcome_blocks import SPAN, pack_ahead
from router.store.postgres import append_group
from router.store.sqlite import apply_commit, dedupe, group_transaction, held_counts, id_generations, id_runs
from router.store.sqlite.queries import open_queries
from router.testing.clock import START_MS, FakeClock
from router.vocabulary import LaneMode, Queue
from tests.contract.store_case import Shorter, StoreCase, open_case
from tests.patience import HANG_S

pytestmark = pytest.mark.usefixtures("backend")
only_sqlite = pytest.mark.only_sqlite
WINDOW_S = 3600
NEWEST = 1 << 62


@asynccontextmanager
async def opened(
    folder: Path, clock: FakeClock | None = None, *, window_s: float = WINDOW_S, min_free: int = 0
) -> AsyncIterator[StoreCase]:
    """The store in this folder; opening it again is a restart."""
    own = clock or FakeClock()
    path = folder / "router.db"
    async with open_case(path, lambda mark: own, dedupe_window_s=window_s, min_free_bytes=min_free) as (store, _):
        yield store


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(tmp_path: Path, clock: FakeClock) -> AsyncIterator[StoreCase]:
    async with opened(tmp_path, clock) as store:
        yield store


def make(message_id: str, at: int = START_MS, source: str = "website", type: str = "track", **fields: Any) -> Call:
    """A call as ingestion hands it over; a track of u1 unless said otherwise."""
    fields = fields or {"userId": "u1"}
    user, anonymous, group = (fields.get(k) for k in ("userId", "anonymousId", "groupId"))
    key = f"u:{user}" if user else f"a:{anonymous}" if anonymous else f"g:{group}"
    return Call(source, type, message_id, key, at, b"{}\n" + json.dumps({"type": type, **fields}).encode())


async def accept(store: Shorter, *calls: Call) -> list[int]:
    """Append these calls with what they tell the directory."""
    return await store.append(calls, [facts(call) for call in calls], [])


async def tell(store: StoreCase, type: str, **fields: Any) -> int:
    """Append one call that tells the directory something; returns its position."""
    return (await accept(store, make(f"{type}-{store.head}", type=type, **fields)))[0]


def parked_row(
    pos: int, message_id: str, user_key: str | None = "u:u1", queue: str = Queue.HELD, **changes: Any
) -> ParkedRow:
    """A held event's row."""
    values: dict[str, Any] = {
        "pos": pos, "user_key": user_key, "queue": queue, "place": pos * ORDER_KEY_STEP,
        "state": "held" if queue == Queue.HELD else "queued", "reason": "group_unknown", "parked_at": START_MS,
        "received_at": START_MS, "source": "website", "type": "track", "message_id": message_id, "linked": "",
        "given": "", "body": b"{}\n{}", "items": None, "made_by": "", "attempts": 0, "first_at": 0,
    }  # fmt: skip
    return ParkedRow(**values | changes)


def lane_row(user_key: str, held: int = 1, need: str = "") -> LaneRow:
    """The lane that goes with it."""
    return LaneRow(
        user_key, LaneMode.WAITING, need or user_key, "group_unknown", "", None, 0, held, 0, START_MS, ORDER_KEY_STEP
    )


def count(store: StoreCase, sql: str, *args: object) -> int:
    """A number straight out of the store."""
    return store.number(sql, *args)


async def fate(store: StoreCase, message_id: str, destination: str = "d", source: str | None = None) -> Any:
    """(state, reason) of a message; None where it was never accepted."""
    answer = await store.queries.message(message_id, source, [destination])
    if answer is None:
        return None
    told = answer["destinations"][destination]
    return told["state"], told["reason"]


def keep_discards(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    """So many discards are kept."""
    for module in (group_transaction, append_group):
        monkeypatch.setattr(module, "KEPT_DISCARDS", n)


def bound_pending(monkeypatch: pytest.MonkeyPatch, name: str, most: int) -> None:
    """What may wait to be written."""
    monkeypatch.setattr(append_intake, name, most)


# ------------------------------------------------------------ append and duplicates


async def test_append_gives_dense_ascending_positions(store: StoreCase) -> None:
    assert await accept(store, make("m1"), make("m2")) == [1, 2]
    assert await accept(store, make("m3")) == [3]
    assert store.head == 3


async def test_appends_of_one_group_keep_the_order_of_their_arrival(store: StoreCase) -> None:
    found = await asyncio.gather(*(accept(store, make(f"a{n}"), make(f"b{n}")) for n in range(20)))
    assert found == [[2 * n + 1, 2 * n + 2] for n in range(20)]


async def test_a_duplicate_inside_one_batch_gets_no_position(store: StoreCase) -> None:
    assert await accept(store, make("m1"), make("m1"), make("m2")) == [1, 0, 2]


async def test_a_duplicate_in_another_batch_of_the_same_group_gets_no_position(store: StoreCase) -> None:
    found = await asyncio.gather(accept(store, make("m1")), accept(store, make("m1"), make("m2")))
    assert list(found) == [[1], [0, 2]]


async def test_a_group_of_writes_has_as_many_events_as_it_stored_without_duplicates(store: StoreCase) -> None:
    await accept(store, make("m1"), make("m1"), make("m2"))
    await accept(store, make("m1"))
    assert (store.sizes.written().events, store.sizes.written().group.sum) == (2, 2)


async def test_a_duplicate_in_a_later_batch_gets_no_position_and_is_counted(store: StoreCase) -> None:
    await accept(store, make("m1"))
    assert await accept(store, make("m1"), make("m2")) == [0, 2]
    ledger = await store.queries.ledger([])
    assert (ledger["accepted"], ledger["duplicates"]) == (2, 1)


async def test_a_duplicate_after_a_restart_gets_no_position(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await accept(store, make("m1"))
    async with opened(tmp_path) as store:
        assert await accept(store, make("m1"), make("m2")) == [0, 2]


async def test_an_id_comes_again_outside_the_window_and_is_a_new_event(store: StoreCase, clock: FakeClock) -> None:
    await accept(store, make("m1", clock.ms))
    clock.advance(WINDOW_S - 1)
    assert await accept(store, make("m1", clock.ms)) == [0]
    clock.advance(1)
    assert await accept(store, make("m1", clock.ms)) == [2]


async def test_the_same_id_in_two_sources_is_two_events(store: StoreCase) -> None:
    assert await accept(store, make("m1", source="web"), make("m1", source="app")) == [1, 2]


async def test_a_duplicate_tells_the_directory_nothing(store: StoreCase) -> None:
    first = make("m", type="identify", userId="u1", traits={"n": 1})
    again = make("m", type="identify", userId="u1", traits={"n": 2})
    await accept(store, first, again)
    assert (await store.known([("u:u1", NEWEST)], [])).people == {"u:u1": {"n": 1}}


async def test_everything_appended_is_there_after_a_restart(tmp_path: Path) -> None:
    calls = [make(f"m{n}", at=START_MS + n, userId=f"u{n}") for n in range(50)]
    async with opened(tmp_path) as store:
        await accept(store, *calls)
    async with opened(tmp_path) as store:
        rows = await store.read(0, 1000, 10**9)
        told = [(r.pos, r.source, r.type, r.message_id, r.user_key, r.received_at, r.body) for r in rows]
        assert told == [
            (n + 1, c.source, c.type, c.message_id, c.user_key, c.received_at, c.body) for n, c in enumerate(calls)
        ]
        assert store.head == 50


@only_sqlite
async def test_positions_go_on_after_a_restart_with_an_empty_log(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await accept(store, make("m1"), make("m2"))
        await store.writer.run_alone(lambda db: db.execute("DELETE FROM log"))
    async with opened(tmp_path) as store:
        assert await accept(store, make("m3")) == [3]


async def test_read_gives_at_least_one_event_however_small_the_room(store: StoreCase) -> None:
    await accept(store, make("m1"), make("m2"))
    assert [row.pos for row in await store.read(0, 10, 1)] == [1]
    assert [row.pos for row in await store.read(1, 10, 1)] == [2]
    assert await store.read(2, 10, 1) == []


async def test_watchers_are_woken_when_the_head_has_moved(store: StoreCase) -> None:
    heads: list[int] = []

    def wake() -> None:
        heads.append(store.head)

    store.watch(wake)
    await accept(store, make("m1"))
    store.unwatch(wake)
    await accept(store, make("m2"))
    assert heads == [1]


# ------------------------------------------------------------ the index of message ids


@pytest.fixture
def small_merges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dedupe, "MERGE_AT", 10)
    monkeypatch.setattr(id_runs, "RUN_BITS", 1)
    monkeypatch.setattr(id_runs, "RUNS", 2)
    monkeypatch.setattr(id_generations, "STORED_EVERY", 2)
    monkeypatch.setattr(id_generations, "KEPT", 2)


@only_sqlite
@pytest.mark.usefixtures("small_merges")
async def test_merging_ids_into_the_index_loses_no_duplicate(store: StoreCase) -> None:
    for n in range(60):
        await accept(store, make(f"m{n}"))
        assert await accept(store, *(make(f"m{i}") for i in range(n + 1))) == [0] * (n + 1)
    assert count(store, "SELECT count(*) FROM seen_run") >= 3
    assert count(store, "SELECT count(*) FROM seen") >= 10, "of more generations than are kept the oldest moves"


@only_sqlite
@pytest.mark.usefixtures("small_merges")
async def test_a_kill_at_any_point_of_a_merge_loses_no_duplicate(tmp_path: Path) -> None:
    images: list[Path] = []
    async with opened(tmp_path / "alive") as store:
        for n in range(40):
            await accept(store, make(f"m{n}"))
            images.append(tmp_path / f"killed-{n}")
            images[-1].mkdir()
            for name in ("router.db", "router.db-wal"):
                shutil.copy(tmp_path / "alive" / name, images[-1] / name)
    for n, image in enumerate(images):
        async with opened(image) as store:
            found = await accept(store, *(make(f"m{i}") for i in range(n + 1)), make("new"))
            assert found == [0] * (n + 1) + [n + 2], f"killed after event {n}"


@pytest.mark.usefixtures("small_merges")
async def test_merged_ids_are_accepted_again_outside_the_window(store: StoreCase, clock: FakeClock) -> None:
    for n in range(60):
        await accept(store, make(f"m{n}", clock.ms))
    clock.advance(WINDOW_S)
    assert await accept(store, make("m0", clock.ms), make("m59", clock.ms)) == [61, 62]


@pytest.mark.usefixtures("small_merges")
async def test_merged_ids_stay_duplicates_until_the_window_is_over_also_across_generations(tmp_path: Path) -> None:
    clock = FakeClock(START_MS - START_MS % (WINDOW_S * 1000) + (WINDOW_S - 10) * 1000)  # 10 s before the next one
    async with opened(tmp_path, clock) as store:
        for n in range(60):
            await accept(store, make(f"m{n}", clock.ms))
        clock.advance(WINDOW_S - 1)
        assert await accept(store, make("m0", clock.ms)) == [0]
        clock.advance(1)
        assert await accept(store, make("m0", clock.ms)) == [61]


@pytest.mark.usefixtures("small_merges")
@pytest.mark.parametrize("other_window_s", [WINDOW_S / 2, WINDOW_S * 2, WINDOW_S * 24])
async def test_ids_stay_duplicates_when_the_window_is_changed(tmp_path: Path, other_window_s: float) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock) as store:
        for n in range(60):
            await accept(store, make(f"m{n}", clock.ms))
    clock.advance(60)
    async with opened(tmp_path, clock, window_s=other_window_s) as store:
        assert await accept(store, make("m0", clock.ms)) == [0]


@pytest.mark.usefixtures("small_merges")
async def test_a_message_is_found_before_during_and_after_its_merge(store: StoreCase) -> None:
    await store.cursor("d", START_MS)
    for n in range(50):
        await accept(store, make(f"m{n}"))
        for i in {0, n // 2, n}:
            assert await fate(store, f"m{i}") == ("queued", "in_flight"), f"m{i} after {n}"


@pytest.mark.usefixtures("small_merges")
@pytest.mark.parametrize("others", [0, 40])
async def test_a_message_accepted_twice_is_answered_for_its_newest_event(
    store: StoreCase, clock: FakeClock, others: int
) -> None:
    await accept(store, make("m", clock.ms))
    for n in range(others):
        await accept(store, make(f"o{n}", clock.ms))
    clock.advance(WINDOW_S + 1)
    await accept(store, make("m", clock.ms, userId="later"))
    for n in range(others):
        await accept(store, make(f"p{n}", clock.ms))
    answer = await store.queries.message("m", None, [])
    assert answer is not None
    assert answer["user_id"] == "later"


async def test_a_source_tells_two_events_of_one_id_apart(store: StoreCase) -> None:
    await accept(store, make("m", source="web", userId="w"), make("m", source="app", userId="a"))
    for source, user in (("web", "w"), ("app", "a")):
        answer = await store.queries.message("m", source, [])
        assert answer is not None
        assert (answer["source"], answer["user_id"]) == (source, user)


async def test_an_unknown_message_has_no_answer(store: StoreCase) -> None:
    assert await store.queries.message("nowhere", None, []) is None


# ------------------------------------------------------------ steps


async def test_a_step_that_fails_leaves_no_trace_and_takes_nothing_of_its_group_along(store: StoreCase) -> None:
    for name in ("bad", "good"):
        await store.cursor(name, START_MS)
    await accept(store, make("m1"), make("m2"))
    broken = parked_row(2, "m2", user_key=None)  # a NOT NULL column
    bad = CommitBatch("bad", pos=2, settled={1: ("delivered", "brand_new")}, park={2: broken}, at=START_MS)
    bad.state["k"] = b"1"
    bad.count("delivered")
    good = CommitBatch("good", pos=2, settled={1: ("delivered", "brand_new"), 2: ("skipped", "empty")}, at=START_MS)
    positions, failed, done = await asyncio.gather(
        accept(store, make("m3")), store.commit(bad), store.commit(good), return_exceptions=True
    )
    assert (positions, done) == ([3], [])
    assert isinstance(failed, CommitFailed)
    for table in ("receipt", "parked", "lane", "state"):
        assert count(store, f"SELECT count(*) FROM {table} WHERE destination = 'bad'") == 0, table
    assert count(store, "SELECT pos + delivered FROM cursor WHERE destination = 'bad'") == 0
    assert await fate(store, "m1", "good") == ("delivered", "brand_new")
    assert await fate(store, "m2", "good") == ("skipped", "empty")


async def test_a_failed_step_may_be_followed_by_a_good_one(store: StoreCase) -> None:
    await store.cursor("d", START_MS)
    await accept(store, make("m1"))
    with pytest.raises(CommitFailed):
        await store.commit(CommitBatch("d", pos=1, park={1: parked_row(1, "m1", user_key=None)}, at=START_MS))
    await store.commit(CommitBatch("d", pos=1, settled={1: ("delivered", "")}, at=START_MS))
    assert await fate(store, "m1") == ("delivered", "")


@pytest.mark.parametrize(
    "spoil",
    [
        {"timers": {"k": (10**30, "u:u1")}},
        {"timers": {"k": ("soon", object())}},
        {"state": {"k": object()}},
        {"settled": {1: ("delivered", "\ud800")}},
        {"lanes": {"u:u1": LaneRow("u:u1", "retry", "", "", "", 10**30, 1, 0, 1, 0, 0)}},
    ],
    ids=[
        "timer beyond any integer",
        "timer of a strange type",
        "state of a strange type",
        "half surrogate",
        "due never",
    ],
)
async def test_a_step_with_a_value_that_the_store_cannot_hold_fails_alone(
    store: StoreCase, spoil: dict[str, Any]
) -> None:
    await store.cursor("d", START_MS)
    async with asyncio.timeout(HANG_S):
        with pytest.raises(CommitFailed):
            await store.commit(CommitBatch("d", pos=0, at=START_MS, **spoil))
        assert await accept(store, make("m1")) == [1]


async def test_a_cursor_never_goes_back(store: StoreCase) -> None:
    await store.cursor("d", START_MS)
    await accept(store, *(make(f"m{n}") for n in range(5)))
    await store.commit(CommitBatch("d", pos=4, at=START_MS))
    with pytest.raises(CommitFailed, match="beyond"):
        await store.commit(CommitBatch("d", pos=3, at=START_MS))
    await store.commit(CommitBatch("d", pos=4, at=START_MS))
    assert (await store.cursor("d", START_MS)).pos == 4


async def test_a_step_of_a_destination_without_a_cursor_is_refused(store: StoreCase) -> None:
    with pytest.raises(ClaimLost):
        await store.commit(CommitBatch("nobody", pos=0, at=START_MS))


async def test_a_new_cursor_starts_at_the_head(store: StoreCase) -> None:
    await accept(store, make("m1"), make("m2"))
    cursor = await store.cursor("d", START_MS)
    assert (cursor.start, cursor.pos, cursor.added) == (2, 2, True)
    await accept(store, make("m3"))
    cursor = await store.cursor("d", START_MS)
    assert (cursor.start, cursor.pos, cursor.added) == (2, 2, False)


async def test_a_cursor_keeps_what_is_done_ahead_of_it_over_a_restart(tmp_path: Path) -> None:
    ahead = {3, 4, 9, 64, 65, 1999}
    async with opened(tmp_path) as store:
        await store.cursor("d", START_MS)
        await accept(store, *(make(f"m{n}") for n in range(1_999)))
        await store.commit(CommitBatch("d", pos=1, ahead=pack_ahead(1, ahead), at=START_MS))
    async with opened(tmp_path) as store:
        cursor = await store.cursor("d", START_MS)
        assert (cursor.pos, cursor.ahead) == (1, ahead)


async def test_a_status_survives_a_restart(tmp_path: Path) -> None:
    status = Status("paused", "retry_after", START_MS, START_MS + 5, "words")
    async with opened(tmp_path) as store:
        await store.cursor("d", START_MS)
        await store.commit(CommitBatch("d", status=status, at=START_MS))
    async with opened(tmp_path) as store:
        assert (await store.cursor("d", START_MS)).status == status


async def test_two_destinations_know_nothing_of_each_others_rows(store: StoreCase) -> None:
    for name in ("d", "e"):
        await store.cursor(name, START_MS)
    await accept(store, make("m1"))
    step = CommitBatch("d", pos=1, park={1: parked_row(1, "m1")}, lanes={"u:u1": lane_row("u:u1")}, at=START_MS)
    step.state["k"] = b"1"
    await store.commit(step)
    assert await store.lane("e", "u:u1") is None
    assert await store.state("e", "k") == {}
    assert await fate(store, "m1", "e") == ("queued", "in_flight")


# ------------------------------------------------------------ parked rows, lanes, openings


async def hold(store: StoreCase, users: int, need: str = "g:acme") -> None:
    """Park one event for each of this many users."""
    await store.cursor("d", START_MS)
    await accept(store, *(make(f"m{n}", userId=f"u{n:04}") for n in range(users)))
    step = CommitBatch("d", pos=users, at=START_MS)
    for n in range(users):
        key = f"u:u{n:04}"
        step.park[n + 1] = parked_row(n + 1, f"m{n}", key)
        step.lanes[key] = lane_row(key, need=need)
    step.count("held", users)
    await store.commit(step)


async def test_parked_rows_come_back_in_order_of_place_behind_a_place(store: StoreCase) -> None:
    await store.cursor("d", START_MS)
    await accept(store, *(make(f"m{n}") for n in (1, 2, 3)))
    rows = [parked_row(n, f"m{n}", queue=Queue.MAIN) for n in (3, 1, 2)]
    await store.commit(CommitBatch("d", park={row.pos: row for row in rows}, at=START_MS))
    [(found, more)] = await store.parked("d", [("u:u1", Queue.MAIN, ORDER_KEY_STEP)], 10)
    assert ([row.pos for row in found], more) == ([2, 3], False)
    [(found, more)] = await store.parked("d", [("u:u1", Queue.MAIN, -1)], 2)
    assert ([row.pos for row in found], more) == ([1, 2], True)


async def test_parked_rows_stop_at_about_a_megabyte_but_give_at_least_one(store: StoreCase) -> None:
    await store.cursor("d", START_MS)
    body = b"{}\n" + b" " * 2_000_000
    for n in (1, 2):
        await store.append([Call("website", "track", f"m{n}", "u:u1", START_MS, body)], [None], [])
    rows = [parked_row(n, f"m{n}", body=body) for n in (1, 2)]
    await store.commit(CommitBatch("d", park={row.pos: row for row in rows}, at=START_MS))
    [(found, more)] = await store.parked("d", [("u:u1", Queue.HELD, -1)], 10)
    assert ([row.pos for row in found], more) == ([1], True)


async def test_parked_rows_of_all_lanes_stop_at_their_bytes_and_the_last_lanes_are_left_out(store: StoreCase) -> None:
    await store.cursor("d", START_MS)
    body = b"{}\n" + b" " * 1_000
    for n in range(1, 7):
        await store.append([Call("website", "track", f"m{n}", f"u:u{n % 3}", START_MS, body)], [None], [])
    rows = [parked_row(n, f"m{n}", f"u:u{n % 3}", body=body, items=b"[]") for n in range(1, 7)]
    await store.commit(CommitBatch("d", park={row.pos: row for row in rows}, at=START_MS))
    wants = [(f"u:u{n}", Queue.HELD, -1) for n in (1, 2, 0)]

    async def positions(**bytes: int) -> list[tuple[list[int], bool]]:
        return [([row.pos for row in found], more) for found, more in await store.parked("d", wants, 10, **bytes)]

    assert await positions(bytes=2_100) == [([1, 4], False), ([2, 5], False), ([3, 6], False)]
    assert await positions(bytes=2_009) == [([1], True), ([2], True), ([3], True)], "the items count too"
    assert await positions(bytes=10, bytes_in_all=2_000) == [([1], True), ([2], True)]
    assert await positions(bytes=10, bytes_in_all=1) == [([1], True)]


async def test_opening_a_need_makes_its_lanes_due_in_slices(store: StoreCase) -> None:
    await hold(store, 1100)
    left = await store.commit(CommitBatch("d", pos=1100, opened={"g:acme": ""}, at=START_MS + 1))
    assert left == [("g:acme", "u:u0499")]
    assert await store.openings("d") == left
    assert len(await store.due("d", "waiting", START_MS + 1, 5000)) == 500
    left = await store.commit(CommitBatch("d", pos=1100, opened=dict(left), at=START_MS + 1))
    left = await store.commit(CommitBatch("d", pos=1100, opened=dict(left), at=START_MS + 1))
    assert left == []
    assert await store.openings("d") == []
    assert len(await store.due("d", "waiting", START_MS + 1, 5000)) == 1100


async def test_opening_leaves_the_due_time_of_a_lane_that_waits_for_a_retry(store: StoreCase) -> None:
    await store.cursor("d", START_MS)
    lane = LaneRow("u:u1", "retry", "g:acme", "status_503", "", START_MS + 999, 1, 1, 1, START_MS, ORDER_KEY_STEP)
    await store.commit(CommitBatch("d", lanes={"u:u1": lane}, at=START_MS))
    await store.commit(CommitBatch("d", opened={"g:acme": ""}, at=START_MS))
    found = await store.lane("d", "u:u1")
    assert found is not None
    assert (found.need, found.due_at) == ("", START_MS + 999)


async def test_held_rows_move_to_the_linked_user_with_their_link(store: StoreCase) -> None:
    await store.cursor("d", START_MS)
    await accept(store, make("m1", anonymousId="x"), make("m2", anonymousId="x"))
    held, main = parked_row(1, "m1", "a:x"), parked_row(2, "m2", "a:x", Queue.MAIN)
    await store.commit(CommitBatch("d", park={1: held, 2: main}, at=START_MS))
    await store.commit(CommitBatch("d", moves=[("a:x", "u:u1", "u1")], at=START_MS))
    [(moved, _), (stayed, _)] = await store.parked("d", [("u:u1", Queue.HELD, -1), ("a:x", Queue.MAIN, -1)], 10)
    assert [(row.pos, row.linked) for row in moved] == [(1, "u1")]
    assert [(row.pos, row.linked) for row in stayed] == [(2, "")]


async def test_an_event_settled_late_answers_with_its_last_outcome(store: StoreCase) -> None:
    await hold(store, 1)
    assert await fate(store, "m0") == ("held", "group_unknown")
    late = [ParkedOutcome(1, "website", "m0", "delivered", "")]
    await store.commit(CommitBatch("d", pos=1, unpark=[1], late=late, lanes={"u:u0000": None}, at=START_MS))
    assert await fate(store, "m0") == ("delivered", "")
    assert not await store.has_lanes("d")


async def test_the_next_lane_and_the_next_timer_are_the_soonest_after_an_instant(store: StoreCase) -> None:
    await store.cursor("d", START_MS)
    assert await store.next_due("d", "retry", 0) is None
    lane = LaneRow("u:u1", "retry", "", "", "", START_MS + 50, 1, 0, 1, 0, 0)
    await store.commit(CommitBatch("d", lanes={"u:u1": lane}, timers={"k": (START_MS + 20, "u:u1")}, at=START_MS))
    assert await store.next_due("d", "retry", 0) == START_MS + 50
    assert await store.next_due("d", "waiting", 0) is None
    assert await store.next_timer("d", 0) == START_MS + 20
    assert await store.next_timer("d", START_MS + 20) is None
    assert await store.due_timers("d", START_MS + 20, 10) == [("k", START_MS + 20, "u:u1")]
    assert await store.due_timers("d", START_MS + 19, 10) == []


# ------------------------------------------------------------ receipts and the ledger


async def test_receipts_know_the_outcome_of_every_event_of_a_span(store: StoreCase) -> None:
    await store.cursor("d", START_MS)
    await accept(store, *(make(f"m{n}") for n in range(1, 21)))
    outcomes = [("delivered", ""), ("skipped", "empty"), ("filtered", "source")]
    first = {n: outcomes[n % 3] for n in range(1, 21, 2)}
    second = {n: outcomes[n % 3] for n in range(2, 20, 2)}
    await store.commit(CommitBatch("d", pos=1, ahead=pack_ahead(1, range(3, 21, 2)), settled=first, at=START_MS))
    await store.commit(CommitBatch("d", pos=19, settled=second, at=START_MS))
    for n in range(1, 20):
        assert await fate(store, f"m{n}") == outcomes[n % 3], n
    assert await fate(store, "m20") == ("queued", "in_flight")


async def test_events_that_one_commit_settles_are_all_known_however_far_apart_they_are(store: StoreCase) -> None:
    last = 3 * SPAN
    await store.cursor("d", START_MS)
    await accept(store, *(make(f"m{n}") for n in range(1, last + 1)))
    ends = [1, 2, SPAN, SPAN + 1, last - 1, last]
    tried: list[tuple[Tried, Sequence[int]]] = [
        (Tried(START_MS - 5, 40, 200), [1, last]),
        (Tried(START_MS - 7, 60, 202), [2, SPAN, SPAN + 1, last - 1]),
    ]
    settled = dict.fromkeys(ends, ("delivered", ""))
    await store.commit(
        CommitBatch("d", pos=2, ahead=pack_ahead(2, ends[2:]), settled=settled, tried=tried, at=START_MS)
    )
    for n in ends:
        answer = await store.queries.message(f"m{n}", None, ["d"])
        assert answer is not None
        told = answer["destinations"]["d"]
        assert (told["state"], [one["status"] for one in told["attempts"]]) == (
            "delivered",
            [200 if n in (1, last) else 202],
        ), n


async def test_two_receipts_that_end_at_one_position_are_both_kept(store: StoreCase) -> None:
    await store.cursor("d", START_MS)
    await accept(store, make("m1"), make("m2"))
    await store.commit(CommitBatch("d", settled={1: ("delivered", ""), 2: ("delivered", "")}, pos=2, at=START_MS))
    assert [await fate(store, m) for m in ("m1", "m2")] == [("delivered", "")] * 2


async def test_an_event_accepted_before_a_destination_began_has_no_fate_there(store: StoreCase) -> None:
    await accept(store, make("m1"))
    await store.cursor("d", START_MS)
    answer = await store.queries.message("m1", None, ["d"])
    assert answer is not None
    assert answer["destinations"] == {}


async def test_the_seven_of_a_ledger_add_up_to_what_was_accepted_since_the_destination_began(
    store: StoreCase,
) -> None:
    await accept(store, make("before"))
    await store.cursor("d", START_MS)
    await accept(store, *(make(f"m{n}") for n in range(10)), make("m0"))
    step = CommitBatch("d", pos=6, at=START_MS)
    for name, n in (("delivered", 2), ("dry_run", 2), ("skipped", 1), ("filtered", 1), ("held", 1), ("dead", 1)):
        step.count(name, n)
    await store.commit(step)
    ledger = await store.queries.ledger(["d", "nobody"])
    assert (ledger["accepted"], ledger["duplicates"]) == (11, 1)
    assert list(ledger["destinations"]) == ["d"]
    told = ledger["destinations"]["d"]
    seven = ("delivered", "skipped", "filtered", "held", "retrying", "queued", "dead")
    assert [told[name] for name in seven] == [2, 1, 1, 1, 0, 4, 1]
    assert (told["dry_run"], told["cursor"], told["head"]) == (2, 6, 11)


async def test_the_oldest_queued_event_tells_how_far_behind_a_destination_is(
    store: StoreCase, clock: FakeClock
) -> None:
    await store.cursor("d", clock.ms)
    await accept(store, make("m1", clock.ms))
    clock.advance(30)
    await accept(store, make("m2", clock.ms))
    ledger = await store.queries.ledger(["d"])
    assert ledger["destinations"]["d"]["oldest_queued_s"] == 30.0


async def test_discards_are_counted_for_good_and_only_the_newest_kept(
    store: StoreCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_discards(monkeypatch, 5)
    for n in range(12):
        await store.append([], [], [Discard("web", START_MS, "no_user", "words", f"m{n}", "track", "{}")])
    await store.append([], [], [Discard("web", START_MS, "batch_too_long", "words", n=7)])
    told = await store.input_reports.discards(None, 0)
    assert told["since"] == to_iso(START_MS)
    assert told["counts"] == {"web": {"no_user": 12, "batch_too_long": 7}}
    assert [item["message_id"] for item in told["items"]] == ["", "m11", "m10", "m9", "m8"]
    assert (await store.queries.ledger([]))["discarded"] == 19


async def test_discards_of_a_source_and_of_a_time_are_counted_and_the_answer_says_from_when_on(
    store: StoreCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(4):
        source = "web" if n % 2 else "app"
        await store.append([], [], [Discard(source, START_MS + n, "no_user", "words", f"m{n}", "track", "{}")])
    told = await store.input_reports.discards("web", START_MS + 2)
    assert (told["since"], told["counts"]) == (to_iso(START_MS + 2), {"web": {"no_user": 1}})
    assert [item["message_id"] for item in told["items"]] == ["m3"]
    assert (await store.input_reports.discards("app", 0))["counts"] == {"app": {"no_user": 2}}
    keep_discards(monkeypatch, 2)
    await store.append([], [], [Discard("web", START_MS + 4, "no_user", "words", "m4", "track", "{}")])
    told = await store.input_reports.discards(None, START_MS + 1)
    assert told["since"] == to_iso(START_MS + 3), "earlier ones are no longer kept"
    assert told["counts"] == {"web": {"no_user": 2}}


async def test_discards_are_counted_by_day_the_newest_first(store: StoreCase) -> None:
    day_ms = 86_400_000
    midnight = START_MS - START_MS % day_ms
    for at in (midnight - 1, midnight, midnight + day_ms - 1, midnight + day_ms):
        await store.append([], [], [Discard("web", at, "no_user", "words", n=3)])
    await store.append([], [], [Discard("app", midnight, "too_deep", "words")])
    days = [to_iso(midnight + n * day_ms)[:10] for n in (1, 0, -1)]
    told = await store.input_reports.discards_by_day(None, 0)
    assert [tuple(row.values()) for row in told] == [
        (days[0], "web", "no_user", 1), (days[1], "web", "no_user", 2), (days[1], "app", "too_deep", 1),
        (days[2], "web", "no_user", 1),
    ]  # fmt: skip
    told = await store.input_reports.discards_by_day("web", midnight + 1)
    assert [(row["day"], row["entries"]) for row in told] == [(days[0], 1), (days[1], 1)]


async def test_dead_letters_and_held_users_come_in_pages(store: StoreCase) -> None:
    await hold(store, 150)
    first = await store.queries.held("d", None, "")
    second = await store.queries.held("d", None, first["next"])
    assert (first["held"], len(first["users"]), len(second["users"]), second["next"]) == (150, 100, 50, None)
    shown = [user["user"] for user in first["users"] + second["users"]]
    assert shown == [f"user:u{n:04}" for n in range(150)]


@only_sqlite
async def test_a_store_can_be_asked_beside_the_process_that_writes_it(store: StoreCase) -> None:
    await store.cursor("d", START_MS)
    await accept(store, make("m1"))
    async with open_queries(store.path) as questions:
        assert await questions.destinations() == ["d"]
        assert (await questions.ledger(["d"]))["accepted"] == 1


# ------------------------------------------------------------ refusals


@only_sqlite
async def test_a_disk_below_min_free_refuses_events_and_takes_them_again_when_there_is_room(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Disk:
        f_bavail, f_frsize = 10, 1

    monkeypatch.setattr("os.statvfs", lambda folder: Disk)
    async with opened(tmp_path, clock, min_free=100) as store:
        await store.cursor("d", START_MS)
        with pytest.raises(StoreFull):
            await accept(store, make("m1"))
        await store.commit(CommitBatch("d", at=START_MS))  # commits always have room
        Disk.f_bavail = 100
        clock.advance(1)
        assert await accept(store, make("m1")) == [1]


@only_sqlite
async def test_a_full_file_system_loses_nothing_and_recovers(store: StoreCase) -> None:
    await store.cursor("d", START_MS)
    await accept(store, make("m1"))
    pages = await store.writer.run_alone(lambda db: db.execute("PRAGMA page_count").fetchone()[0])

    async def bound(limit: int) -> None:
        await store.writer.run_alone(lambda db: db.execute(f"PRAGMA max_page_count = {limit}").fetchall())

    await bound(pages + 2)
    big = Call("website", "track", "big", "u:u1", START_MS, b"{}\n" + b" " * 200_000)
    with pytest.raises(StoreFull):
        await accept(store, big)
    with pytest.raises(StoreFull):
        await store.commit(CommitBatch("d", pos=1, park={1: parked_row(1, "m1", items=b" " * 200_000)}, at=START_MS))
    await bound(1_000_000)
    assert await accept(store, big, make("m1"), make("m2")) == [2, 0, 3]
    assert count(store, "SELECT count(*) FROM parked") == 0


async def test_more_events_than_may_wait_are_refused_until_the_writer_has_caught_up(
    store: StoreCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound_pending(monkeypatch, "PENDING_ROWS", 5)
    found = await asyncio.gather(
        *(accept(store, make(f"a{n}"), make(f"b{n}")) for n in range(3)), return_exceptions=True
    )
    assert found[:2] == [[1, 2], [3, 4]]
    assert isinstance(found[2], StoreBusy)
    assert await accept(store, make("a2")) == [5]


async def test_what_was_discarded_takes_room_among_what_waits(
    store: StoreCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound_pending(monkeypatch, "PENDING_ROWS", 5)
    junk = [Discard("website", START_MS, "bad", "words") for _ in range(3)]
    first = asyncio.create_task(store.log.append([], [], junk))
    await asyncio.sleep(0)
    with pytest.raises(StoreBusy):
        await store.log.append([], [], junk)
    assert await first == []


async def test_more_bytes_than_may_wait_are_refused(store: StoreCase, monkeypatch: pytest.MonkeyPatch) -> None:
    bound_pending(monkeypatch, "PENDING_BYTES", 100)
    big = [Call("website", "track", f"m{n}", "u:u1", START_MS, b"x" * 60) for n in range(2)]
    found = await asyncio.gather(accept(store, big[0]), accept(store, big[1]), return_exceptions=True)
    assert found[0] == [1]
    assert isinstance(found[1], StoreBusy)


async def test_a_request_that_is_gone_leaves_its_room_to_others(
    store: StoreCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound_pending(monkeypatch, "PENDING_ROWS", 5)
    await store.cursor("d", START_MS)
    gone = asyncio.create_task(accept(store, *(make(f"m{n}") for n in range(5))))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    await store.commit(CommitBatch("d", at=START_MS))
    assert len(await accept(store, *(make(f"n{n}") for n in range(5)))) == 5


async def test_a_closed_store_refuses(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        pass
    with pytest.raises(StoreClosed):
        await accept(store, make("m1"))
    with pytest.raises(StoreClosed):
        await store.commit(CommitBatch("d"))


async def test_closing_stores_what_is_pending_first(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        pending = asyncio.create_task(accept(store, make("m1")))
        await asyncio.sleep(0)
    assert await pending == [1]
    async with opened(tmp_path) as store:
        assert store.head == 1


@only_sqlite
async def test_a_newer_store_is_refused_and_left_untouched(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await accept(store, make("m1"))
    path = tmp_path / "router.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    before = path.read_bytes()
    with pytest.raises(StartError, match="newer version"):
        async with opened(tmp_path):
            pass
    assert path.read_bytes() == before


@only_sqlite
async def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "router.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(StartError, match="is it a store"):
        async with opened(tmp_path):
            pass


@only_sqlite
async def test_a_store_in_use_is_refused_to_a_second_process(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        with pytest.raises(StartError, match="another segment-router process"):
            async with opened(tmp_path):
                pass
        assert await accept(store, make("m1")) == [1]
    async with opened(tmp_path):
        pass


# ------------------------------------------------------------ time


@only_sqlite
async def test_router_time_never_runs_back_over_a_restart(tmp_path: Path) -> None:
    clock = FakeClock(START_MS + 50 * 365 * 86_400_000)
    async with opened(tmp_path, clock) as store:
        await accept(store, make("m1"))
    path = tmp_path / "router.db"
    async with open_case(path, SystemClock, dedupe_window_s=WINDOW_S, min_free_bytes=0) as (_, system):
        assert system.now_ms() >= clock.ms


# ------------------------------------------------------------ the directory


async def test_traits_of_a_user_are_merged_over_calls_and_restarts(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await tell(store, "identify", userId="u1", traits={"a": 1, "b": 1})
    async with opened(tmp_path) as store:
        await tell(store, "identify", userId="u1", traits={"b": 2, "c": None})
        assert (await store.known([("u:u1", NEWEST)], [])).people == {"u:u1": {"a": 1, "b": 2, "c": None}}


@pytest.mark.parametrize("name", [None, "", "  ", "\t\n"])
async def test_a_null_or_blank_trait_of_a_group_overwrites_nothing(store: StoreCase, name: str | None) -> None:
    await tell(store, "group", userId="u1", groupId="acme", traits={"name": "Acme"})
    await tell(store, "group", userId="u1", groupId="acme", traits={"name": name})
    assert (await store.known([], ["acme"])).companies["acme"].traits == {"name": "Acme"}


@pytest.mark.parametrize("name", [None, "", "  "])
async def test_a_null_or_blank_trait_of_a_group_is_not_known(store: StoreCase, name: str | None) -> None:
    await tell(store, "group", userId="u1", groupId="acme", traits={"name": name})
    assert (await store.known([], ["acme"])).companies["acme"].since == {}
    second = await tell(store, "group", userId="u1", groupId="acme", traits={"name": "Acme"})
    await tell(store, "group", userId="u1", groupId="acme", traits={"name": "Acme Inc"})
    company = (await store.known([], ["acme"])).companies["acme"]
    assert (company.traits, company.since) == ({"name": "Acme Inc"}, {"name": second})


@pytest.mark.parametrize("value", [0, False, [], {}])
async def test_a_falsy_trait_of_a_group_is_known(store: StoreCase, value: object) -> None:
    pos = await tell(store, "group", userId="u1", groupId="acme", traits={"plan": value})
    company = (await store.known([], ["acme"])).companies["acme"]
    assert (company.traits, company.since) == ({"plan": value}, {"plan": pos})


@pytest.mark.parametrize(("type", "ids"), [("identify", {"userId": "u1"}), ("group", {"userId": "u1", "groupId": "g"})])
async def test_merged_traits_are_capped_oldest_first(store: StoreCase, type: str, ids: dict[str, str]) -> None:
    for n in range(6):
        await tell(store, type, **ids, traits={f"t{n}": "x" * 10_000})
    known = await store.known([("u:u1", NEWEST)], ["g"])
    traits = known.people["u:u1"] if type == "identify" else known.companies["g"].traits
    assert list(traits) == ["t3", "t4", "t5"]


async def test_a_trait_that_was_capped_away_is_not_said_to_be_known(store: StoreCase) -> None:
    await tell(store, "group", userId="u1", groupId="acme", traits={"name": "Acme"})
    for n in range(4):
        await tell(store, "group", userId="u1", groupId="acme", traits={f"t{n}": "x" * 10_000})
    company = (await store.known([], ["acme"])).companies["acme"]
    assert set(company.since) <= set(company.traits)


async def test_a_membership_gets_a_row_on_change_only(store: StoreCase) -> None:
    for group in ("a", "a", "b", "b", "a"):
        await tell(store, "group", userId="u1", groupId=group)
    asks = [("u:u1", pos) for pos in range(1, 6)]
    found = (await store.known(asks, [])).memberships["u:u1"]
    assert [(m.pos, m.group_id, m.call_pos) for m in found] == [(1, "a", 1), (3, "b", 3), (5, "a", 5)]


async def test_a_group_call_without_a_user_makes_nobody_a_member(store: StoreCase) -> None:
    await tell(store, "group", groupId="acme", traits={"name": "Acme"})
    known = await store.known([("g:acme", NEWEST)], ["acme"])
    assert known.memberships == {}
    assert known.companies["acme"].traits == {"name": "Acme"}


async def test_links_are_kept_as_history_by_position(store: StoreCase) -> None:
    for user in ("u1", "u1", "u2", "u1"):
        await tell(store, "identify", userId=user, anonymousId="x")
    await tell(store, "alias", userId="u3", previousId="x")
    known = await store.known([("a:x", pos) for pos in range(1, 6)], [])
    assert known.links == {"a:x": [(1, "u:u1"), (3, "u:u2"), (4, "u:u1"), (5, "u:u3")]}


async def test_a_link_takes_over_the_group_of_the_anonymous_id(store: StoreCase) -> None:
    called = await tell(store, "group", anonymousId="x", groupId="acme")
    linked = await tell(store, "identify", userId="u1", anonymousId="x")
    found = (await store.known([("u:u1", NEWEST)], [])).memberships["u:u1"]
    assert [(m.pos, m.group_id, m.call_pos) for m in found] == [(linked, "acme", called)]


async def test_a_link_does_not_take_over_a_group_from_a_user_who_has_one(store: StoreCase) -> None:
    await tell(store, "group", anonymousId="x", groupId="acme")
    await tell(store, "group", userId="u1", groupId="own")
    await tell(store, "identify", userId="u1", anonymousId="x")
    assert [m.group_id for m in (await store.known([("u:u1", NEWEST)], [])).memberships["u:u1"]] == ["own"]


async def test_a_group_call_of_a_linked_anonymous_id_speaks_for_its_user(store: StoreCase) -> None:
    await tell(store, "identify", userId="u1", anonymousId="x")
    pos = await tell(store, "group", anonymousId="x", groupId="acme")
    known = await store.known([("u:u1", NEWEST), ("a:x", NEWEST)], [])
    told = {key: [(m.pos, m.group_id, m.call_pos) for m in found] for key, found in known.memberships.items()}
    assert told == {"u:u1": [(pos, "acme", pos)], "a:x": [(pos, "acme", pos)]}


async def test_known_loads_the_user_behind_a_link_and_the_groups_of_memberships(store: StoreCase) -> None:
    await tell(store, "identify", userId="u1", anonymousId="x", traits={"a": 1})
    await tell(store, "group", userId="u1", groupId="acme", traits={"name": "Acme"})
    known = await store.known([("a:x", NEWEST)], [])
    assert known.people["u:u1"] == {"a": 1}
    assert known.companies["acme"].traits == {"name": "Acme"}


async def test_facts_alone_are_enough_for_the_directory(store: StoreCase) -> None:
    await store.append([make("m1")], [DirectoryUpdate("u:u1", user_traits={"a": 1})], [])
    assert (await store.known([("u:u1", NEWEST)], [])).people == {"u:u1": {"a": 1}}


@only_sqlite
@pytest.mark.parametrize("column", ["need", "also"])
def test_lanes_that_wait_for_something_are_found_by_an_index(column: str) -> None:
    schema = (Path(apply_commit.__file__).parent / "schema.sql").read_text()
    db = sqlite3.connect(":memory:")
    db.executescript(schema)
    asked: list[str] = []
    db.set_trace_callback(asked.append)
    apply_commit._open_lanes(db, "d", "u:u1", "", 0)
    db.set_trace_callback(None)
    [select] = [sql for sql in asked if "SELECT user_key" in sql]
    plan = " ".join(str(row[-1]) for row in db.execute(f"EXPLAIN QUERY PLAN {select}"))
    assert f"INDEX lane_for_{column} " in plan
    assert "SCAN" not in plan


async def test_an_alias_takes_over_the_group_of_the_user_it_names(store: StoreCase) -> None:
    called = await tell(store, "group", userId="old", groupId="acme")
    aliased = await tell(store, "alias", userId="new", previousId="old")
    await tell(store, "identify", userId="other", anonymousId="old")
    known = await store.known([("u:new", NEWEST), ("u:other", NEWEST)], [])
    assert [(m.pos, m.group_id, m.call_pos) for m in known.memberships["u:new"]] == [(aliased, "acme", called)]
    assert "u:other" not in known.memberships


async def test_users_with_parked_rows_and_no_lane_are_found_a_slice_at_a_time(store: StoreCase) -> None:
    await store.cursor("d", START_MS)
    step = CommitBatch("d", at=START_MS)
    for pos, key in enumerate(("u:a", "u:b", "u:c", "u:c"), 1):
        await accept(store, make(f"m{pos}"))
        row = parked_row(pos, f"m{pos}")
        step.park[pos] = msgspec.structs.replace(row, user_key=key, queue="main" if pos == 4 else "held", parked_at=pos)
    step.pos = 4
    step.lanes["u:b"] = msgspec.structs.replace(lane_row("u:b"), user_key="u:b")
    await store.commit(step)
    assert await store.miscounted("d", "", 2) == ({"u:a": Miscounted(1, 0, 1, has_lane=False)}, "u:b")
    assert await store.miscounted("d", "u:b", 2) == ({"u:c": Miscounted(1, 1, 3, has_lane=False)}, None)


async def test_the_last_place_between_two_events_outlives_a_restart_in_whatever_row_it_is(store: StoreCase) -> None:
    await store.cursor("d", START_MS)
    assert await store.last_place("d") == 0
    fed = parked_row(1, "m1", place=7 * ORDER_KEY_STEP + 1)  # a dead letter that is sent again
    await store.commit(CommitBatch("d", park={1: fed}, lanes={"u:u1": lane_row("u:u1")}, at=START_MS))
    assert await store.last_place("d") == 7 * ORDER_KEY_STEP + 1
    woken = parked_row(-(8 * ORDER_KEY_STEP + 2), "wake", place=8 * ORDER_KEY_STEP + 2)
    await store.commit(CommitBatch("d", park={woken.pos: woken}, at=START_MS))
    assert await store.last_place("d") == 8 * ORDER_KEY_STEP + 2
    dead = DeadRow(
        -(9 * ORDER_KEY_STEP + 3), START_MS, "u:u1", "rejected", "", START_MS, "", "wake", "wake", "", b"", None, "", 1
    )
    await store.commit(CommitBatch("d", dead=[dead], at=START_MS))
    assert await store.last_place("d") == 9 * ORDER_KEY_STEP + 3


async def test_held_names_the_refused_call_that_is_why_a_user_waits(store: StoreCase) -> None:
    await hold(store, 2)
    [pos] = await accept(store, make("refused", type="group", userId="u0001", groupId="acme"))
    letter = DeadRow(
        pos, START_MS + 5, "u:u0001", "rejected", "no such plan", START_MS, "website", "group", "refused", "", b"", None, "", 1
    )  # fmt: skip
    lane = msgspec.structs.replace(lane_row("u:u0001"), refused_pos=pos)
    await store.commit(CommitBatch("d", pos=pos, dead=[letter], lanes={"u:u0001": lane}, at=START_MS))
    users = (await store.queries.held("d", None, ""))["users"]
    assert [user.get("refused") for user in users] == [
        None,
        {
            "message_id": "refused",
            "state": "dead",
            "reason": "rejected",
            "detail": "no such plan",
            "at": "2026-03-02T09:30:00.005Z",
        },
    ]


async def test_what_is_held_is_counted_page_after_page(store: StoreCase, monkeypatch: pytest.MonkeyPatch) -> None:
    await hold(store, 25)
    other = {
        f"u:u{n:04}": LaneRow(
            f"u:u{n:04}",
            LaneMode.WAITING,
            "g:a",
            "group_name_unknown",
            "a",
            None,
            0,
            2,
            0,
            START_MS - n,
            ORDER_KEY_STEP,
        )
        for n in (3, 24)
    }
    free = {"u:v": LaneRow("u:v", "retry", "", "status_503", "", START_MS, 1, 0, 1, 0, 0)}
    await store.commit(CommitBatch("d", pos=25, lanes={**other, **free}, at=START_MS))
    counted = [Waits("group_unknown", 23, 23, START_MS), Waits("group_name_unknown", 4, 2, START_MS - 24)]
    assert await store.waiting("d") == counted
    for page in (1, 4, 25, 26):
        monkeypatch.setattr(held_counts, "PAGE", page)
        assert await store.waiting("d") == counted, page


async def test_what_the_notifier_has_told_is_read_again_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        assert await store.notices.read() is None
        assert await store.notices.are_ours()
        for text in (b"first", b"\x00second"):
            await store.notices.write(text)
    async with opened(tmp_path) as store:
        assert await store.notices.read() == b"\x00second"


async def test_the_newest_events_of_sources_come_oldest_first(store: StoreCase, clock: FakeClock) -> None:
    assert await store.lookups.newest_of_sources(5) == []
    for n, source in enumerate(("app", "web", "app")):
        await accept(store, make(f"m{n}", START_MS + n, source=source))
    await accept(store, make("m3", START_MS + 3, source="web"), make("m4", START_MS + 4, source="web"))
    newest = [("app", START_MS + 2), ("web", START_MS + 3), ("web", START_MS + 4)]
    assert await store.lookups.newest_of_sources(3) == newest
    assert len(await store.lookups.newest_of_sources(50)) == 5


async def test_a_word_is_looked_up_as_each_of_the_ids_it_may_be(store: StoreCase) -> None:
    await accept(store, make("acme", type="group", userId="u1", groupId="acme", traits={"name": "A"}))
    await accept(store, make("i1", START_MS + 1, type="identify", userId="acme", traits={"n": 1}))
    await accept(store, make("i2", START_MS + 2, type="identify", userId="u1", anonymousId="acme"))
    discard = Discard("web", START_MS, "no_user", "no id", "acme", "track", "")
    await store.append([], [], [discard])
    assert await store.lookups.exact("acme") == {
        "events": [{"message_id": "acme", "source": "website"}],
        "people": ["user:acme", "anonymous:acme"],
        "groups": [{"id": "acme", "name": "A"}],
        "discarded": {"at": to_iso(START_MS), "source": "web", "code": "no_user", "message": "no id"},
        "since": to_iso(START_MS),
    }
    nothing = await store.lookups.exact("nobody")
    assert (nothing["events"], nothing["people"], nothing["groups"], nothing["discarded"]) == ([], [], [], None)
