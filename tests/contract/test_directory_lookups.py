"""What the directory answers for a position: the rows that count for it and no others, at a cost that does not grow with the
history of a user."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from router.directory import effective_group, linked_user, membership_as_of, owner
from router.event import normalize_event
from router.plugin import Event
from router.store import PART, DirectorySnapshot, DirectoryUpdate, IsRefused, Membership, none_refused
from router.store.folding import fold
from router.store.postgres import directory_reads as postgres_directory_reads
from router.store.rows import MOST_REFUSED
from router.store.sqlite import directory_reads
from router.store.sqlite.directory_writes import DirectoryRows
from router.store.sqlite.migrations import migrate
from router.testing.clock import START_MS, FakeClock
from tests.contract.store_case import StoreCase, open_case

pytestmark = pytest.mark.usefixtures("backend")
only_sqlite = pytest.mark.only_sqlite  # these count what SQLite does, or ask for its bound
ROWS = 5_000


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[StoreCase]:
    clock = FakeClock()
    async with open_case(tmp_path / "router.db", lambda mark: clock, dedupe_window_s=60, min_free_bytes=0) as (
        store,
        _,
    ):
        yield store


async def insert(
    store: StoreCase,
    memberships: Sequence[tuple[str, int, str, int]] = (),
    links: Sequence[tuple[str, int, str]] = (),
) -> None:
    """Rows of the directory as they are: (user key, pos, group, call) and (anonymous key, pos, user key)."""

    for table, rows in (("membership", memberships), ("link", links)):
        if rows:
            values = ", ".join(str((PART, *row)) for row in rows)  # the words of these tests need no quoting
            await store.execute(f"INSERT INTO {table} VALUES {values}")


def positions(known: DirectorySnapshot, key: str) -> list[int]:
    return [m.pos for m in known.memberships.get(key, ())]


def track(**ids: str) -> Event:
    return normalize_event(
        "web", "track", "m", START_MS, b"{}\n" + b'{"type": "track", "event": "E"}', user_id=ids.get("user")
    )


HISTORY = [("u:1", pos, f"g{pos}", pos) for pos in (10, 20, 30, 40)]


@pytest.mark.parametrize(
    ("pos", "found"),
    [(5, [10]), (10, [10, 20]), (15, [10, 20]), (20, [10, 20, 30]), (25, [20, 30]), (40, [30, 40]), (99, [40])],
)
async def test_a_position_gets_the_membership_as_of_it_the_one_before_and_the_first_after(
    store: StoreCase, pos: int, found: list[int]
) -> None:
    await insert(store, HISTORY)
    assert positions(await store.known([("u:1", pos)], []), "u:1") == found


async def test_answers_of_several_positions_of_a_user_are_one_ascending_list(store: StoreCase) -> None:
    await insert(store, HISTORY)
    known = await store.known([("u:1", 40), ("u:1", 5), ("u:1", 6), ("u:1", 22)], [])
    assert positions(known, "u:1") == [10, 20, 30, 40]
    for pos, group in ((5, None), (19, "g10"), (22, "g20"), (40, "g40")):
        found = membership_as_of(known, "u:1", pos)
        assert (found.group_id if found else None) == group


@only_sqlite
async def test_neighbouring_positions_share_their_look_up(store: StoreCase) -> None:
    await insert(store, HISTORY)
    statements = [await cost(store, [("u:1", pos) for pos in range(11, last)]) for last in (12, 20)]
    assert statements[0][0] == statements[1][0]


@pytest.mark.parametrize(("pos", "links"), [(1, [(5, "u:1")]), (5, [(5, "u:1"), (9, "u:2")]), (50, [(9, "u:2")])])
async def test_an_anonymous_id_gets_the_link_as_of_a_position_and_the_first_after(
    store: StoreCase, pos: int, links: list[tuple[int, str]]
) -> None:
    await insert(store, links=[("a:x", 5, "u:1"), ("a:x", 9, "u:2")])
    known = await store.known([("a:x", pos)], [])
    assert known.links == {"a:x": links}
    assert linked_user(known, "a:x", pos) == (None if pos == 1 else links[0][1])
    assert owner(known, "a:x", pos) == links[0][1]


async def test_users_behind_a_link_are_looked_up_at_the_same_position(store: StoreCase) -> None:
    await insert(store, HISTORY, [("a:x", 5, "u:1")])
    assert positions(await store.known([("a:x", 25)], []), "u:1") == [20, 30]


async def test_the_first_group_after_an_event_is_the_first_that_was_not_refused(store: StoreCase) -> None:
    await insert(store, HISTORY)
    refused = {10, 20, 40}
    known = await store.known([("u:1", 5), ("u:1", 25)], [], refused.__contains__)
    found = effective_group(track(user="1"), ["u:1"], 5, known, refused.__contains__)
    assert found.group_id == "g30", "the other position brought a refused one along"
    assert membership_as_of(known, "u:1", 25) == Membership(20, "g20", 20), (
        "as of a position a refused one is told, too"
    )


async def test_behind_very_many_refused_calls_the_newest_group_counts(
    store: StoreCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    for reads in (directory_reads, postgres_directory_reads):
        monkeypatch.setattr(reads, "MOST_REFUSED", 2)
    await insert(store, HISTORY)
    assert positions(await store.known([("u:1", 5)], [], {10, 20, 30}.__contains__), "u:1") == [40]
    assert positions(await store.known([("u:1", 5)], [], {10, 20, 30, 40}.__contains__), "u:1") == []


async def cost(
    store: StoreCase, asks: Sequence[tuple[str, int]], is_refused: IsRefused = none_refused
) -> tuple[int, int]:
    """Statements, and steps of SQLite's machine by hundreds, that one answer takes."""
    statements: list[str] = []
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    with closing(sqlite3.connect(f"file:{store.path}?mode=ro", uri=True, isolation_level=None)) as db:
        db.execute("SELECT 1 FROM head").fetchall()  # the schema is read now
        db.set_trace_callback(statements.append)
        db.set_progress_handler(step, 100)
        directory_reads.known(db, asks, [], is_refused)
    return len(statements), steps


@only_sqlite
async def test_a_user_of_thousands_of_groups_and_links_costs_no_more_than_one_of_two(store: StoreCase) -> None:
    def history(key: str, rows: int) -> list[tuple[str, int, str, int]]:
        return [(key, pos, f"g{pos}", pos) for pos in range(1, rows + 1)]

    def linked(key: str, rows: int) -> list[tuple[str, int, str]]:
        return [(key, pos, f"u:{key}{pos % 2}") for pos in range(1, rows + 1)]

    await insert(store, history("u:few", 3) + history("u:many", ROWS), linked("a:few", 3) + linked("a:many", ROWS))
    few = await cost(store, [("u:few", 2), ("a:few", 2)])
    many = await cost(store, [("u:many", ROWS // 2), ("a:many", ROWS // 2)])
    assert many[0] == few[0]
    assert many[1] <= few[1] + 2, "steps by hundreds: reading 5,000 rows takes 300 of them"


@only_sqlite
async def test_thousands_of_refused_calls_of_a_user_cost_a_bounded_walk(store: StoreCase) -> None:
    await insert(store, [("u:1", pos, f"g{pos}", pos) for pos in range(1, ROWS + 1)])
    statements, _ = await cost(store, [("u:1", 0)], range(1, ROWS).__contains__)
    assert statements <= MOST_REFUSED + 10


@only_sqlite
def test_the_fold_of_a_user_of_thousands_of_groups_reads_one_row() -> None:
    """VM steps of folding one group call, by tens, for a user of 2 groups and of 5,000."""
    costs = []
    for rows in (2, ROWS):
        db = sqlite3.connect(":memory:", isolation_level=None)
        migrate(db, Path("unused"), 0)
        for pos in range(1, rows + 1):
            fold(
                DirectoryRows(db),
                pos,
                DirectoryUpdate("a:x", group_id=f"g{pos}", joins=True, link=("a:x", f"u:{pos % 2}")),
            )
        steps: list[int] = []
        db.set_progress_handler(lambda steps=steps: steps.append(1), 10)  # type: ignore[misc]
        fold(DirectoryRows(db), rows + 1, DirectoryUpdate("a:x", group_id="new", joins=True, link=("a:x", "u:2")))
        costs.append(len(steps))
        db.close()
    assert costs[1] <= costs[0] + 5
