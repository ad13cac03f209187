"""Commands in a store that several processes use: one owner carries each out, once, and its answer is there when its effect is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import msgspec
import pytest

from router.admin.daemon_port import Reloaded, ReloadedAt
from router.clock import Clock, SystemClock
from router.daemon import commands as daemon_commands
from router.daemon.commands import ReloadOrder, SharedCommands
from router.daemon.reload_everywhere import reload_everywhere
from router.deliver.commands import Pause
from router.deliver.runner_port import DestinationRunner
from router.errors import ClaimLost, CommandRefused, CommandUnderWay
from router.logger import make_log
from router.store import AskedCommand, CommandRow
from router.store.postgres import commands as stored_commands
from router.store.postgres.commands import PostgresCommands
from router.testing.clock import FakeClock
from tests.contract.node_case import UNIT, Among, batch, let_it_run_out

DONE = msgspec.json.encode(7), True
Runners = Mapping[str, DestinationRunner]


def commands_of(store: Among) -> PostgresCommands:
    return cast(PostgresCommands, store.commands)


async def row_of(store: Among, command: int) -> CommandRow:
    row = await commands_of(store).find(command)
    assert row is not None
    return row


async def taken_by(store: Among) -> AskedCommand:
    [asked] = await commands_of(store).take([])
    return asked


async def test_what_one_node_is_asked_the_owner_takes_once_and_nobody_else(two: tuple[Among, Among]) -> None:
    first, second = two
    await first.owns()
    command = await commands_of(second).ask(UNIT, b"words")
    assert await commands_of(second).take([]) == []
    asked = await taken_by(first)
    assert (asked.id, asked.text, asked.reached) == (command, b"words", b"")
    assert await commands_of(first).take([]) == []
    assert await commands_of(second).withdraw(command) is False, "it may have had its effect"


async def test_an_answer_is_stored_with_the_effect_and_then_nobody_takes_the_command_any_more(
    two: tuple[Among, Among],
) -> None:
    first, second = two
    claim = await first.owns()
    command = await commands_of(second).ask(UNIT, b"words")
    await taken_by(first)
    step = batch("1")
    step.answers = {command: DONE}
    await claim.commit(step)
    assert await row_of(second, command) == CommandRow(command, "d", "done", b"7")
    assert first.number("SELECT octet_length(text) FROM command") == 0, "what was asked may name a person"
    await claim.give_back(to_others=True)
    await second.take()
    assert await commands_of(second).take([]) == []


async def test_what_an_owner_took_and_did_not_store_the_next_one_takes_up_where_it_was(
    two: tuple[Among, Among],
) -> None:
    first, second = two
    former = await first.owns()
    command = await commands_of(second).ask(UNIT, b"words")
    stale = await taken_by(first)
    step = batch("1")
    step.answers = {command: (b"[3,40]", False)}  # a slice of it
    await former.commit(step)
    await let_it_run_out(first)
    owner = await second.take()
    assert owner is not None
    again = await taken_by(second)
    assert (again.id, again.reached, again.epoch > stale.epoch, again.tries) == (command, b"[3,40]", True, 2)
    step = batch("late")
    step.answers = {command: DONE}
    with pytest.raises(ClaimLost):
        await former.commit(step)
    await commands_of(first).close(stale, "refused", b"[]")
    assert (await row_of(first, command)).state == "taken", "what the former owner says of it counts no more"
    await owner.commit(step)
    assert (await row_of(first, command)).state == "done"


async def test_what_nobody_has_taken_can_be_withdrawn(two: tuple[Among, Among]) -> None:
    first, second = two
    command = await commands_of(second).ask(UNIT, b"words")
    assert await commands_of(second).withdraw(command)
    await first.owns()
    assert await commands_of(first).take([]) == []


async def test_what_was_asked_long_ago_is_not_begun_any_more_and_goes_after_a_day(two: tuple[Among, Among]) -> None:
    first, _ = two
    await first.owns()
    await commands_of(first).ask(UNIT, b"words")
    await first.execute("UPDATE command SET asked_at = asked_at - interval '2 hours'")
    assert await commands_of(first).take([]) == []
    database = first.shared_claims._database
    assert await database.write(stored_commands.trim) == 0
    await first.execute("UPDATE command SET asked_at = asked_at - interval '1 day'")
    assert await database.write(stored_commands.trim) == 1


# ---------------------------------------------------------------- whoever asks


@pytest.fixture
def in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks waits for nothing."""
    monkeypatch.setattr(daemon_commands, "ANSWER_S", 0.0)


def asker(store: Among, runners: Runners | None = None, clock: Clock | None = None) -> SharedCommands:
    async def reload(order: ReloadOrder) -> dict[str, Any]:
        if not order.is_confirmed:
            raise CommandRefused("invalid_config", "one\ntwo")
        return Reloaded(["crm"], [], [], [], [], [])._asdict()

    return SharedCommands(
        commands_of(store), lambda: runners or {}, reload, clock or SystemClock(), make_log(level="error")
    )


@pytest.mark.usefixtures("in_no_time")
async def test_whoever_asks_of_a_destination_that_nobody_has_is_told_that_nothing_was_done(
    two: tuple[Among, Among],
) -> None:
    first, second = two
    with pytest.raises(CommandRefused, match="no node delivers to d now; nothing was done"):
        await asker(second).ask(UNIT, Pause())
    assert first.number("SELECT count(*) FROM command WHERE state = 'withdrawn'") == 1


async def test_whoever_asks_gets_the_number_of_what_is_accepted_and_not_done_yet(two: tuple[Among, Among]) -> None:
    first, second = two
    await first.owns()
    clock = FakeClock()
    asking = asyncio.create_task(asker(second, clock=clock).ask(UNIT, Pause()))
    asked: list[AskedCommand] = []
    while not asked:
        asked = await commands_of(first).take([])
    while not asking.done():
        clock.advance(1.0)
        await asyncio.sleep(0)
    with pytest.raises(CommandUnderWay, match=f"accepted as command {asked[0].id}, and not done yet"):
        await asking


class Failing:
    """A runner of which each command ends its worker, or meets a fault."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.shards = (self,)

    async def carry_out(self, *args: Any) -> Any:
        raise self.error


@pytest.mark.parametrize(
    ("error", "code"),
    [(CommandRefused("not_held", "nothing is held"), "not_held"), (ValueError("odd"), "internal_error")],
)
async def test_a_refusal_of_the_owner_is_the_answer(two: tuple[Among, Among], error: Exception, code: str) -> None:
    first, second = two
    await first.owns()
    owner = asker(first, {"d": cast(DestinationRunner, Failing(error))})
    async with owner.running():
        with pytest.raises(CommandRefused) as refused:
            await asker(second).ask(UNIT, Pause())
    assert refused.value.code == code


async def test_a_command_that_ends_every_worker_is_given_up(two: tuple[Among, Among]) -> None:
    first, second = two
    claim = await first.owns()
    owner = asker(first, {"d": cast(DestinationRunner, Failing(CommandRefused("stopping", "it ends")))})
    asking = asyncio.create_task(asker(second).ask(UNIT, Pause()))
    async with owner.running():
        while not asking.done():
            claim.rest()
            claim = await first.owns()
            await asyncio.sleep(0.05)
    with pytest.raises(CommandRefused, match="it was begun 5 times"):
        await asking


# ---------------------------------------------------------------- a reload of all nodes


async def reloaded_everywhere(store: Among, asking: SharedCommands, *, is_confirmed: bool = True) -> list[ReloadedAt]:
    assert store.cluster
    order = ReloadOrder(is_confirmed, "api")
    return await reload_everywhere(commands_of(store), asking, store.cluster, order)


@pytest.mark.parametrize("is_confirmed", [True, False])
async def test_each_node_carries_a_reload_out_and_answers_what_it_came_to(
    two: tuple[Among, Among], is_confirmed: bool
) -> None:
    first, second = two
    one, other = asker(first), asker(second)
    async with one.running(), other.running():
        found = await reloaded_everywhere(first, one, is_confirmed=is_confirmed)
    assert [at.node for at in found] == ["node-1", "node-2"]
    for at in found:
        if is_confirmed:
            assert (at.done, at.code) == (Reloaded(["crm"], [], [], [], [], []), "")
        else:
            assert (at.done, at.code, at.problems) == (None, "invalid_config", ["one", "two"])


async def test_a_node_that_does_not_take_a_reload_or_is_not_done_with_it_is_told_as_such(
    two: tuple[Among, Among],
) -> None:
    first, second = two
    clock = FakeClock()
    asking = asyncio.create_task(reloaded_everywhere(first, asker(first, clock=clock)))
    taken: list[AskedCommand] = []
    while not taken:
        taken = await commands_of(second).take([])
    while not asking.done():
        clock.advance(1.0)
        await asyncio.sleep(0)
    idle, slow = await asking
    assert (idle.code, idle.problems) == ("no_answer", ["it did not take the reload; nothing was changed there"])
    assert (slow.code, slow.command) == ("under_way", taken[0].id)


async def test_a_node_that_is_dead_is_not_asked(two: tuple[Among, Among]) -> None:
    first, second = two
    await first.execute("UPDATE node SET expires = clock_timestamp() - interval '1 ms' WHERE name = 'node-2'")
    one = asker(first)
    async with one.running():
        assert [at.node for at in await reloaded_everywhere(first, one)] == ["node-1"]
    assert await commands_of(second).take([]) == []
