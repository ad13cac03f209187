"""Rows that contradict each other, put into a real store by hand: the next start says so, puts them right, and no event waits for ever."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from router.deliver.runner import ReplayOrder
from router.logger import make_log
from router.plugin import Context, Delivered, Item, Reject, RetryLater, hookimpl
from router.store import DeadLetterFilter
from tests.contract.postgres_case import PostgresCase
from tests.contract.rig import Gated, Plain, Rig, comes_true, open_rig, spins

pytestmark = pytest.mark.usefixtures("backend")

STATES = ("delivered", "skipped", "filtered", "held", "retrying", "queued", "dead")


class Lives:
    """A store with a first life, and what is done to it before the next one."""

    def __init__(self, folder: Path, plugin: type[Any] = Gated) -> None:
        self.folder, self.plugin = folder, plugin
        self.lines = io.StringIO()

    async def first(self, live: Callable[[Rig], Awaitable[None]], *spoil: str) -> dict[str, Any]:
        """Live, end in good order, and spoil the store. Returns the ledger of before."""
        async with open_rig(self.folder) as rig:
            await rig.store.cursor("d", rig.clock.now_ms())
            rig.start(self.plugin)
            await live(rig)
            ledger = await rig.quiet()
            await rig.stop()
            for statement in spoil:
                await rig.store.execute(of_store(rig, statement))
        return ledger

    @asynccontextmanager
    async def next(self) -> AsyncIterator[Rig]:
        """The life after that."""
        async with open_rig(self.folder) as rig:
            rig.log = make_log("error", "json", stream=self.lines, clock=rig.clock)
            rig.start(self.plugin)
            yield rig

    def told(self, rig: Rig, event: str) -> list[dict[str, Any]]:
        """Lines of this event in the log."""
        rig.log.flush()
        return [line for line in map(json.loads, self.lines.getvalue().splitlines()) if line["event"] == event]

    async def tells(self, rig: Rig, event: str) -> dict[str, Any]:
        """The one line of this event, once it is written."""
        assert await comes_true(rig, lambda: bool(self.told(rig, event))), f"no {event}: {self.lines.getvalue()}"
        [line] = self.told(rig, event)
        return line


def of_store(rig: Rig, statement: str) -> str:
    """A statement in the words of the store that has it."""
    if not isinstance(rig.store, PostgresCase):
        return statement
    statement = statement.replace("FROM cursor", "FROM unit").replace("UPDATE cursor", "UPDATE unit")
    return statement.replace("FROM log WHERE pos", "FROM block WHERE first")


@pytest.fixture
def lives(tmp_path: Path) -> Lives:
    return Lives(tmp_path)


async def one_held(rig: Rig) -> None:
    await rig.call("track", "t1", userId="u1", event="E")


async def three_held(rig: Rig) -> None:
    for n in (1, 2, 3):
        await rig.call("track", f"t{n}", userId="u1", event="E")


async def group_is_told(rig: Rig) -> None:
    await rig.call("group", "g", userId="u1", groupId="acme", traits={"name": "Acme"})


async def adds_up(rig: Rig) -> dict[str, Any]:
    """The ledger, which has as many events as the destination was to have."""
    ledger = await rig.quiet()
    accepted = rig.store.number("SELECT pos FROM head") - rig.store.number("SELECT start FROM cursor")
    assert sum(ledger[state] for state in STATES) == accepted, ledger
    assert min(ledger[state] for state in STATES) >= 0, ledger
    return ledger


# ---------------------------------------------------------------- lanes and parked rows


async def test_a_lane_whose_parked_rows_are_gone_goes_and_what_it_counted_is_dead(lives: Lives) -> None:
    await lives.first(one_held, "DELETE FROM parked")
    async with lives.next() as rig:
        assert (await lives.tells(rig, "lanes_repaired"))["user_key"] == "user:u1"
        told = await lives.tells(rig, "counters_repaired")
        assert (told["held"], told["dead"]) == (-1, 1)
        await group_is_told(rig)
        await rig.call("track", "t2", userId="u1", event="E")
        ledger = await adds_up(rig)
        assert (ledger["held"], ledger["dead"], rig.vendor.ids()) == (0, 1, ["g", "t2"])
        assert rig.store.number("SELECT count(*) FROM lane") == 0
        assert not await spins(rig)


async def test_a_retry_without_its_event_blocks_its_user_no_longer(tmp_path: Path) -> None:
    lives = Lives(tmp_path, Plain)

    async def refused(rig: Rig) -> None:
        rig.vendor.answer = lambda bodies: RetryLater("status_503", after_s=3_600)
        await one_held(rig)

    await lives.first(refused, "DELETE FROM parked")
    async with lives.next() as rig:
        await lives.tells(rig, "lanes_repaired")
        await rig.call("track", "t2", userId="u1", event="E")
        await rig.quiet()
        assert rig.vendor.ids() == ["t2"]
        assert not await spins(rig)


@pytest.mark.parametrize("held", [0, 1, 7])
async def test_a_lane_that_counts_other_rows_than_there_are_counts_them_anew(lives: Lives, held: int) -> None:
    await lives.first(three_held, f"UPDATE lane SET held = {held}")
    async with lives.next() as rig:
        await lives.tells(rig, "lanes_repaired")
        await group_is_told(rig)
        await rig.call("track", "t4", userId="u1", event="E")
        await rig.quiet()
        assert rig.vendor.ids() == ["g", "t1", "t2", "t3", "t4"]
        assert rig.store.number("SELECT count(*) FROM lane") == 0
        assert not await spins(rig)


async def test_rows_and_lanes_of_a_destination_without_a_cursor_are_served_when_it_is_configured(lives: Lives) -> None:
    await lives.first(three_held, "DELETE FROM cursor")
    async with lives.next() as rig:
        await lives.tells(rig, "counters_repaired")
        await group_is_told(rig)
        ledger = await adds_up(rig)
        assert rig.vendor.ids() == ["g", "t1", "t2", "t3"]
        assert (ledger["held"], ledger["delivered"]) == (0, 4)


async def test_lanes_that_agree_with_their_rows_are_left_alone(lives: Lives) -> None:
    before = await lives.first(three_held)
    async with lives.next() as rig:
        assert await adds_up(rig) == before
        assert await comes_true(rig, lambda: rig.runner._worker is not None)
        assert await rig.runner._worker.context.claim.miscounts() == {}  # type: ignore[union-attr]
        rig.log.flush()
        assert lives.lines.getvalue() == ""


# ---------------------------------------------------------------- events that are gone


async def test_a_held_event_that_is_gone_is_dead_at_its_turn_and_those_behind_it_are_sent(lives: Lives) -> None:
    await lives.first(three_held, "DELETE FROM log WHERE pos = 1")
    async with lives.next() as rig:
        await group_is_told(rig)
        ledger = await adds_up(rig)
        assert rig.vendor.ids() == ["g", "t2", "t3"]
        assert (ledger["dead"], ledger["held"], ledger["state"]) == (1, 0, "running")
        lost = await lives.tells(rig, "event_lost")
        assert (lost["user_key"], lost["position"]) == ("user:u1", 1)


async def test_an_event_that_is_gone_and_was_mapped_before_is_still_sent(tmp_path: Path) -> None:
    lives = Lives(tmp_path, Plain)

    async def refused(rig: Rig) -> None:
        rig.vendor.answer = lambda bodies: RetryLater("status_503", after_s=30)
        await one_held(rig)

    await lives.first(refused, "DELETE FROM log WHERE pos = 1")
    async with lives.next() as rig:
        ledger = await rig.pass_time(60)
        assert (rig.vendor.ids(), ledger["delivered"]) == (["t1"], 1)
        await adds_up(rig)


async def test_a_dead_letter_whose_event_is_gone_is_shown_and_a_replay_leaves_it_out(tmp_path: Path) -> None:
    lives = Lives(tmp_path, Plain)

    async def refused(rig: Rig) -> None:
        rig.vendor.answer = lambda bodies: Reject("no", "the vendor said no")
        await three_held(rig)

    items = "UPDATE dead SET items = NULL"
    await lives.first(refused, "DELETE FROM log WHERE pos = 2", items)
    async with lives.next() as rig:
        told = await rig.store.queries.dead("d", DeadLetterFilter(), None)
        assert [(item["message_id"], item["detail"]) for item in told["items"]] == [
            (message_id, "the vendor said no") for message_id in ("t1", "", "t3")
        ]
        await rig.runner.replay(ReplayOrder(letters=DeadLetterFilter()))
        ledger = await adds_up(rig)
        assert (rig.vendor.ids(), ledger["dead"]) == (["t1", "t3"], 1)


# ---------------------------------------------------------------- counts, cursor, head


async def test_counters_that_do_not_agree_with_the_rows_are_corrected(lives: Lives) -> None:
    async def one_of_each(rig: Rig) -> None:
        rig.vendor.answer = lambda bodies: Reject("no") if bodies[0]["m"] == "i2" else Delivered()
        await rig.call("identify", "i1", userId="u9", traits={"a": 1})
        await rig.call("identify", "i2", userId="u8", traits={"a": 1})
        await three_held(rig)

    wrong = "held = held + 4, retrying = 3, letters = letters + 9, letter_bytes = 7, parked_bytes = 1, delivered = delivered + 5"
    before = await lives.first(one_of_each, f"UPDATE cursor SET {wrong}")
    async with lives.next() as rig:
        told = await lives.tells(rig, "counters_repaired")
        assert {name: told[name] for name in ("held", "retrying", "letters", "delivered")} == {
            "held": -4, "retrying": -3, "letters": -9, "delivered": -5,
        }  # fmt: skip
        ledger = await adds_up(rig)
        assert ledger == before
        bodies = sum(len(rig.make("track", f"t{n}", userId="u1", event="E").body) for n in (1, 2, 3))
        assert rig.store.number("SELECT parked_bytes FROM cursor") == bodies
        assert rig.store.number("SELECT letter_bytes FROM cursor") == rig.store.number("SELECT sum(size) FROM dead")


async def test_a_cursor_beyond_the_head_comes_back_and_passes_no_event(tmp_path: Path) -> None:
    lives = Lives(tmp_path, Plain)
    await lives.first(three_held, "UPDATE cursor SET pos = pos + 2")
    async with lives.next() as rig:
        assert (await lives.tells(rig, "cursor_repaired"))["events"] == 2
        for n in (4, 5, 6):
            await rig.call("track", f"t{n}", userId="u1", event="E")
        assert (await adds_up(rig))["delivered"] == 6
        assert rig.vendor.ids() == ["t4", "t5", "t6"]


async def test_a_head_below_the_newest_event_is_set_to_it_and_no_position_is_given_out_twice(tmp_path: Path) -> None:
    lives = Lives(tmp_path, Plain)
    await lives.first(three_held, "UPDATE head SET pos = 1")
    async with lives.next() as rig:
        assert "beyond its head" in rig.store.repaired
        await rig.call("track", "t4", userId="u1", event="E")
        assert (await adds_up(rig))["delivered"] == 4
        assert (rig.vendor.ids(), rig.store.head) == (["t4"], 4)


# ---------------------------------------------------------------- timers


class Waking(Plain):
    """Has something to send when a timer is due."""

    @hookimpl
    def wake(self, key: str, at: datetime, context: Context) -> Item:
        return Item({"m": f"woken {key}", "state": context.state})


async def test_a_timer_of_a_user_without_a_lane_and_without_state_is_due_as_any_other(tmp_path: Path) -> None:
    lives = Lives(tmp_path, Waking)

    async def nothing(rig: Rig) -> None:
        await asyncio.sleep(0)

    columns = "part, destination, key, due_at, user_key"
    async with open_rig(tmp_path) as rig:
        slot = isinstance(rig.store, PostgresCase)
    timer = f"INSERT INTO timer ({columns}{', slot' if slot else ''}) VALUES (0, 'd', 'k', 1, 'u:u1'{', 0' if slot else ''})"
    await lives.first(nothing, timer)
    async with lives.next() as rig:
        await rig.quiet()
        assert rig.vendor.received == [{"m": "woken k", "state": None}]
        assert rig.store.number("SELECT count(*) FROM timer") == 0
