"""Keyed state and timers at a running worker: what an event did to its state commits with the event, or not at all."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from router.clock import to_datetime
from router.deliver import worker
from router.deliver.runner import ReplayOrder
from router.plugin import Context, Delivered, Event, Item, Reject, RetryLater, Skip, hookimpl
from router.store import DeadLetterFilter
from router.testing.clock import START_MS
from tests.contract.rig import Plain, Rig, both_ways, commits_counted, open_rig
from tests.patience import HANG_S
from tests.sampled import every

pytest_generate_tests = both_ways
pytestmark = pytest.mark.usefixtures("backend")


def key_of(event: Event) -> str | None:
    """An event's state key: the one it names, else its user."""
    key = event.properties.get("key", event.user_id)
    return None if key is None else str(key)


class Counting(Plain):
    """Numbers the events of each key."""

    @hookimpl
    def state_key(self, event: Event) -> str | None:
        return key_of(event)

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        context.state = (context.state or 0) + 1
        return Item({"m": event.message_id, "user": event.user_id, "key": key_of(event), "n": context.state})


class Sessions(Plain):
    """A session ends ten seconds after its last event; its end sends how many events it had."""

    @hookimpl
    def state_key(self, event: Event) -> str | None:
        return key_of(event)

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        if event.name == "End":
            context.state = None
            context.wake(None)
        else:
            context.state = {"n": (context.state or {"n": 0})["n"] + 1}
            context.wake(event.received_at + timedelta(seconds=10))
        return Item({"m": event.message_id, "user": event.user_id})

    @hookimpl
    def wake(self, key: str, at: datetime, context: Context) -> Item:
        n = context.state["n"] if context.state else 0
        context.state = None
        return Item({"m": f"end-{key}", "n": n, "user": context.user.id if context.user else None})


async def send(rig: Rig, *sent: str, **properties: Any) -> None:
    """Accept tracks in one go: "u1:m1" is m1 of user u1."""
    calls = []
    for one in sent:
        user, message_id = one.split(":")
        calls.append(rig.make("track", message_id, userId=user, event="E", properties=properties))
    await rig.accept(calls)


async def state(rig: Rig, *keys: str) -> dict[str, Any]:
    """Keyed state as stored."""
    stored = await rig.store.state("d", *keys)
    return {key: json.loads(value) for key, value in stored.items()}


async def timers(rig: Rig) -> list[tuple[str, int, str]]:
    """Every timer as stored."""
    return await rig.store.due_timers("d", 1 << 60, 1000)


# ------------------------------------------------------------ state


async def test_state_is_read_and_changed_event_by_event(rig: Rig) -> None:
    rig.start(Counting)
    await send(rig, "u1:a", "u2:b", "u1:c")
    await rig.quiet()
    assert {body["m"]: body["n"] for body in rig.vendor.received} == {"a": 1, "b": 1, "c": 2}
    assert await state(rig, "u1", "u2") == {"u1": 2, "u2": 1}


async def test_state_survives_a_restart(rig: Rig) -> None:
    rig.start(Counting)
    await send(rig, "u1:a")
    await rig.quiet()
    await rig.crash()
    rig.start(Counting)
    await send(rig, "u1:b")
    await rig.quiet()
    assert [body["n"] for body in rig.vendor.received] == [1, 2]


async def test_the_state_of_an_event_in_flight_is_not_stored_before_its_answer(rig: Rig) -> None:
    never = asyncio.Event()

    async def hang() -> Delivered:
        await never.wait()
        return Delivered()

    rig.vendor.answer = lambda bodies: hang()
    rig.start(Counting)
    await send(rig, "u1:a")
    while not rig.vendor.calls:
        await rig.vendor_moves()
    for _ in range(20):
        await rig.vendor_moves()
    assert await state(rig, "u1") == {}
    await rig.crash()
    rig.vendor.answer = lambda bodies: Delivered()
    rig.start(Counting)
    await rig.quiet()
    assert [body["n"] for body in rig.vendor.received] == [1]


async def test_a_retried_event_keeps_what_it_was_mapped_to(rig: Rig) -> None:
    down = True
    rig.vendor.answer = lambda bodies: RetryLater("status_503") if down else Delivered()
    rig.start(Counting)
    await send(rig, "u1:a")
    await rig.quiet()
    assert await state(rig, "u1") == {"u1": 1}
    await rig.crash()
    down = False
    rig.start(Counting)
    await send(rig, "u1:b")
    await rig.pass_time(2)
    assert [(body["m"], body["n"]) for body in rig.vendor.received] == [("a", 1), ("b", 2)]


async def test_a_refused_event_keeps_its_change_of_state(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: Reject("rejected") if bodies[0]["m"] == "a" else Delivered()
    rig.start(Counting)
    await send(rig, "u1:a", "u1:b")
    await rig.quiet()
    assert [body["n"] for body in rig.vendor.received] == [2]


async def test_a_skipped_event_keeps_its_change_of_state_and_a_failed_hook_keeps_none(rig: Rig) -> None:
    class Choosy(Counting):
        @hookimpl
        def track(self, event: Event, context: Context) -> Item:
            context.state = (context.state or 0) + 1
            if event.message_id == "skip":
                raise Skip("remembered")
            if event.message_id == "raise":
                raise RuntimeError("oops")
            return Item({"m": event.message_id, "n": context.state})

    rig.start(Choosy)
    await send(rig, "u1:skip", "u1:raise", "u1:m")
    await rig.quiet()
    assert [body["n"] for body in rig.vendor.received] == [2]
    assert await state(rig, "u1") == {"u1": 2}


async def test_none_removes_the_state(rig: Rig) -> None:
    rig.start(Sessions)
    await send(rig, "u1:a")
    await rig.quiet()
    assert await state(rig, "u1") == {"u1": {"n": 1}}
    await rig.call("track", "b", userId="u1", event="End")
    await rig.quiet()
    assert (await state(rig, "u1"), await timers(rig)) == ({}, [])


@pytest.mark.parametrize(("size", "fate"), [(8190, "delivered"), (8191, "dead")])
async def test_state_is_bounded_to_eight_kib_of_json(rig: Rig, size: int, fate: str) -> None:
    class Big(Counting):
        @hookimpl
        def track(self, event: Event, context: Context) -> Item:
            context.state = "x" * size  # and its two quotes
            return Item({"m": event.message_id})

    rig.start(Big)
    await send(rig, "u1:m")
    await rig.quiet()
    assert (await rig.fate("m"))[0] == fate
    assert len((await state(rig, "u1")).get("u1", "")) == (size if fate == "delivered" else 0)


@pytest.mark.parametrize("value", [object(), {1, object()}, b"\xff" * 9000])
async def test_state_that_is_no_json_makes_a_dead_letter(rig: Rig, value: object) -> None:
    class Odd(Counting):
        @hookimpl
        def track(self, event: Event, context: Context) -> Item:
            if event.message_id == "m":
                context.state = value
            return Item({"m": event.message_id})

    rig.start(Odd)
    await send(rig, "u1:m", "u1:n")
    ledger = await rig.quiet()
    assert await rig.fate("m") == ("dead", "plugin_error")
    assert (ledger["delivered"], ledger["state"]) == (1, "running")


@pytest.mark.parametrize("key", ["half \ud800", "u1\x00"], ids=["half a character", "NUL"])
async def test_a_state_key_that_no_store_can_hold_makes_a_dead_letter_and_the_worker_lives_on(
    rig: Rig, key: str
) -> None:
    class Halving(Counting):
        @hookimpl
        def state_key(self, event: Event) -> str | None:
            return key if event.message_id == "m" else event.user_id

    rig.start(Halving)
    await send(rig, "u1:m", "u1:n")
    ledger = await rig.quiet()
    assert await rig.fate("m") == ("dead", "plugin_error")
    assert (ledger["delivered"], ledger["state"]) == (1, "running")


@pytest.mark.parametrize("held_back", ["a", "b", "c"])
async def test_the_state_of_a_key_shared_by_users_keeps_the_order_of_mapping(rig: Rig, held_back: str) -> None:
    opened = asyncio.Event()

    async def answer(bodies: list[dict[str, Any]]) -> Delivered:
        if bodies[0]["m"] == held_back:
            await opened.wait()
        return Delivered()

    rig.vendor.answer = answer
    rig.start(Counting)
    await send(rig, "u1:a", "u2:b", "u3:c", key="shared")
    while len(rig.vendor.received) < 2:
        await rig.vendor_moves()
    before = "abc".index(held_back)
    expected = {"shared": before} if before else {}
    while await state(rig, "shared") != expected:  # the commit of those before it
        await rig.vendor_moves()
    for _ in range(30):
        await rig.vendor_moves()
    assert await state(rig, "shared") == expected, "and no further"
    await rig.crash()
    opened.set()
    rig.start(Counting)
    ledger = await rig.quiet()
    assert await state(rig, "shared") == {"shared": 3}
    assert ledger["delivered"] == 3
    last = {body["m"]: body["n"] for body in rig.vendor.received}
    assert sorted(last.values()) == [1, 2, 3]


# ------------------------------------------------------------ timers


async def test_a_timer_fires_once_when_it_is_due(rig: Rig) -> None:
    rig.start(Sessions)
    await send(rig, "u1:a", "u1:b")
    await rig.quiet()
    assert await timers(rig) == [("u1", START_MS + 10_000, "u:u1")]
    await rig.pass_time(9, 9)
    assert rig.vendor.ids() == ["a", "b"]
    await rig.pass_time(60, 1)
    assert rig.vendor.ids() == ["a", "b", "end-u1"]
    assert rig.vendor.received[-1]["n"] == 2
    assert (await timers(rig), await state(rig, "u1")) == ([], {})


async def test_what_timers_send_is_counted_in_no_ledger(rig: Rig) -> None:
    rig.start(Sessions)
    await send(rig, "u1:a")
    ledger = await rig.pass_time(15, 5)
    assert "end-u1" in rig.vendor.ids()
    seven = ("delivered", "skipped", "filtered", "held", "retrying", "queued", "dead")
    assert [ledger[name] for name in seven] == [1, 0, 0, 0, 0, 0, 0]


async def test_a_timer_armed_anew_before_it_is_due_fires_at_its_new_time_only(rig: Rig) -> None:
    rig.start(Sessions)
    for n in range(4):
        await send(rig, f"u1:m{n}")
        await rig.pass_time(8, 8)
    assert "end-u1" not in rig.vendor.ids()
    await rig.pass_time(5, 1)
    assert [body["n"] for body in rig.vendor.received if body["m"] == "end-u1"] == [4]


async def test_a_timer_that_is_cleared_does_not_fire(rig: Rig) -> None:
    rig.start(Sessions)
    await send(rig, "u1:a")
    await rig.call("track", "b", userId="u1", event="End")
    await rig.pass_time(30, 5)
    assert rig.vendor.ids() == ["a", "b"]


async def test_a_timer_that_came_due_while_nobody_ran_fires_at_the_start(rig: Rig) -> None:
    rig.start(Sessions)
    await send(rig, "u1:a")
    await rig.quiet()
    await rig.crash()
    rig.clock.advance(3600)
    rig.start(Sessions)
    await rig.quiet()
    assert rig.vendor.ids() == ["a", "end-u1"]


async def test_more_timers_than_a_slice_fire_soon_after_each_other(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.deliver.jobs.timers.TIMERS", 2)
    rig.start(Sessions)
    await send(rig, *(f"u{n}:m{n}" for n in range(5)))
    await rig.pass_time(10, 10)
    await rig.pass_time(3, 1)
    assert sorted(set(rig.vendor.ids()) - {f"m{n}" for n in range(5)}) == [f"end-u{n}" for n in range(5)]


@pytest.mark.only_sqlite
async def test_timers_fire_until_a_commit_has_what_it_takes_and_the_others_after_it(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.start(Sessions)
    await send(rig, *(f"u{n}:m{n}" for n in range(5)))
    await rig.quiet()
    monkeypatch.setattr("router.deliver.commit.unit_of_work.BATCH_BYTES", 1)
    rows = commits_counted(monkeypatch, lambda batch: sum(pos < 0 for pos in batch.park))
    await rig.pass_time(10, 10)
    assert sorted(set(rig.vendor.ids()) - {f"m{n}" for n in range(5)}) == [f"end-u{n}" for n in range(5)]
    assert (max(rows), sum(rows)) == (1, 5)


async def test_events_accepted_before_a_timer_was_due_go_first_however_late_they_are_read(rig: Rig) -> None:
    rig.start(Sessions)
    await send(rig, "u1:a")
    await rig.quiet()
    await rig.crash()
    rig.clock.advance(9)
    await send(rig, "u1:b")
    rig.clock.advance(3600)
    rig.start(Sessions)
    await rig.pass_time(1, 1)
    assert rig.vendor.ids() == ["a", "b", "end-u1"]
    assert rig.vendor.received[-1]["n"] == 2


async def test_a_timer_waits_for_earlier_events_of_its_lane(rig: Rig) -> None:
    down = False
    rig.vendor.answer = lambda bodies: RetryLater("status_503", after_s=60) if down else Delivered()
    rig.start(Sessions)
    await send(rig, "u1:a")
    await rig.pass_time(5)
    down = True
    await send(rig, "u1:b")
    await rig.pass_time(30, 5)
    assert rig.vendor.ids() == ["a"]
    down = False
    await rig.pass_time(40, 1)
    assert rig.vendor.ids() == ["a", "b", "end-u1"]
    assert rig.vendor.received[-1]["n"] == 2


async def test_what_a_timer_sends_is_retried_and_keeps_its_users_order(rig: Rig) -> None:
    down = True

    def answer(bodies: list[dict[str, Any]]) -> Any:
        return RetryLater("status_503") if down and bodies[0]["m"].startswith("end") else Delivered()

    rig.vendor.answer = answer
    rig.start(Sessions)
    await send(rig, "u1:a")
    await rig.pass_time(12, 1)
    await send(rig, "u1:b", "u2:c")
    await rig.quiet()
    assert rig.vendor.ids() == ["a", "c"]
    down = False
    await rig.pass_time(5, 1)
    assert rig.vendor.ids() == ["a", "c", "end-u1", "b"]


async def test_what_a_timer_sends_survives_a_crash_once_it_has_a_row(rig: Rig) -> None:
    down = True

    def answer(bodies: list[dict[str, Any]]) -> Any:
        return RetryLater("status_503") if down and bodies[0]["m"].startswith("end") else Delivered()

    rig.vendor.answer = answer
    rig.start(Sessions)
    await send(rig, "u1:a")
    await rig.pass_time(12, 1)
    await rig.crash()
    down = False
    rig.start(Sessions)
    await rig.pass_time(30, 1)
    assert rig.vendor.ids() == ["a", "end-u1"]


async def test_what_a_timer_did_is_stored_before_its_first_attempt(rig: Rig) -> None:
    stored: list[tuple[Any, ...]] = []

    async def answer(bodies: list[dict[str, Any]]) -> Delivered:
        if bodies[0]["m"].startswith("end"):
            stored.append((await timers(rig), await state(rig, "u1"), await rig.store.has_lanes("d")))
        return Delivered()

    rig.vendor.answer = answer
    rig.start(Sessions)
    await send(rig, "u1:a")
    await rig.pass_time(12, 1)
    assert stored == [([], {}, True)]


async def test_a_refused_item_of_a_timer_is_a_dead_letter_of_its_own_id(rig: Rig) -> None:
    def answer(bodies: list[dict[str, Any]]) -> Any:
        return Reject("rejected") if bodies[0]["m"].startswith("end") else Delivered()

    rig.vendor.answer = answer
    rig.start(Sessions)
    await send(rig, "u1:a")
    await rig.pass_time(12, 1)
    [item] = (await rig.store.queries.dead("d", DeadLetterFilter(), None))["items"]
    assert item["message_id"].startswith("wake:d:")
    assert item["message_id"].endswith(f":{START_MS + 10_000}")
    assert item["user"] == "user:u1"


async def test_a_timer_may_set_itself_again(rig: Rig) -> None:
    class Ticking(Sessions):
        @hookimpl
        def wake(self, key: str, at: datetime, context: Context) -> Any:
            yield Item({"m": f"tick-{at.second}"})
            if at < to_datetime(START_MS + 30_000):
                context.wake(at + timedelta(seconds=10))

    rig.start(Ticking)
    await send(rig, "u1:a")
    await rig.pass_time(60, 1)
    assert rig.vendor.ids() == ["a", "tick-10", "tick-20", "tick-30"]


class Raising(Sessions):
    """Its timer hook fails."""

    @hookimpl
    def wake(self, key: str, at: datetime, context: Context) -> Item:
        raise RuntimeError("spilled the beans")


async def test_a_timer_that_raises_is_a_dead_letter_and_the_worker_lives_on(rig: Rig) -> None:
    rig.start(Raising)
    await send(rig, "u1:a")
    await rig.pass_time(12, 1)
    await send(rig, "u1:b")
    ledger = await rig.quiet()
    [item] = (await rig.store.queries.dead("d", DeadLetterFilter(), None))["items"]
    assert (item["reason"], "spilled the beans" in item["detail"]) == ("plugin_error", True)
    assert (rig.vendor.ids(), ledger["state"]) == (["a", "b"], "running")


async def test_the_letter_of_a_timer_that_raised_stays_one_when_it_is_replayed(rig: Rig) -> None:
    rig.start(Raising)
    await send(rig, "u1:a")
    await rig.pass_time(12, 1)
    await rig.runner.replay(ReplayOrder(letters=DeadLetterFilter()))
    await send(rig, "u1:b")
    ledger = await rig.quiet()
    [item] = (await rig.store.queries.dead("d", DeadLetterFilter(), None))["items"]
    assert "spilled the beans" in item["detail"]
    assert (rig.vendor.ids(), ledger["state"]) == (["a", "b"], "running")
    assert (await rig.runner.describe_replay())["state"] == "done"


async def test_a_timer_that_raises_changes_no_state(rig: Rig) -> None:
    class Raising(Sessions):
        @hookimpl
        def wake(self, key: str, at: datetime, context: Context) -> Item:
            context.state = "spoilt"
            raise RuntimeError("spilled the beans")

    rig.start(Raising)
    await send(rig, "u1:a")
    await rig.pass_time(12, 1)
    assert await state(rig, "u1") == {"u1": {"n": 1}}


@pytest.mark.parametrize("value", [object(), "x" * 9000], ids=["no JSON", "too large"])
async def test_state_that_a_timer_may_not_set_makes_a_dead_letter_and_the_worker_lives_on(
    rig: Rig, value: object
) -> None:
    class Odd(Sessions):
        @hookimpl
        def wake(self, key: str, at: datetime, context: Context) -> Item:
            context.state = value
            return Item({"m": "end"})

    rig.start(Odd)
    await send(rig, "u1:a")
    await rig.pass_time(12, 1)
    await send(rig, "u1:b")
    ledger = await rig.quiet()
    assert ("b" in rig.vendor.ids(), ledger["state"]) == (True, "running")
    [item] = (await rig.store.queries.dead("d", DeadLetterFilter(), None))["items"]
    assert item["reason"] == "plugin_error"


async def test_a_timer_that_wants_to_be_asked_later_is_asked_again(rig: Rig) -> None:
    class Later(Sessions):
        ready = False

        @hookimpl
        def wake(self, key: str, at: datetime, context: Context) -> Item:
            if not Later.ready:
                raise RetryLater("not_yet")
            context.state = None
            return Item({"m": "end"})

    rig.start(Later)
    await send(rig, "u1:a")
    await rig.pass_time(12, 1)
    Later.ready = True
    await rig.pass_time(600, 60)
    assert rig.vendor.ids() == ["a", "end"]


async def test_a_timer_with_nothing_to_send_is_simply_over(rig: Rig) -> None:
    class Quiet(Sessions):
        @hookimpl
        def wake(self, key: str, at: datetime, context: Context) -> Any:
            context.state = None
            return []

    rig.start(Quiet)
    await send(rig, "u1:a")
    ledger = await rig.pass_time(12, 1)
    assert (await timers(rig), await state(rig, "u1")) == ([], {})
    assert (rig.vendor.ids(), ledger["dead"]) == (["a"], 0)


async def test_in_a_dry_run_timers_send_nothing(rig: Rig) -> None:
    rig.start(Sessions, mode="dry-run")
    await send(rig, "u1:a")
    ledger = await rig.pass_time(30, 1)
    assert (rig.vendor.calls, ledger["delivered"], ledger["queued"]) == ([], 1, 0)
    assert await timers(rig) == []


@pytest.mark.parametrize("at", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), "soon", 7], ids=str)
async def test_a_timer_for_a_strange_instant_makes_a_dead_letter_and_the_worker_lives_on(rig: Rig, at: Any) -> None:
    class Strange(Counting):
        @hookimpl
        def track(self, event: Event, context: Context) -> Item:
            if event.message_id == "m":
                context.wake(at)
            return Item({"m": event.message_id})

        @hookimpl
        def wake(self, key: str, at: datetime, context: Context) -> list[Item]:
            return []

    rig.start(Strange)
    async with asyncio.timeout(HANG_S):
        await send(rig, "u1:m", "u2:n")
        ledger = await rig.quiet()
    assert (ledger["state"], "n" in rig.vendor.ids()) == ("running", True)


# ------------------------------------------------------------ under crashes at any await


class Story:
    """Random events, answers and crashes of one seed, for a plugin that counts."""

    def __init__(self, rig: Rig, seed: int, *, shared: bool) -> None:
        self.rig, self.random, self.shared = rig, Random(seed), shared
        self.faults = True
        self.sent: list[tuple[str, str]] = []  # (key, message id), in order
        rig.vendor.answer = self.answer

    async def answer(self, bodies: list[dict[str, Any]]) -> Any:
        for _ in range(self.random.randrange(6)):
            await asyncio.sleep(0)
        fault = self.random.random() if self.faults else 1.0
        return RetryLater("status_503") if fault < 0.2 else Delivered()

    async def tell(self, steps: int, plugin: type[Any]) -> None:
        self.rig.start(plugin)
        for step in range(steps):
            dice = self.random.random()
            if dice < 0.7:
                await self.accept(step)
            elif dice < 0.85:
                await self.rig.crash()
                self.rig.start(plugin)
            else:
                self.rig.clock.advance(self.random.choice((0.2, 2.0, 11.0)))
            for _ in range(self.random.randrange(40)):
                await asyncio.sleep(0)
            if self.random.random() < 0.4:
                await self.rig.vendor_moves()
        self.faults = False

    async def accept(self, step: int) -> None:
        calls = []
        for n in range(self.random.choice((1, 2, 6))):
            user = f"u{self.random.randrange(4)}"
            key = f"k{self.random.randrange(2)}" if self.shared else user
            message_id = f"m{step}-{n}"
            self.sent.append((key, message_id))
            calls.append(self.rig.make("track", message_id, userId=user, event="E", properties={"key": key}))
        await self.rig.accept(calls)


@pytest.mark.parametrize("shared", [False, True], ids=["own keys", "shared keys"])
@pytest.mark.parametrize("seed", every(3, range(12)))
async def test_state_counts_every_event_once_under_crashes_at_any_await(
    tmp_path: Path, seed: int, shared: bool
) -> None:
    async with open_rig(tmp_path, seed) as rig:
        await rig.store.cursor("d", rig.clock.now_ms())
        story = Story(rig, seed, shared=shared)
        await story.tell(40, Counting)
        ledger = await rig.pass_time(200, 20)
        assert ledger["delivered"] == len(story.sent)
        model: dict[str, list[str]] = {}
        for key, message_id in story.sent:
            model.setdefault(key, []).append(message_id)
        assert await state(rig, *model) == {key: len(ids) for key, ids in model.items()}
        last = {body["m"]: body["n"] for body in rig.vendor.received}  # what was committed came last
        for key, ids in model.items():
            numbers = [last[message_id] for message_id in ids]
            assert sorted(numbers) == list(range(1, len(ids) + 1)), key
            assert shared or numbers == sorted(numbers), key


@pytest.mark.parametrize("seed", every(3, range(12)))
async def test_sessions_lose_and_double_no_event_under_crashes_at_any_await(tmp_path: Path, seed: int) -> None:
    async with open_rig(tmp_path, seed) as rig:
        await rig.store.cursor("d", rig.clock.now_ms())
        story = Story(rig, seed, shared=False)
        ends: dict[str, int] = {}

        class Told(Sessions):
            @hookimpl
            def wake(self, key: str, at: datetime, context: Context) -> Item:
                n = context.state["n"] if context.state else 0
                context.state = None
                return Item({"m": f"end-{key}-{at.timestamp()}", "n": n})

        await story.tell(40, Told)
        await rig.pass_time(200, 5)
        for body in rig.vendor.received:
            if body["m"].startswith("end-"):
                assert ends.setdefault(body["m"], body["n"]) == body["n"], "a repeated end says the same"
        keys = {key for key, _ in story.sent}
        for key in keys:
            told = sum(n for m, n in ends.items() if m.startswith(f"end-{key}-"))
            assert told == sum(1 for k, _ in story.sent if k == key), key
        assert await timers(rig) == []
        assert await state(rig, *keys) == {}


async def test_an_event_whose_row_waits_for_an_earlier_one_of_its_key_is_not_given_one_again_and_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "WINDOW_EVENTS", 8)
    monkeypatch.setattr(worker, "AHEAD_EVENTS", 4)
    opened = asyncio.Event()
    failures = iter([True])

    async def answer(body: dict[str, Any]) -> Delivered | RetryLater:
        if body["m"] == "first" and next(failures, False):
            return RetryLater("status_503")
        if body["key"] == "shared":
            await opened.wait()
        return Delivered()

    rig.vendor.answer = lambda bodies: answer(bodies[0])
    rig.start(Counting)
    await rig.call("track", "first", userId="u1", event="E")
    await rig.call("track", "parked", userId="u1", event="E", properties={"key": "shared"})
    await rig.quiet()
    rig.clock.advance(2)
    while rig.vendor.calls[-1][0]["m"] != "parked":
        await rig.vendor_moves()
    await rig.call("track", "fresh", userId="u2", event="E", properties={"key": "shared"})
    while rig.vendor.calls[-1][0]["m"] != "fresh":
        await rig.vendor_moves()
    for n in range(20):
        await rig.call("track", f"m{n}", userId=f"v{n}", event="E")
    while len(rig.vendor.received) < 7:  # the first one and as many as the window lets past the two
        await rig.vendor_moves()
    opened.set()
    ledger = await rig.quiet()
    assert (ledger["delivered"], len(rig.vendor.ids())) == (23, 23)
