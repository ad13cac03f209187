"""A destination that is split into shards, in the shared store: who owns which, what each of them sees, and what a change of their number leaves."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
from collections.abc import Iterable
from typing import Any, cast

import pytest

from router.accept import Acceptor
from router.consent import UPDATED
from router.deliver.claiming import Claiming
from router.deliver.commit.unit_of_work import UnitOfWork
from router.deliver.own_events import own_events
from router.deliver.runner import Runner
from router.errors import ClaimLost
from router.logger import make_log
from router.store import PART, CommitBatch, DeadLetterFilter, Demand, LogRow, Opening, Share, Status, Unit
from router.store.outcome_blocks import pack_ahead
from router.store.postgres import reshape, trim_log, units
from router.store.postgres.claim import PostgresClaim
from router.store.postgres.units import Takes
from router.testing.clock import START_MS, FakeClock
from router.vocabulary import Queue
from tests.contract.node_case import Among, OpenNode, let_it_run_out
from tests.contract.rig import Plain, Rig, Vendor, comes_true, destination
from tests.contract.test_store import accept, fate, lane_row, make, parked_row

DELIVERED = ("delivered", "")


async def take(store: Among, shard: int, shards: int) -> PostgresClaim | None:
    """As if it were its turn."""
    opening = Opening(START_MS, timeout_s=1.0, shards=shards)
    return await store.shared_claims._take(Unit(PART, "d", shard), opening, Takes.ANY)


async def owned(store: Among, shard: int, shards: int) -> PostgresClaim:
    claim = await take(store, shard, shards)
    assert claim is not None
    return claim


async def everyone(store: Among, shards: int) -> list[PostgresClaim]:
    return [await owned(store, shard, shards) for shard in range(shards)]


async def give_back(*claims: PostgresClaim) -> None:
    for claim in claims:
        await claim.give_back(to_others=True)


async def fill(store: Among, users: int = 40) -> list[LogRow]:
    """One event of each user."""
    await accept(store, *(make(f"m{n}", userId=f"u{n}") for n in range(users)))
    return await store.read(0, 1000, 1_000_000)


async def left(store: Among, claim: PostgresClaim) -> list[int]:
    """What a worker with this claim would settle."""
    rows = [row for row in await store.read(claim.cursor.pos, 1000, 1_000_000) if row.pos not in claim.cursor.ahead]
    own = own_events(claim.cursor)
    return [row.pos for row in (own.of(rows, 1000).rows if own and rows else rows)]


def settled(pos: int, *positions: int, ahead: Iterable[int] = ()) -> CommitBatch:
    batch = CommitBatch("d", pos=pos, ahead=pack_ahead(pos, ahead), at=START_MS)
    batch.settled = dict.fromkeys(positions, DELIVERED)
    batch.count("delivered", len(positions))
    return batch


async def queued(store: Among) -> int:
    return int((await store.queries.ledger(["d"]))["destinations"]["d"]["queued"])


async def test_each_event_is_one_shards_own(two: tuple[Among, Among]) -> None:
    first, second = two
    claims = [await owned(first, 0, 4), await owned(second, 1, 4), await owned(first, 2, 4), await owned(second, 3, 4)]
    rows = await fill(first)
    seen = [await left(first, claim) for claim in claims]
    assert sorted(pos for one in seen for pos in one) == [row.pos for row in rows]
    assert all(Share(n, 4).has(rows[pos - 1].user_key) for n, one in enumerate(seen) for pos in one)
    assert min(len(one) for one in seen) > 0


class AppendsBetween:
    """A connection; another one appends an event after its first statement."""

    def __init__(self, connection: Any, store: Among) -> None:
        self._connection, self._store = connection, store

    async def fetchval(self, *statement: Any) -> Any:
        found = await self._connection.fetchval(*statement)
        await accept(self._store, make("between", userId="u1"))
        return found

    async def execute(self, *statement: Any) -> Any:
        return await self._connection.execute(*statement)


async def test_all_shards_begin_at_one_position_while_others_append(two: tuple[Among, Among]) -> None:
    first, second = two
    await fill(first)
    async with first._connection() as connection, connection.transaction():
        between: Any = AppendsBetween(connection, second)
        assert await reshape.add(between, Unit(PART, "d"), Opening(START_MS, shards=4))
    assert [claim.cursor.pos for claim in await everyone(first, 4)] == [40] * 4


async def test_two_nodes_that_open_shards_wait_for_who_changes_their_number(two: tuple[Among, Among]) -> None:
    first, second = two
    await give_back(*await everyone(first, 2))
    opening = Opening(START_MS, timeout_s=1.0, shards=4)
    async with first._connection() as connection, connection.transaction():
        await connection.fetch(units.LOCKED, "d")
        other = asyncio.create_task(take(second, 1, 4))
        while not await connection.fetchval("SELECT true FROM pg_locks WHERE NOT granted LIMIT 1"):
            assert not other.done()
        assert await units.open_unit(connection, Unit(PART, "d", 0), opening, first.node.lease(1.0, Takes.ANY))
    claim = await other
    assert claim is not None
    assert claim.cursor.share == Share(1, 4)


@pytest.mark.parametrize("change", ["UPDATE unit SET mode = 'dry-run'", "UPDATE trim SET pos = 40"])
async def test_who_opens_a_shard_waits_for_no_commit_of_another_one_unless_it_changes_all(
    two: tuple[Among, Among], change: str
) -> None:
    first, second = two
    await give_back(*await everyone(first, 2))
    await fill(first)
    await first.execute(change)
    async with first._connection() as connection, connection.transaction():
        await connection.fetch("SELECT FROM unit WHERE shard = 0 FOR UPDATE")
        taking = asyncio.create_task(take(second, 1, 2))
        has_waited = False
        while not (taking.done() or has_waited):
            has_waited = bool(await connection.fetchval("SELECT true FROM pg_locks WHERE NOT granted LIMIT 1"))
    assert await taking is not None
    assert has_waited == ("trim" in change)


async def test_the_counts_of_all_shards_add_up(two: tuple[Among, Among]) -> None:
    first, second = two
    claims = [await owned(first, 0, 2), await owned(second, 1, 2)]
    await fill(first)
    for claim in claims:
        await claim.commit(settled(40, *await left(first, claim)))
    told = (await second.queries.ledger(["d"]))["destinations"]["d"]
    assert (told["delivered"], told["queued"], told["cursor"]) == (40, 0, 40)
    assert await first.output_reports.left_over([]) == {"d": {"held": 0, "retrying": 0, "queued": 0, "dead": 0}}


async def test_a_shard_sees_no_rows_of_another_one(two: tuple[Among, Among]) -> None:
    first, _ = two
    claims = await everyone(first, 2)
    one, *_ = await fill(first)
    of = {Share(n, 2).has(one.user_key): claim for n, claim in enumerate(claims)}
    batch = CommitBatch("d", pos=0, ahead=pack_ahead(0, {1}), at=START_MS)
    batch.park = {1: parked_row(1, "m0", one.user_key, Queue.HELD)}
    batch.lanes = {one.user_key: lane_row(one.user_key)}
    batch.count("held", 1)
    await of[True].commit(batch)
    assert [await claim.lanes.has_any() for claim in (of[True], of[False])] == [True, False]
    for claim in (of[True], of[False]):
        assert await claim.miscounts() == {}
        assert (await claim.lanes.miscounted("", 10))[0] == {}
    assert await of[False].dead_letters.count(DeadLetterFilter()) == 0


async def test_a_shard_of_a_dead_node_is_taken_by_another_one_and_the_others_stay(two: tuple[Among, Among]) -> None:
    first, second = two
    mine, others = await owned(first, 0, 2), await owned(second, 1, 2)
    await let_it_run_out(first)
    taken = await owned(second, 0, 2)
    with pytest.raises(ClaimLost):
        await mine.commit(settled(0))
    await others.commit(settled(0))
    await taken.commit(settled(0))


@pytest.mark.parametrize(("before", "after"), [(1, 4), (4, 1), (2, 8), (8, 2)])
async def test_with_another_number_of_shards_what_is_settled_is_not_read_again_and_nothing_else_is_passed_over(
    two: tuple[Among, Among], before: int, after: int
) -> None:
    first, second = two
    claims = await everyone(first, before)
    rows = await fill(first)
    done: set[int] = set()
    for n, claim in enumerate(claims):  # each is as far as another one is not, and one event further on is done, too
        own = await left(first, claim)
        some = own[: n * len(own) // before]
        pos, ahead = (own[len(some)] - 1 if len(some) < len(own) else 40), own[-1:]
        await claim.commit(settled(pos, *{*some, *ahead}, ahead=[one for one in ahead if one > pos]))
        done |= {*some, *ahead}
    await give_back(*claims)
    found = await everyone(second, after)
    assert [claim.cursor.shards_before for claim in found] == [before, *[0] * (after - 1)]
    seen = [await left(second, claim) for claim in found]
    assert sorted(pos for one in seen for pos in one) == [row.pos for row in rows if row.pos not in done]
    assert await queued(second) == 40 - len(done)
    for claim, own in zip(found, seen, strict=True):
        await claim.commit(settled(40, *own))
    assert await queued(second) == 0


async def test_their_number_does_not_change_while_one_has_an_owner(two: tuple[Among, Among]) -> None:
    first, second = two
    one, other = await everyone(first, 2)
    await give_back(one)
    assert await take(second, 0, 4) is None
    await other.commit(settled(0))
    await give_back(other)
    assert (await owned(second, 0, 4)).cursor.share == Share(0, 4)


async def test_who_owned_a_shard_before_their_number_changed_commits_nothing_more(two: tuple[Among, Among]) -> None:
    first, second = two
    claims = await everyone(first, 2)
    await let_it_run_out(first)
    await everyone(second, 1)
    for claim in claims:
        with pytest.raises(ClaimLost):
            await claim.commit(settled(0))


async def test_rows_and_their_counts_go_to_the_shard_of_their_user(two: tuple[Among, Among]) -> None:
    first, second = two
    [whole] = await everyone(first, 1)
    rows = (await fill(first))[:8]
    batch = CommitBatch("d", pos=8, at=START_MS)
    for row in rows:
        batch.park[row.pos] = parked_row(row.pos, row.message_id, row.user_key, Queue.HELD)
        batch.lanes[row.user_key] = lane_row(row.user_key)
    batch.count("held", 8)
    batch.count("parked_bytes", 803)
    await whole.commit(batch)
    await give_back(whole)
    claims = await everyone(second, 4)
    assert sum(claim.cursor.parked_bytes for claim in claims) == 803
    assert all(0 <= claim.cursor.parked_bytes - 100 * claim.cursor.held <= 3 for claim in claims)
    assert [claim.cursor.held for claim in claims] == [
        sum(Share(n, 4).has(row.user_key) for row in rows) for n in range(4)
    ]
    assert [await claim.miscounts() for claim in claims] == [{}] * 4
    assert (await second.queries.ledger(["d"]))["destinations"]["d"]["held"] == 8


async def test_a_shard_that_was_merged_goes_on_after_a_restart(two: tuple[Among, Among]) -> None:
    first, second = two
    claims = await everyone(first, 2)
    await fill(first)
    own = [await left(first, claim) for claim in claims]
    await claims[1].commit(settled(40, *own[1]))
    await give_back(*claims)
    [merged] = await everyone(second, 1)
    half = own[0][: len(own[0]) // 2]
    await merged.commit(settled(half[-1], *half))
    await give_back(merged)
    [again] = await everyone(first, 1)
    assert await left(first, again) == own[0][len(half) :]
    await again.commit(settled(40, *own[0][len(half) :]))
    await give_back(again)
    assert (await everyone(first, 1))[0].cursor.floors == ()


async def places(claim: PostgresClaim, n: int) -> list[int]:
    """So many that a worker with this claim gives out for second sendings."""
    work = UnitOfWork("d", "test/1", claim.cursor, FakeClock(), lambda: None)
    work.last_order_key = await claim.lanes.last_place()
    return [work.next_order_key() for _ in range(n)]


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (2, 4)])
async def test_no_place_is_given_out_again_by_another_shard_or_by_another_number_of_shards(
    two: tuple[Among, Among], before: int, after: int
) -> None:
    """The places of second sendings are their positions, too: a destination has one row at each."""
    first, second = two
    claims = await everyone(first, before)
    user = next(row.user_key for row in await fill(first) if Share(0, 2).has(row.user_key))
    taken = await places(claims[0], 300)
    batch = CommitBatch("d", pos=0, at=START_MS)
    batch.park = {-one: parked_row(-one, "m0", user, Queue.MAIN, place=one, origin=1) for one in taken}
    batch.lanes = {user: lane_row(user, held=0)}
    await claims[0].commit(batch)
    await give_back(*claims)
    given = [place for one in await everyone(second, after) for place in await places(one, 300)]
    assert len({*given, *taken}) == 300 * (after + 1)


async def test_a_person_is_forgotten_before_the_shard_has_come_to_their_event(two: tuple[Among, Among]) -> None:
    """The event has no user any more; it is settled by the same shard all the same."""
    first, _ = two
    claims = await everyone(first, 2)
    rows = await fill(first, 8)
    of = next(n for n in range(2) if Share(n, 2).has("u:u3"))
    regulation = await first.people.begin(Demand("1", "DELETE_ONLY", "USER_ID", ("u:u3",), deletes=True))
    await give_back(*claims)
    for share in await first.claims.shares("d"):
        await first.erasure.erase_at("d", regulation.id, share)
    while (regulation := await first.erasure.erase_on(regulation.id)).is_under_way:
        pass
    [blank] = [row for row in await first.read(0, 100, 1_000_000) if not row.user_key]
    claims = await everyone(first, 2)
    assert blank.pos in await left(first, claims[of])
    assert sum([len(await left(first, claim)) for claim in claims]) == len(rows)


async def test_those_that_were_away_beyond_the_retention_are_dead_once(two: tuple[Among, Among]) -> None:
    first, second = two
    claims = await everyone(first, 2)
    await fill(first)
    own = [await left(first, claim) for claim in claims]
    await claims[0].commit(settled(40, *own[0]))
    few = own[1][:3]
    await claims[1].commit(settled(few[-1], *few))
    await give_back(*claims)
    await accept(first, *(make(f"late{n}", userId=f"u{n}") for n in range(4)))
    await first.execute("UPDATE trim SET pos = 40")
    await first.execute("DELETE FROM block WHERE first <= 40")
    claims = await everyone(second, 2)
    told = (await second.queries.ledger(["d"]))["destinations"]["d"]
    assert (told["delivered"], told["dead"], told["queued"]) == (len(own[0]) + 3, len(own[1]) - 3, 4)


async def test_a_shard_sees_what_one_at_another_node_was_told(two: tuple[Among, Among]) -> None:
    first, second = two
    mine, others = await owned(first, 0, 2), await owned(second, 1, 2)
    changed = asyncio.Event()
    others.others.watch(changed.set)
    for status in (Status("paused", "credentials", 3, 4, "no such key"), Status()):
        await mine.commit(CommitBatch("d", at=START_MS, status=status))
        await second.head_watch().look()
        assert changed.is_set()
        changed.clear()
        assert others.others.statuses() == ([status] if status.reason else [])


async def test_receipts_of_many_shards_take_no_more_than_their_own_events_do(two: tuple[Among, Among]) -> None:
    first, _ = two
    claims = await everyone(first, 16)
    await fill(first, 200)
    for claim in claims:
        await claim.commit(settled(200, *await left(first, claim)))
    async with first._connection() as connection:
        size = await connection.fetchval("SELECT sum(length(codes)) FROM receipt")
    assert size <= 4 * 200 + 16
    assert [await fate(cast(Any, first), f"m{n}") for n in range(0, 200, 40)] == [DELIVERED] * 5


async def test_a_withdrawal_takes_out_what_waits_of_an_anonymous_user_of_another_shard(
    two: tuple[Among, Among],
) -> None:
    node, _ = two
    rig = Rig(cast(Any, node), cast(FakeClock, node.queue.clock), make_log("error", "json", stream=io.StringIO()))
    rig.acceptor = Acceptor(node.log, node.people.suppressions, rig.log, follow=frozenset)
    mine, others = Share(0, 2), Share(1, 2)
    x, y, *_ = (key for key in map(str, range(20)) if mine.has(f"a:{key}"))
    user = next(key for key in map(str, range(20)) if others.has(f"u:{key}"))
    whole = destination(Plain, rig.vendor, consent=["ads"], follow=True, delivery={"rate": "1/m"})
    rig.runner = Runner(dataclasses.replace(whole, share=mine), node, rig.clock, rig.log, rig.random)
    rig._task = asyncio.create_task(rig.runner.run())
    worker = await rig.runner.worker()
    says_yes, says_no = ({"consent": {"categoryPreferences": {"ads": said}}} for said in (True, False))
    await rig.call("identify", "i", userId=user, anonymousId=x)
    await rig.call("track", "y", anonymousId=y, event="E", context=says_yes)
    assert await comes_true(rig, lambda: rig.vendor.ids() == ["y"])
    await rig.call("track", "x", anonymousId=x, event="E", context=says_yes)
    assert await comes_true(rig, lambda: (worker.core.batcher.has_fresh, worker.state.work.read_pos) == (True, 3))
    await rig.call("track", "no", userId=user, event=UPDATED, context=says_no)
    assert await comes_true(rig, lambda: not worker.core.batcher.has_fresh)
    await rig.stop()
    assert await rig.fate("x") == ("filtered", "consent_withdrawn")


async def test_the_log_says_that_the_number_of_shards_has_changed(node_on: OpenNode) -> None:
    told = io.StringIO()
    async with node_on(1, "d") as node:
        await give_back(*await everyone(node, 4))
        halved = dataclasses.replace(destination(Plain, Vendor()), share=Share(0, 2))
        await Claiming(halved, node.claims, node.queue.clock, make_log("info", "json", stream=told)).open_now()
    [line] = map(json.loads, told.getvalue().splitlines())
    assert (line["event"], line["before"], line["shards"]) == ("shards_changed", 4, 2)


async def test_receipts_of_shards_that_there_are_no_more_go_with_the_log(two: tuple[Among, Among]) -> None:
    first, second = two
    claims = await everyone(first, 2)
    await fill(first)
    for claim in claims:
        await claim.commit(settled(40, *await left(first, claim)))
    await give_back(*claims)
    await everyone(second, 1)
    async with first._connection() as connection, connection.transaction():
        await connection.execute("UPDATE trim SET pos = 40")
        await trim_log.remove(connection, START_MS)
        assert await connection.fetchval("SELECT count(*) FROM receipt") == 0
