"""Several nodes on one database: who owns a destination, for how long, and who has it next."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from router.errors import ClaimLost, CommandRefused, StartError
from router.store import PART, Unit
from router.store.postgres import node
from router.store.postgres.node_id import node_id
from tests.contract.node_case import LEASE_S, OPENING, UNIT, Among, OpenNode, batch, granted, let_it_run_out, waits
from tests.contract.test_store import accept, make


async def test_what_another_node_has_is_waited_for_and_its_place_is_there(two: tuple[Among, Among]) -> None:
    first, second = two
    await first.owns()
    assert await second.claims.open_now(UNIT, OPENING) is None
    waiting = asyncio.create_task(second.claims.open(UNIT, OPENING))
    await second.beat()
    assert await waits(waiting, second)
    assert await second.claims.holder(UNIT) == "node-1"
    waiting.cancel()
    assert await second.queries.destinations() == ["d"]


async def test_a_node_that_gives_no_sign_of_life_is_replaced_and_what_it_commits_later_is_refused(
    two: tuple[Among, Among],
) -> None:
    first, second = two
    former = await first.owns()
    waiting = asyncio.create_task(second.claims.open(UNIT, OPENING))
    await let_it_run_out(first)
    owner = await granted(waiting, second)
    assert (owner.cursor.taken_from, former.lost.is_set()) == ("node-1", False)
    with pytest.raises(ClaimLost):
        await former.commit(batch("stale"))
    await owner.commit(batch("new"))
    assert await owner.keyed_state.load(["k"]) == {"k": b"new"}


async def test_a_node_learns_by_its_next_sign_of_life_that_it_was_replaced(two: tuple[Among, Among]) -> None:
    first, second = two
    former = await first.owns()
    await let_it_run_out(first)
    owner = await second.take()
    assert owner is not None
    assert former.may_send(1.0), "by its own clock it may"
    await first.beat()
    assert (former.lost.is_set(), former.may_send(1.0), owner.may_send(1.0)) == (True, False, True)


async def test_a_lease_that_ran_out_is_renewed_where_nobody_took_it(two: tuple[Among, Among]) -> None:
    first, second = two
    claim = await first.owns()
    await let_it_run_out(first)
    await first.beat()
    assert not claim.lost.is_set()
    assert await second.take() is None
    await claim.commit(batch("1"))


async def test_what_nobody_serves_any_more_is_not_renewed(two: tuple[Among, Among]) -> None:
    first, second = two
    claim = await first.owns()
    claim.rest()
    await let_it_run_out(first)
    await first.beat()
    assert await second.take() is not None


async def test_what_is_given_back_is_had_at_once_by_who_waits(two: tuple[Among, Among]) -> None:
    first, second = two
    claim = await first.owns()
    await claim.commit(batch("1"))
    waiting = asyncio.create_task(second.claims.open(UNIT, OPENING))
    await claim.give_back(to_others=True)
    owner = await granted(waiting, second)
    assert owner.cursor.taken_from == "", "in good order"
    assert await owner.keyed_state.load(["k"]) == {"k": b"1"}


async def test_what_is_given_back_is_had_before_the_next_sign_of_life_would_come(two: tuple[Among, Among]) -> None:
    first, second = two
    claim = await first.owns()
    waiting = asyncio.create_task(second.claims.open(UNIT, OPENING))
    assert await waits(waiting, second)
    watch = second.head_watch()
    watch.when_given_back = second.node.beat_soon
    await watch.look()
    assert await waits(waiting, second)
    await claim.give_back(to_others=False)
    await watch.look()
    assert (await waiting).epoch == claim.epoch + 1


async def test_an_owner_whose_commits_the_database_has_lost_begins_anew(two: tuple[Among, Among]) -> None:
    """A standby that had fallen behind has taken its place."""
    first, second = two
    claim = await first.owns()
    await claim.commit(batch("1"))
    await claim.commit(batch("2"))
    await first.beat()
    assert not claim.lost.is_set()
    await second.execute("UPDATE unit SET step = step - 1")
    await first.beat()
    assert claim.lost.is_set()


async def test_an_owner_that_has_read_further_than_the_log_goes_begins_anew(two: tuple[Among, Among]) -> None:
    first, second = two
    claim = await first.owns()
    await accept(first, make("m1"))
    await accept(first, make("lost"))
    assert [row.message_id for row in await first.read(0, 9, 1 << 20)] == ["m1", "lost"]
    await second.execute("DELETE FROM block WHERE first = 2")
    await second.execute("UPDATE head SET pos = 1")
    await first.head_watch().look()
    assert (claim.lost.is_set(), first.head) == (True, 1)
    await accept(second, make("m2"))
    await first.head_watch().look()
    assert [row.message_id for row in await first.read(0, 9, 1 << 20)] == ["m1", "m2"]


async def test_a_worker_that_begins_anew_has_its_destination_at_once(two: tuple[Among, Among]) -> None:
    first, _ = two
    former = await first.owns()
    former.rest()
    claim = await first.owns()
    assert (former.lost.is_set(), claim.epoch) == (True, former.epoch + 1)
    await claim.give_back(to_others=False)
    assert await first.owns() is not None, "it was its own last"


async def test_a_node_that_starts_again_takes_up_at_once_what_it_had(node_on: OpenNode) -> None:
    async with node_on(2, "d"):
        async with node_on(1, "d") as first:
            await first.owns()
            first.node._claims.clear()  # it is killed: it gives nothing back
        async with node_on(1, "d") as again:
            claim = await again.owns()
            assert claim.cursor.taken_from == ""


async def test_who_leaves_waiting_leaves_the_destination_to_others(two: tuple[Among, Among]) -> None:
    first, second = two
    claim = await first.owns()
    waiting = asyncio.create_task(second.claims.open(UNIT, OPENING))
    assert await waits(waiting, second)
    waiting.cancel()
    await asyncio.wait([waiting])
    await claim.give_back(to_others=True)
    await second.beat()
    assert await first.take() is not None


async def test_a_process_that_froze_within_a_statement_does_not_keep_its_destination_locked(
    two: tuple[Among, Among],
) -> None:
    """It is not idle for PostgreSQL, which waits for the other half of the statement for ever."""
    first, second = two
    await first.owns()
    await let_it_run_out(first)
    frozen = await first.shared_claims._database.connect()
    try:
        await frozen.execute("BEGIN")
        await frozen.execute("UPDATE unit SET step = step + 1")
        await frozen.prepare("SELECT count(*) FROM unit WHERE pos > $1")  # and never executes it
        taking = asyncio.create_task(second.take())
        while not taking.done():
            await second.beat()
        assert taking.result() is not None
    finally:
        frozen.terminate()


async def test_a_node_is_asked_for_one_of_two_when_another_one_has_none(node_on: OpenNode) -> None:
    async with node_on(1, "d", "e") as first:
        claims = [await first.owns(), await first.owns(Unit(PART, "e"))]
        async with node_on(2, "d", "e"):
            await first.execute("UPDATE unit SET taken_at = clock_timestamp() - interval '2 minutes'")
            await first.beat()
            assert [claim._asked_back.is_set() for claim in claims] == [True, False]


async def test_a_copied_node_ends_when_the_copy_gives_signs_of_life(node_on: OpenNode) -> None:
    async with node_on(1, "d") as first, node_on(1, "d") as copy:
        assert copy.health.broken == ""
        first.node._clock.advance(LEASE_S)  # type: ignore[attr-defined]
        await first.health.failed.wait()
        assert "another process is node node-1" in first.health.broken


async def test_a_destination_that_another_node_has_configured_is_not_dropped(two: tuple[Among, Among]) -> None:
    first, second = two
    first.claims.keep_for([])
    await first.owns()
    with pytest.raises(CommandRefused, match="d is configured at node-2: take it out of config"):
        await first.claims.drop("d")
    second.claims.keep_for([])
    await second.beat()
    await first.beat()
    assert (await first.claims.drop("d"))["held"] == 0


async def test_what_two_nodes_have_configured_differently_is_named_at_both(two: tuple[Among, Among]) -> None:
    first, second = two
    assert first.cluster
    assert second.cluster
    website = {"source website": "1"}
    await first.cluster.configure(website | {"destination crm": "1", "destination hook": "1"}, by_hand=False)
    await first.beat()
    await second.beat()
    assert second.health.problems() == [], "it does not know its own yet"
    await second.cluster.configure(website | {"destination crm": "2"}, by_hand=False)
    await second.beat()
    await first.beat()
    for one, other in ((first, "node-2"), (second, "node-1")):
        [problem] = one.health.problems()
        assert problem.code == "config_differs"
        assert problem.words.startswith(
            f"config.toml of node {other} says something else of destination crm, destination hook"
        )


async def test_a_node_of_another_version_is_named(two: tuple[Among, Among], monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = two
    monkeypatch.setattr(node, "__version__", "0.0.1")
    await first.beat()
    monkeypatch.undo()
    await second.beat()
    [problem] = second.health.problems()
    assert (problem.code, "node node-1 runs version 0.0.1" in problem.words) == ("versions_differ", True)


async def test_what_one_node_appends_the_other_one_reads(two: tuple[Among, Among]) -> None:
    first, second = two
    woken: list[int] = []
    second.watch(lambda: woken.append(second.head))
    watch = second.head_watch()
    for n in range(3):
        await accept(first, make(f"a{n}"))
        await watch.look()
        await accept(second, make(f"b{n}"))
    await watch.look()
    assert second.head == 6
    assert woken[0] == 1
    rows = await second.read(0, 100, 1_000_000)
    assert [row.message_id for row in rows] == ["a0", "b0", "a1", "b1", "a2", "b2"]


async def test_what_others_appended_is_read_where_an_append_of_duplicates_tells_of_it(two: tuple[Among, Among]) -> None:
    first, second = two
    await accept(second, make("b0"))
    await accept(first, make("a0"))
    await accept(second, make("a0"))
    assert second.head == 2
    assert [row.message_id for row in await second.read(1, 100, 1_000_000)] == ["a0"]


def test_an_id_is_one_processs_and_stays(tmp_path: Path) -> None:
    place = tmp_path / "node.id"
    with node_id(place) as first, pytest.raises(StartError, match="another daemon runs with"), node_id(place):
        pass
    with node_id(place) as again:
        assert again == first
    place.write_text("not an id")
    with pytest.raises(StartError, match="holds no id of a node"), node_id(place):
        pass
