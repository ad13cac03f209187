"""Forgetting on the shared store: a process that ends after any statement leaves nothing that the next one does not take up."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from router.event import Discard
from router.store import AttemptRow, CommitBatch, DeadRow, Demand, GroupCallRow, LaneRow, Regulation, Step
from router.store.postgres import forget_log, forget_rows
from router.store.postgres.database import Database
from router.testing.clock import START_MS, FakeClock
from router.vocabulary import Queue
from tests.contract.postgres_case import OnServer, PostgresCase
from tests.contract.simulation.invariants import rows_and_counters
from tests.contract.test_store import accept, lane_row, make, parked_row

EVERY = int(os.environ.get("CRASH_EVERY", "17"))
"""A process ends after each of so many statements; CRASH_EVERY=1 tries all, which takes a minute of processor time for each demand."""
DAY_MS = 86_400_000
WORDS = ("user-one", "anon-one", "secret-text", "one-")
"""What is nowhere once user-one is forgotten; `one-` begins their message ids."""
GROUP_WORDS = ("acme-1", "Acme Unlimited", "call-of-theirs")
DEMANDS = {
    "a person": (Demand("r1", "DELETE_INTERNAL", "USER_ID", ("u:user-one",), deletes=True), WORDS),
    "a group": (Demand("r1", "DELETE_INTERNAL", "GROUP_ID", ("g:acme-1",), deletes=True), GROUP_WORDS),
}


@asynccontextmanager
async def opened(server: OnServer, path: Path) -> AsyncIterator[PostgresCase]:
    clock = FakeClock(START_MS + 8 * DAY_MS)
    async with server.open(path, lambda mark: clock, dedupe_window_s=3600) as (store, _):
        yield store


async def a_life(store: PostgresCase) -> None:
    """Of user-one: an event that outlived the log, one held, one dead, one to be tried again, delivered ones, one that came twice; state, a timer,
    a group call that did not go out. Others wait for their group, and vendors and senders named them."""
    old, now = START_MS, START_MS + 8 * DAY_MS
    secret: dict[str, Any] = {"userId": "user-one", "properties": {"p": "secret-text"}}
    await store.cursor("d", old)
    await accept(store, make("one-old", old, **secret))
    held = parked_row(1, "one-old", "u:user-one", body=make("one-old", old, **secret).body)
    lanes: dict[str, LaneRow | None] = {"u:user-one": lane_row("u:user-one")}
    store.housekeeping._since_ms = 0
    await store.commit(
        CommitBatch("d", pos=1, park={1: held}, lanes=lanes, at=old, ledger={"held": 1, "parked_bytes": len(held.body)})
    )
    await store.tidy()
    calls = [
        make("one-link", now, type="identify", userId="user-one", anonymousId="anon-one", traits={"t": "secret-text"}),
        make("call-of-theirs", now, type="group", userId="user-two", groupId="acme-1", traits={"name": "Acme Unlimited"}),
        make("one-dead", now, **secret),
        make("two-waits", now, userId="user-two"),
        make("one-retried", now, anonymousId="anon-one", properties={"p": "secret-text"}),
        make("one-group", now, type="group", userId="user-one", groupId="beta-2"),
    ]  # fmt: skip
    await accept(store, *calls)
    await accept(store, make("two-new", now, userId="user-two"), make("one-dead", now, **secret))
    letter = DeadRow(
        4,
        now,
        "u:user-one",
        "rejected",
        "no user-one",
        now,
        "website",
        "track",
        "one-dead",
        "",
        calls[2].body,
        b'["secret-text"]',
        "p",
        1,
    )
    named = DeadRow(
        3,
        now,
        "u:user-two",
        "rejected",
        "Acme Unlimited and user-one",
        now,
        "website",
        "group",
        "call-of-theirs",
        "",
        calls[1].body,
        None,
        "p",
        1,
    )
    waits = parked_row(5, "two-waits", "u:user-two", body=calls[3].body)
    retried = parked_row(
        6, "one-retried", "a:anon-one", Queue.MAIN, body=calls[4].body, state="retrying", items=b'["secret-text"]'
    )
    batch = CommitBatch(
        "d", pos=8, at=now, settled={2: ("delivered", ""), 8: ("delivered", "")}, dead=[letter, named],
        park={5: waits, 6: retried}, state={"calls of user-one": b'{"n":1}', "calls of user-two": b'{"n":1}'},
        timers={"t": (now + 1, "u:user-one")}, supplies={7: GroupCallRow(7, "u:user-one", "beta-2", ("id", "name"))},
        attempts=[AttemptRow(6, now, 1, 503, "busy with anon-one", "status_503"), AttemptRow(5, now, 1, 503, "Acme Unlimited", "status_503")],
        lanes={"u:user-two": lane_row("u:user-two", need="g:acme-1"), "a:anon-one": lane_row("a:anon-one")},
        ledger={
            "delivered": 2, "dead": 3, "held": 1, "retrying": 1, "letters": 2, "letter_bytes": letter.size + named.size,
            "parked_bytes": len(waits.body) + len(retried.body),
        },
    )  # fmt: skip
    batch.lanes["a:anon-one"].held, batch.lanes["a:anon-one"].main = 0, 1  # type: ignore[union-attr]
    await store.commit(batch)
    excerpt = '{"userId":"user-one","groupId":"acme-1"'
    await store.append([], [], [Discard("website", now, "invalid", "words", "one-x", "track", excerpt)])


class Crash(BaseException):
    """Stands for the end of the process: nothing catches it."""


class Dying:
    """A connection of a process that ends after so many statements."""

    def __init__(self, connection: Any, left: list[int]) -> None:
        self._connection, self._left = connection, left

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._connection, name)
        if name not in ("execute", "fetch", "fetchrow", "fetchval"):
            return found

        async def counted(*args: Any) -> Any:
            self._left[0] -= 1
            if self._left[0] < 0:
                raise Crash
            return await found(*args)

        return counted


@asynccontextmanager
async def dying(monkeypatch: pytest.MonkeyPatch, statements: int) -> AsyncIterator[list[int]]:
    """The process ends after so many statements of erasing."""
    left = [statements]
    worker = Database.worker

    @asynccontextmanager
    async def counted(database: Database) -> AsyncIterator[Any]:
        async with worker(database) as connection:
            yield Dying(connection, left)

    with monkeypatch.context() as patches:
        patches.setattr(Database, "worker", counted)
        yield left


async def erase(store: PostgresCase) -> list[Regulation]:
    """What a start does with the regulations that are left."""
    done = []
    for regulation in await store.erasure.resume():
        if regulation.step == Step.ROWS:
            await store.erasure.erase_at("d", regulation.id)
        while regulation.is_under_way:
            regulation = await store.erasure.erase_on(regulation.id)
        done.append(regulation)
    return done


def image_of(store: PostgresCase) -> tuple[list[Any], ...]:
    """What is left, but for instants."""
    with closing(store.image()) as db:
        rows_and_counters(db)
        return tuple(db.execute(sql).fetchall() for sql in (
            "SELECT pos, type, user_key, message_id FROM log ORDER BY pos", "SELECT pos, user_key, body FROM kept ORDER BY pos",
            "SELECT pos, user_key, state FROM parked ORDER BY pos", "SELECT pos, user_key, trim(detail), size FROM dead ORDER BY pos",
            "SELECT key FROM state", "SELECT key FROM timer", "SELECT pos, user_key, missing FROM supply", "SELECT user_key, group_id FROM membership",
            "SELECT delivered, held, retrying, dead, letters, letter_bytes, parked_bytes FROM cursor", "SELECT error FROM attempt ORDER BY pos",
            "SELECT user_key, need, reason FROM lane ORDER BY user_key", "SELECT excerpt FROM discard",
        ))  # fmt: skip


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (forget_rows, forget_log):
        monkeypatch.setattr(module, "SLICE", 1)


@pytest.mark.parametrize("whom", DEMANDS)
@pytest.mark.usefixtures("small_slices")
async def test_a_crash_after_any_statement_ends_in_the_same(
    on_server: OnServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whom: str
) -> None:
    demand, words = DEMANDS[whom]
    async with opened(on_server, tmp_path / "first") as store:
        await a_life(store)
        assert store.holds(*words) == list(words)
        await store.people.begin(demand)
    await on_server.copy(tmp_path / "first", tmp_path / "whole")
    async with opened(on_server, tmp_path / "whole") as store:
        async with dying(monkeypatch, 1 << 30) as left:
            [whole] = await erase(store)
        statements = (1 << 30) - left[0]
        assert store.holds(*words) == []
        expected = image_of(store)
    for n in range(0, statements, EVERY):
        path = tmp_path / f"after-{n}"
        await on_server.copy(tmp_path / "first", path)
        async with opened(on_server, path) as store, dying(monkeypatch, n):
            with pytest.raises(Crash):
                await erase(store)
        async with opened(on_server, path) as store:
            await erase(store)
            found = await store.people.find("r1")
            assert (store.holds(*words), image_of(store)) == ([], expected), f"after {n} statements"
            assert found is not None
            assert found.counts == whole.counts, f"after {n} statements"
        await on_server.drop(path)
    assert statements > 60, "else nothing was tried"


async def test_what_was_refused_as_a_duplicate_stands_in_no_block_either(on_server: OnServer, tmp_path: Path) -> None:
    async with opened(on_server, tmp_path / "db") as store:
        await store.cursor("d", START_MS)
        await accept(store, make("m1", userId="user-one"))
        await accept(
            store, make("m2", userId="user-two"), make("m1", userId="user-one", properties={"p": "sent-again"})
        )
        assert store.holds("sent-again") == ["sent-again"]
        await store.people.begin(DEMANDS["a person"][0])
        await erase(store)
        assert store.holds("user-one", "sent-again", "m1") == []
        assert [row.message_id for row in await store.read(0, 9, 1 << 20)] == ["", "m2"]
        assert await accept(store, make("m1", userId="user-one")) == [0], "it is a duplicate as before"
        told = await store.queries.message("m1", None, ["d"])
        assert told is not None
        assert (told["forgotten"], told["user_id"]) == (True, None)


async def test_a_block_that_is_trimmed_while_it_is_erased_takes_nothing_of_the_person_along(
    on_server: OnServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block was found, and goes before it is rewritten; what it leaves in `kept` is erased there."""
    async with opened(on_server, tmp_path / "db") as store:
        await store.cursor("d", START_MS)
        await accept(store, make("m1", userId="user-one"))
        row = parked_row(1, "m1", "u:user-one", body=make("m1", userId="user-one").body)
        await store.commit(
            CommitBatch("d", pos=1, park={1: row}, lanes={"u:user-one": lane_row("u:user-one")}, at=START_MS)
        )
        await store.people.begin(DEMANDS["a person"][0])
        [regulation] = await store.erasure.resume()
        regulation = await store.erasure.erase_on("r1")  # the rows stay: as if a worker had parked it once more
        rewrite = forget_log.rewrite

        async def late(*args: Any) -> int:
            monkeypatch.undo()
            await store.tidy()
            return await rewrite(*args)

        monkeypatch.setattr(forget_log, "rewrite", late)
        store.housekeeping._since_ms = 0
        while regulation.step in (Step.LOG, Step.KEPT):
            regulation = await store.erasure.erase_on("r1")
        with closing(store.image()) as db:
            assert db.execute("SELECT count(*) FROM log").fetchone() == (0,)
            assert db.execute("SELECT pos, user_key, message_id, body FROM kept").fetchall() == [(1, "", "", None)]


async def test_a_demand_whose_answer_was_lost_is_recorded_once(on_server: OnServer, tmp_path: Path) -> None:
    async with opened(on_server, tmp_path / "db") as store:
        people: Any = store.people
        demand = Demand(
            "r1", "SUPPRESS_WITH_DELETE_INTERNAL", "USER_ID", ("u:user-one",), deletes=True, suppresses=True
        )
        await accept(store, make("m1", userId="user-one"))
        first = await people.begin(demand)
        await accept(store, make("m2", userId="user-two"))
        assert await people.begin(demand) == first
        assert [one.id for one in await people.newest(9)] == ["r1"]


async def test_who_is_suppressed_is_so_in_a_process_that_starts_later(on_server: OnServer, tmp_path: Path) -> None:
    async with opened(on_server, tmp_path / "db") as store:
        await store.people.begin(Demand("r1", "SUPPRESS_ONLY", "USER_ID", ("u:user-one",), suppresses=True))
    async with opened(on_server, tmp_path / "db") as store:
        assert ("u:user-one" in store.people.suppressions, len(store.people.suppressions)) == (True, 1)
        assert [one.step for one in await store.erasure.resume()] == [Step.NOTE]
        await store.erasure.erase_on("r1")
        assert await store.erasure.resume() == []
