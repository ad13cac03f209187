"""Demands to forget and to suppress in a store that several processes use: all of them follow, one carries each out, and another one goes on."""

from __future__ import annotations

import asyncio

import pytest

from router.errors import CommandRefused, RegulationLost, StoreBusy
from router.store import CommitBatch, Demand, Regulation, Step
from router.testing.clock import START_MS
from router.vocabulary import Queue
from tests.contract.node_case import Among, let_it_run_out
from tests.contract.test_store import accept, make, parked_row

FORGET = Demand("reg_1", "SUPPRESS_WITH_DELETE", "USER_ID", ("u:u1",), deletes=True, suppresses=True)
UNSUPPRESS = Demand("reg_2", "UNSUPPRESS", "USER_ID", ("u:u1",), unsuppresses=True)


async def begun_at(store: Among, demand: Demand = FORGET) -> Regulation:
    return await store.people.begin(demand)


async def park(store: Among) -> None:
    """An event of u1 waits at the destination."""
    claim = await store.owns()
    [pos] = await accept(store, make("m1", userId="u1"))
    row = parked_row(pos, "m1", queue=Queue.MAIN, state="queued")
    await claim.commit(CommitBatch("d", pos=pos, park={pos: row}, at=START_MS))


def epoch(store: Among) -> int:
    return store.number("SELECT epoch FROM unit")


async def test_no_process_appends_a_call_of_somebody_who_was_suppressed_elsewhere(two: tuple[Among, Among]) -> None:
    first, second = two
    await begun_at(first)
    assert "u:u1" not in second.people.suppressions, "it has not heard of it yet"
    answers = await asyncio.gather(
        accept(second, make("m1", userId="u1")), accept(second, make("m2", userId="u2")), return_exceptions=True
    )
    assert isinstance(answers[0], StoreBusy), "its client comes again, and the call is looked at anew"
    assert answers[1] == [1], "who was sent beside it is stored"
    assert "u:u1" in second.people.suppressions


async def test_who_is_suppressed_no_more_is_so_at_every_process(two: tuple[Among, Among]) -> None:
    first, second = two
    await begun_at(first)
    await begun_at(second, UNSUPPRESS)
    assert await accept(first, make("m2", userId="u2")) == [1]
    assert "u:u1" not in first.people.suppressions


async def test_whoever_takes_a_destination_later_reads_nothing_of_the_person(two: tuple[Among, Among]) -> None:
    first, second = two
    await accept(first, make("m1", userId="u1"), make("m2", userId="u2"))
    await second.read(0, 10, 1_000_000)
    await begun_at(first)
    await second.owns()
    assert [row.message_id for row in await second.read(0, 10, 1_000_000)] == ["", "m2"]


async def test_what_another_process_has_is_erased_by_that_one_only(two: tuple[Among, Among]) -> None:
    first, second = two
    await park(first)
    regulation = await begun_at(second)
    with pytest.raises(CommandRefused, match="node node-1 delivers to d"):
        await second.erasure.erase_at("d", regulation.id)
    await first.erasure.erase_at("d", regulation.id)
    assert first.number("SELECT count(*) FROM parked") == 0
    assert first.number("SELECT dead FROM unit") == 1, "it is counted"


async def test_an_owner_of_before_stores_nothing_of_what_was_erased(two: tuple[Among, Among]) -> None:
    first, second = two
    await park(first)
    before = epoch(first)
    regulation = await begun_at(second)
    await let_it_run_out(first)
    await second.erasure.erase_at("d", regulation.id)
    assert epoch(first) == before + 1
    assert await second.take() is not None, "it was given back"


async def test_a_destination_that_has_nothing_of_the_person_keeps_its_owner(two: tuple[Among, Among]) -> None:
    first, _ = two
    claim = await first.owns()
    regulation = await begun_at(first)
    await first.erasure.erase_at("d", regulation.id)
    assert epoch(first) == claim.epoch
    await claim.commit(CommitBatch("d", at=START_MS))


async def test_a_regulation_of_a_process_that_is_gone_is_carried_out_by_another_one(two: tuple[Among, Among]) -> None:
    first, second = two
    regulation = await begun_at(first)
    assert await second.erasure.left_behind() == []
    await first.execute("UPDATE node SET expires = clock_timestamp() WHERE name = 'node-1'")
    [left] = await second.erasure.left_behind()
    assert (left.id, left.step) == (regulation.id, Step.ROWS)
    assert await second.erasure.left_behind() == []
    with pytest.raises(RegulationLost):
        await first.erasure.erase_on(regulation.id)
    assert (await second.erasure.erase_on(regulation.id)).step == Step.LOG


async def test_what_others_have_read_of_the_person_is_dropped_when_all_is_erased(two: tuple[Among, Among]) -> None:
    first, second = two
    await accept(second, make("m1", userId="u1"), make("m2", userId="u2"))
    regulation = await begun_at(first)
    await second.owns()
    while regulation.is_under_way:
        regulation = await first.erasure.erase_on(regulation.id)
    await second.shared_claims._people.look()
    assert not second.shared_claims._people.forgotten
    rows = await second.read(0, 10, 1_000_000)
    assert [row.message_id for row in rows] == ["", "m2"]
    found = await second.people.find(regulation.id)
    assert found is not None
    assert not found.is_under_way
