"""Delivery at a running worker: order, retries, batches, pauses, the breaker, dead letters, dry runs, switched settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest

from router.deliver import worker as worker_module
from router.deliver.runner import Runner
from router.plugin import (
    Answer,
    Batch,
    Context,
    Delivered,
    Event,
    Item,
    Outcome,
    Pause,
    Reject,
    Request,
    RetryLater,
    Settings,
    Skip,
    Split,
    hookimpl,
    json_request,
)
from router.plugin_host import Destination, Redactor
from router.store import DeadLetterFilter, LaneRow, LogRow
from router.testing.vendor import FakeVendor, Garbage, Reply, Reset
from tests.contract.rig import Plain, Rig, both_ways, destination, open_rig
from tests.patience import HANG_S

HOUR = 3600.0


pytest_generate_tests = both_ways
pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture
async def rig(rig: Rig) -> Rig:
    await began(rig)
    return rig


@pytest.fixture
async def http() -> AsyncIterator[FakeVendor]:
    async with FakeVendor() as vendor:
        Web.base_url = vendor.url
        yield vendor


class Fours(Plain):
    """Four items a request."""

    kinds: ClassVar[Mapping[str, Batch]] = {"": Batch(max_items=4)}


class Web:
    """Sends over HTTP; answers are read by status."""

    display_names = ("Web",)
    settings_model = Settings
    requires: ClassVar[Mapping[str, Any]] = {}
    kinds: ClassVar[Mapping[str, Batch]] = {"": Batch()}
    base_url = ""
    path = "/events"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        return Item({"m": event.message_id, "user": event.user_id})

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        return json_request(self.base_url + self.path, [item.body for item in items], headers={"X-Key": "pa55word"})


class WebFours(Web):
    """The same, four items a request."""

    kinds: ClassVar[Mapping[str, Batch]] = {"": Batch(max_items=4)}


async def began(rig: Rig) -> None:
    """The destination began before the story does."""
    await rig.store.cursor("d", rig.clock.now_ms())


def run(rig: Rig, chosen: Destination) -> None:
    """Run this destination."""
    rig.runner = Runner(chosen, rig.store, rig.clock, rig.log, rig.random)
    rig._task = asyncio.create_task(rig.runner.run())


async def send(rig: Rig, *sent: str) -> None:
    """Accept tracks in one go: "u1:m1" is m1 of user u1."""
    calls = []
    for one in sent:
        user, message_id = one.split(":")
        calls.append(rig.make("track", message_id, userId=user, event="E"))
    await rig.accept(calls)


async def attempts(rig: Rig, message_id: str) -> list[dict[str, Any]]:
    """What was tried for a message."""
    answer = await rig.store.queries.message(message_id, None, ["d"])
    assert answer is not None
    tries: list[dict[str, Any]] = answer["destinations"]["d"]["attempts"]
    return tries


async def dead(rig: Rig, message_id: str) -> tuple[str, str]:
    """(reason, detail) of a dead letter."""
    items = (await rig.store.queries.dead("d", DeadLetterFilter(), None))["items"]
    return next((item["reason"], item["detail"]) for item in items if item["message_id"] == message_id)


async def until(rig: Rig, condition: Callable[[], bool]) -> None:
    """Let the loop run until this holds."""
    async with asyncio.timeout(HANG_S):
        while not condition():
            await rig.vendor_moves()


def failing(*message_ids: str, outcome: Any = None) -> Callable[[list[dict[str, Any]]], Any]:
    """An answer that fails requests with one of these in them."""
    bad = set(message_ids)

    def answer(bodies: list[dict[str, Any]]) -> Any:
        return (outcome or RetryLater("status_503")) if any(b["m"] in bad for b in bodies) else Delivered()

    return answer


class Gate:
    """Holds answers back until it is opened; `holds(body)` chooses which."""

    def __init__(self, holds: Callable[[dict[str, Any]], bool]) -> None:
        self.holds = holds
        self.open = asyncio.Event()

    def __call__(self, bodies: list[dict[str, Any]]) -> Any:
        return self._answer(bodies)

    async def _answer(self, bodies: list[dict[str, Any]]) -> Delivered:
        if any(self.holds(body) for body in bodies):
            await self.open.wait()
        return Delivered()


# ------------------------------------------------------------ order and retries


async def test_events_of_one_user_keep_their_order_through_retries(rig: Rig) -> None:
    failures = iter([True, True, False, False, True])
    rig.vendor.answer = lambda bodies: RetryLater("status_503") if next(failures, False) else Delivered()
    rig.start(Plain)
    for n in range(6):
        await send(rig, f"u1:m{n}")
    ledger = await rig.pass_time(60, 1)
    assert rig.vendor.ids() == [f"m{n}" for n in range(6)]
    assert (ledger["delivered"], ledger["retrying"], ledger["queued"]) == (6, 0, 0)


async def test_one_users_trouble_delays_nobody_else(rig: Rig) -> None:
    rig.vendor.answer = failing("bad")
    rig.start(Plain)
    await send(rig, "u1:bad", "u1:behind", "u2:a", "u3:b", "u2:c")
    ledger = await rig.quiet()
    assert rig.vendor.ids() == ["a", "b", "c"]
    assert (ledger["retrying"], ledger["queued"], ledger["delivered"]) == (1, 1, 3)
    assert await rig.fate("bad") == ("retrying", "status_503")
    assert await rig.fate("behind") == ("queued", "behind_lane")


async def test_calls_of_every_type_wait_behind_a_retry(rig: Rig) -> None:
    rig.vendor.answer = failing("bad")
    rig.start(Plain)
    await send(rig, "u1:bad")
    await rig.quiet()
    await rig.call("identify", "i", userId="u1")
    await rig.call("group", "g", userId="u1", groupId="acme")
    await rig.quiet()
    assert rig.vendor.ids() == []
    rig.vendor.answer = lambda bodies: Delivered()
    await rig.pass_time(2)
    assert rig.vendor.ids() == ["bad", "i", "g"]


async def test_retries_wait_longer_and_longer_up_to_five_minutes(rig: Rig) -> None:
    rig.vendor.answer = failing("m")
    rig.start(Plain)
    await send(rig, "u1:m")
    await rig.pass_time(0.5 * HOUR, 15)
    tries = await attempts(rig, "m")
    assert 8 < len(tries) < 60
    assert {t["reason"] for t in tries} == {"status_503"}


async def test_when_the_last_waiting_event_is_gone_a_free_user_costs_no_look_into_the_store(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.vendor.answer = failing("m")
    rig.start(Plain)
    await send(rig, "u1:m")
    await rig.quiet()
    rig.vendor.answer = lambda bodies: Delivered()
    await rig.pass_time(2)
    looks: list[Sequence[str]] = []
    lanes = type(rig.store.claim("d").lanes)
    load = lanes.load

    async def noted(lanes: Any, keys: Sequence[str]) -> dict[str, LaneRow]:
        looks.append(keys)
        return await load(lanes, keys)

    monkeypatch.setattr(lanes, "load", noted)
    await send(rig, "u2:n")
    await rig.quiet()
    assert await rig.fate("n") == ("delivered", "")
    assert looks == []


async def test_a_success_after_failures_is_told_among_the_attempts(rig: Rig) -> None:
    rig.vendor.answer = failing("m")
    rig.start(Plain)
    await send(rig, "u1:m")
    await rig.quiet()
    rig.vendor.answer = lambda bodies: Delivered()
    await rig.pass_time(2)
    assert [t["reason"] for t in await attempts(rig, "m")] == ["status_503", ""]
    assert await rig.fate("m") == ("delivered", "")


async def test_what_a_plugin_asks_to_wait_is_waited_exactly(rig: Rig) -> None:
    rig.vendor.answer = failing("m", outcome=RetryLater("busy", after_s=100))
    rig.start(Plain)
    await send(rig, "u1:m")
    await rig.pass_time(99, 33)
    assert len(rig.vendor.calls) == 1
    await rig.pass_time(2, 1)
    assert len(rig.vendor.calls) == 2


async def test_a_retry_survives_a_crash_and_keeps_its_attempts(rig: Rig) -> None:
    rig.vendor.answer = failing("m", outcome=RetryLater("busy", after_s=100))
    rig.start(Plain)
    await send(rig, "u1:m", "u1:n")
    await rig.quiet()
    await rig.crash()
    rig.start(Plain)
    assert (await rig.pass_time(50))["retrying"] == 1
    assert len(rig.vendor.calls) == 1
    rig.vendor.answer = lambda bodies: Delivered()
    await rig.pass_time(60)
    assert rig.vendor.ids() == ["m", "n"]
    assert len(await attempts(rig, "m")) == 2


@pytest.mark.parametrize("after_s", [1e9, 1e13, 1e20, float("inf")])
async def test_an_absurd_wait_asked_by_a_plugin_neither_stops_the_worker_nor_lasts_for_ever(
    rig: Rig, after_s: float
) -> None:
    rig.vendor.answer = failing("m", outcome=RetryLater("busy", after_s=after_s))
    rig.start(Plain)
    await send(rig, "u1:m", "u2:n")
    async with asyncio.timeout(HANG_S):
        await rig.quiet()
        rig.vendor.answer = lambda bodies: Delivered()
        ledger = await rig.pass_time(25 * HOUR, HOUR)
    assert ledger["delivered"] == 2


@pytest.mark.parametrize("after_s", [0.0, -5.0, float("nan")])
async def test_a_plugin_that_asks_for_no_wait_at_all_does_not_hammer_its_vendor(rig: Rig, after_s: float) -> None:
    rig.vendor.answer = failing("m", outcome=RetryLater("busy", after_s=after_s))
    rig.start(Plain)
    await send(rig, "u1:m")
    for _ in range(200):
        await rig.vendor_moves()
    assert len(rig.vendor.calls) <= 2  # no time has passed


async def test_a_worker_that_is_stopped_lets_what_is_in_flight_end_and_commits_it(rig: Rig) -> None:
    gate = rig.vendor.answer = Gate(lambda body: True)
    rig.start(Plain)
    await send(rig, "u1:m", "u1:n")
    await until(rig, lambda: bool(rig.vendor.calls))
    stopping = asyncio.create_task(rig.stop())
    await rig.vendor_moves()
    gate.open.set()
    await stopping
    assert rig.vendor.ids() == ["m"]
    assert await rig.fate("m") == ("delivered", "")
    rig.start(Plain)
    await rig.quiet()
    assert rig.vendor.ids() == ["m", "n"]


async def test_a_worker_that_is_stopped_within_a_round_commits_what_the_rest_of_it_begins(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task that commits finds nothing to do meanwhile, and must not take that for the end."""
    rig.start(Plain)
    worker, log = await rig.runner.worker(), rig.store.log
    read = log.read

    async def stopped_meanwhile(after: int, limit: int, max_bytes: int) -> list[LogRow]:
        rows = await read(after, limit, max_bytes)
        rig.runner.stop()
        worker._dirty.set()
        for _ in range(5):
            await asyncio.sleep(0)
        return rows

    monkeypatch.setattr(log, "read", stopped_meanwhile)
    await send(rig, "u1:m")
    await until(rig, lambda: bool(rig.vendor.calls))
    await rig.stop()
    assert rig.vendor.ids() == ["m"]
    assert await rig.fate("m") == ("delivered", "")


async def test_a_crash_repeats_only_what_was_in_flight(rig: Rig) -> None:
    gate = rig.vendor.answer = Gate(lambda body: body["m"] == "slow")
    rig.start(Plain)
    await send(rig, "u1:slow", *(f"v{n}:m{n}" for n in range(50)))
    await until(rig, lambda: len(rig.vendor.received) == 50)
    await until(rig, lambda: rig.runner._worker is not None and not rig.runner._worker.state.work.unstored()[:-1])
    while (await rig.store.place("d"))[1] != set(range(2, 52)):
        await rig.vendor_moves()
    await rig.crash()
    gate.open.set()
    rig.start(Plain)
    ledger = await rig.quiet()
    assert len(rig.vendor.calls) == 52
    assert ledger["delivered"] == 51


async def test_what_was_settled_ahead_of_the_cursor_is_not_sent_again_after_a_crash(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = rig.vendor.answer = Gate(lambda body: body["m"] == "slow")
    rig.start(Plain)
    await send(rig, "u1:slow", "u2:fast")
    while (await rig.store.place("d"))[1] != {2}:
        await rig.vendor_moves()
    await rig.crash()
    gate.open.set()
    read = rig.store.read

    async def read_one(after: int, limit: int, max_bytes: int) -> Any:
        return await read(after, 1, max_bytes)

    monkeypatch.setattr(rig.store, "read", read_one)
    rig.start(Plain)
    ledger = await rig.quiet()
    assert (rig.vendor.ids(), ledger["delivered"]) == (["fast", "slow"], 2)


# ------------------------------------------------------------ batches


async def test_events_of_different_users_travel_together_and_those_of_one_user_never_do(rig: Rig) -> None:
    await send(rig, *(f"u{n % 3}:m{n}" for n in range(12)))
    rig.start(Fours)
    await rig.quiet()
    assert sorted(len(call) for call in rig.vendor.calls) == [3, 3, 3, 3]
    assert all(len({body["user"] for body in call}) == len(call) for call in rig.vendor.calls)


async def test_a_batch_with_one_poison_event_is_split_until_only_that_one_is_dead(rig: Rig) -> None:
    rig.vendor.answer = failing("m2", outcome=Split("rejected", "one of them is bad"))
    await send(rig, *(f"u{n}:m{n}" for n in range(4)))
    rig.start(Fours)
    ledger = await rig.quiet()
    assert sorted(rig.vendor.ids()) == ["m0", "m1", "m3"]
    assert (ledger["delivered"], ledger["dead"]) == (3, 1)
    assert await dead(rig, "m2") == ("rejected", "one of them is bad")
    assert [len(call) for call in rig.vendor.calls] == [4, 2, 2, 1, 1]


async def test_a_batch_that_fails_for_now_comes_again_in_halves_at_most(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: RetryLater("status_500") if len(bodies) > 1 else Delivered()
    await send(rig, *(f"u{n}:m{n}" for n in range(4)))
    rig.start(Fours)
    ledger = await rig.pass_time(10, 1)
    assert ledger["delivered"] == 4
    first, *later = [len(call) for call in rig.vendor.calls]
    assert first == 4
    assert max(later) <= 2


async def test_refusals_of_single_items_leave_their_neighbours_delivered(rig: Rig) -> None:
    def answer(bodies: list[dict[str, Any]]) -> list[Outcome]:
        told: dict[str, Outcome] = {"m1": Reject("rejected", "no such plan"), "m2": RetryLater("busy")}
        return [told.get(body["m"], Delivered()) for body in bodies]

    rig.vendor.answer = answer
    await send(rig, *(f"u{n}:m{n}" for n in range(4)))
    rig.start(Fours)
    ledger = await rig.quiet()
    assert (ledger["delivered"], ledger["dead"], ledger["retrying"]) == (2, 1, 1)
    assert await dead(rig, "m1") == ("rejected", "no such plan")
    assert await rig.fate("m2") == ("retrying", "busy")


async def test_a_user_behind_a_refused_event_goes_on_at_once(rig: Rig) -> None:
    rig.vendor.answer = failing("bad", outcome=Reject("rejected"))
    rig.start(Plain)
    await send(rig, "u1:a", "u1:bad", "u1:b")
    ledger = await rig.quiet()
    assert rig.vendor.ids() == ["a", "b"]
    assert (ledger["delivered"], ledger["dead"], ledger["queued"]) == (2, 1, 0)


class Two(Plain):
    """Two items an event, one request each."""

    @hookimpl
    def track(self, event: Event, context: Context) -> Any:
        for part in ("a", "b"):
            yield Item({"m": event.message_id, "user": event.user_id, "part": part})


class TwoKinds(Two):
    """Two items of different kinds, batched."""

    kinds: ClassVar[Mapping[str, Batch]] = {"a": Batch(max_items=4), "b": Batch(max_items=4)}

    @hookimpl
    def track(self, event: Event, context: Context) -> Any:
        for part in ("a", "b"):
            yield Item({"m": event.message_id, "user": event.user_id, "part": part}, kind=part)


class TwoTogether(Two):
    """Two items an event, in one request."""

    kinds: ClassVar[Mapping[str, Batch]] = {"": Batch(max_items=4)}


def parts(rig: Rig, message_id: str) -> list[str]:
    """Parts of an event the vendor has, in order."""
    return [body["part"] for body in rig.vendor.received if body["m"] == message_id]


@pytest.mark.parametrize("plugin", [Two, TwoKinds, TwoTogether])
async def test_items_of_one_event_go_out_in_order_and_make_one_delivery(rig: Rig, plugin: type[Any]) -> None:
    rig.start(plugin)
    await send(rig, "u1:m", "u1:n", "u2:o")
    ledger = await rig.quiet()
    assert ledger["delivered"] == 3
    mine = [(body["m"], body["part"]) for body in rig.vendor.received if body["user"] == "u1"]
    assert mine == [("m", "a"), ("m", "b"), ("n", "a"), ("n", "b")]


@pytest.mark.parametrize("plugin", [Two, TwoKinds, TwoTogether])
@pytest.mark.parametrize("crashes", [False, True])
async def test_after_a_partial_delivery_only_what_is_left_is_sent(rig: Rig, plugin: type[Any], crashes: bool) -> None:
    down = True

    def answer(bodies: list[dict[str, Any]]) -> list[Outcome]:
        return [RetryLater("status_503") if down and body["part"] == "b" else Delivered() for body in bodies]

    rig.vendor.answer = answer
    rig.start(plugin)
    await send(rig, "u1:m", "u1:n")
    await rig.quiet()
    assert await rig.fate("m") == ("retrying", "status_503")
    if crashes:
        await rig.crash()
        rig.start(plugin)
    down = False
    ledger = await rig.pass_time(2)
    assert (parts(rig, "m"), parts(rig, "n")) == (["a", "b"], ["a", "b"])
    assert ledger["delivered"] == 2


async def test_an_event_is_dead_when_any_item_is_refused_and_the_items_behind_it_stay_unsent(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: Reject("rejected", "no") if bodies[0]["part"] == "a" else Delivered()
    rig.start(Two)
    await send(rig, "u1:m")
    ledger = await rig.quiet()
    assert (ledger["dead"], rig.vendor.received) == (1, [])


# ------------------------------------------------------------ answers by status


async def test_a_plugin_over_http_delivers(rig: Rig, http: FakeVendor) -> None:
    rig.start(Web)
    await send(rig, "u1:m")
    ledger = await rig.quiet()
    assert ledger["delivered"] == 1
    assert [seen.json() for seen in http.requests] == [[{"m": "m", "user": "u1"}]]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(500), "status_500"),
        (Reply(503), "status_503"),
        (Reply(408), "status_408"),
        (Reply(425), "status_425"),
        (Reset(), "connection"),
    ],
    ids=["500", "503", "408", "425", "reset"],
)
async def test_an_answer_that_may_pass_is_tried_again(rig: Rig, http: FakeVendor, reply: Reply, reason: str) -> None:
    http.script(reply)
    rig.start(Web)
    await send(rig, "u1:m", "u1:n")
    await rig.quiet()
    assert await rig.fate("m") == ("retrying", reason)
    ledger = await rig.pass_time(2)
    assert ledger["delivered"] == 2
    first = (await attempts(rig, "m"))[0]
    assert first["status"] == (reply.status if reason.startswith("status") else None)


async def test_no_answer_within_the_time_out_is_tried_again(rig: Rig, http: FakeVendor) -> None:
    from router.testing.vendor import Hang

    http.script(Hang())
    rig.start(Web, delivery={"timeout": "50ms"})
    await send(rig, "u1:m")
    await rig.quiet()
    assert await rig.fate("m") == ("retrying", "timeout")


async def test_nobody_listening_is_tried_again(rig: Rig) -> None:
    Web.base_url = "http://127.0.0.1:1"
    rig.start(Web)
    await send(rig, "u1:m")
    await rig.quiet()
    assert await rig.fate("m") == ("retrying", "connection")


async def test_an_answer_that_is_garbage_counts_by_its_status(rig: Rig, http: FakeVendor) -> None:
    http.script(Garbage())
    rig.start(Web)
    await send(rig, "u1:m")
    assert (await rig.quiet())["delivered"] == 1


@pytest.mark.parametrize("status", [400, 409, 422])
async def test_any_other_refusal_is_a_dead_letter_with_the_vendors_words(
    rig: Rig, http: FakeVendor, status: int
) -> None:
    http.script(Reply(status, body=b"no such plan"))
    rig.start(Web)
    await send(rig, "u1:m", "u1:n")
    ledger = await rig.quiet()
    assert (ledger["dead"], ledger["delivered"]) == (1, 1)
    reason, detail = await dead(rig, "m")
    assert reason == "rejected"
    assert "no such plan" in detail


@pytest.mark.parametrize(("status", "reason"), [(400, "rejected"), (413, "too_large")])
async def test_a_refused_batch_without_words_is_split(rig: Rig, http: FakeVendor, status: int, reason: str) -> None:
    http.answer = lambda seen: Reply(status) if any(b["m"] == "m1" for b in seen.json()) else Reply(200)
    await send(rig, *(f"u{n}:m{n}" for n in range(4)))
    rig.start(WebFours)
    ledger = await rig.quiet()
    assert (ledger["dead"], ledger["delivered"]) == (1, 3)
    assert (await dead(rig, "m1"))[0] == reason


async def test_a_429_pauses_the_destination_for_as_long_as_asked_and_is_no_attempt(rig: Rig, http: FakeVendor) -> None:
    http.script(Reply(429, headers={"Retry-After": "30"}))
    rig.start(Web, delivery={"concurrency": 1})
    await send(rig, "u1:m", "u2:n", "u1:o")
    ledger = await rig.quiet()
    assert (ledger["state"], ledger["state_reason"], ledger["queued"]) == ("paused", "retry_after", 3)
    assert await rig.fate("m") == ("queued", "paused")
    await rig.pass_time(29, 29)
    assert len(http.requests) == 1
    ledger = await rig.pass_time(1.1, 1.1)
    assert (ledger["state"], ledger["delivered"]) == ("running", 3)
    told = await attempts(rig, "m")
    assert [(one["status"], one["error"]) for one in told] == [(429, "it asked for a wait of 30 s"), (200, "")]


async def test_a_429_without_words_waits_and_goes_on(rig: Rig, http: FakeVendor) -> None:
    http.script(*[Reply(429)] * 5)
    rig.start(Web, delivery={"concurrency": 1})
    await send(rig, "u1:m", "u2:n")
    ledger = await rig.pass_time(60, 1)
    assert (ledger["delivered"], ledger["dead"]) == (2, 0)


async def test_a_wait_asked_by_the_vendor_survives_a_crash(rig: Rig, http: FakeVendor) -> None:
    http.script(Reply(429, headers={"Retry-After": "30"}))
    rig.start(Web)
    await send(rig, "u1:m")
    await rig.quiet()
    await rig.crash()
    rig.start(Web)
    await rig.pass_time(29, 29)
    assert len(http.requests) == 1
    assert (await rig.pass_time(2, 2))["delivered"] == 1


async def test_retry_after_on_any_answer_pauses_the_whole_destination(rig: Rig, http: FakeVendor) -> None:
    http.script(Reply(503, headers={"Retry-After": "30"}))
    rig.start(Web, delivery={"concurrency": 1})
    await send(rig, "u1:m")
    await rig.quiet()
    await send(rig, "u2:n")
    await rig.pass_time(29, 29)
    assert len(http.requests) == 1
    ledger = await rig.pass_time(2, 1)
    assert ledger["delivered"] == 2


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("asked", ["1000000000", "1e13", "99999999999999999999", "inf", "nan", "-1", "soon", ""])
async def test_an_absurd_retry_after_neither_stops_the_worker_nor_lasts_for_ever(
    rig: Rig, http: FakeVendor, status: int, asked: str
) -> None:
    http.script(Reply(status, headers={"Retry-After": asked}))
    rig.start(Web, delivery={"concurrency": 1})
    await send(rig, "u1:m", "u2:n")
    async with asyncio.timeout(HANG_S):
        ledger = await rig.pass_time(25 * HOUR, HOUR)
    assert ledger["delivered"] == 2


@pytest.mark.parametrize("status", [429, 503])
async def test_a_retry_after_of_zero_is_no_invitation_to_hammer_the_vendor(
    rig: Rig, http: FakeVendor, status: int
) -> None:
    http.default = Reply(status, headers={"Retry-After": "0"})
    rig.start(Web)
    await send(rig, "u1:m")
    for _ in range(100):
        rig.clock.advance(0.001)
        await rig.vendor_moves()
    assert len(http.requests) <= 5  # in a tenth of a second


@pytest.mark.parametrize(("status", "reason"), [(401, "credentials"), (302, "set_up"), (307, "set_up")])
async def test_a_wrong_key_or_address_pauses_at_once_and_burns_nothing(
    rig: Rig, http: FakeVendor, status: int, reason: str
) -> None:
    http.default = Reply(status, headers={"Location": "/elsewhere"})
    rig.start(Web, delivery={"concurrency": 1})
    await send(rig, "u1:m", "u2:n")
    ledger = await rig.pass_time(HOUR, 60)
    assert (ledger["state"], ledger["state_reason"]) == ("paused", reason)
    assert (ledger["dead"], ledger["retrying"]) == (0, 0)
    assert {seen.url for seen in http.requests} == {"/events"}
    assert len(http.requests) == 1 + 12  # a probe every five minutes
    http.default = Reply(200)
    ledger = await rig.pass_time(300, 60)
    assert (ledger["state"], ledger["delivered"]) == ("running", 2)


@pytest.mark.parametrize("status", [403, 404])
async def test_a_403_or_404_of_one_user_among_successes_is_dead_after_three_attempts(
    rig: Rig, http: FakeVendor, status: int
) -> None:
    http.answer = lambda seen: Reply(status if seen.json()[0]["m"] == "bad" else 200)
    rig.start(Web)
    await send(rig, "u1:bad")
    await rig.quiet()
    assert await rig.fate("bad") == ("retrying", f"status_{status}")
    for n in range(10):
        await send(rig, f"u2:m{n}")
        await rig.pass_time(2, 1)
    assert await rig.fate("bad") == ("dead", "rejected")
    assert len(await attempts(rig, "bad")) == 3


@pytest.mark.parametrize(("status", "reason"), [(403, "credentials"), (404, "set_up")])
async def test_a_run_of_403_or_404_across_users_pauses_and_burns_nothing(
    rig: Rig, http: FakeVendor, status: int, reason: str
) -> None:
    http.default = Reply(status)
    rig.start(Web, delivery={"concurrency": 1})
    await send(rig, *(f"u{n}:m{n}" for n in range(6)))
    ledger = await rig.quiet()
    assert (ledger["state"], ledger["state_reason"], ledger["dead"]) == ("paused", reason, 0)
    http.default = Reply(200)
    ledger = await rig.pass_time(320, 10)
    assert ledger["delivered"] == 6


async def test_a_403_across_users_burns_nothing_however_long_it_lasts(rig: Rig, http: FakeVendor) -> None:
    http.default = Reply(403)
    rig.start(Web, delivery={"concurrency": 1})
    await send(rig, *(f"u{n}:m{n}" for n in range(6)))
    ledger = await rig.pass_time(3 * HOUR, 150)
    assert ledger["dead"] == 0


# ------------------------------------------------------------ breaker and pauses


async def test_ten_failures_from_three_users_open_the_breaker_and_the_cursor_stands_still(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: RetryLater("status_503")
    rig.start(Plain, delivery={"concurrency": 1})
    await send(rig, *(f"u{n}:m{n}" for n in range(30)))
    ledger = await rig.quiet()
    assert (ledger["state"], ledger["state_reason"]) == ("breaker_open", "status_503")
    assert len(rig.vendor.calls) == 10
    assert ledger["retrying"] == 10
    await send(rig, *(f"v{n}:n{n}" for n in range(30)))
    later = await rig.quiet()
    assert (later["cursor"], later["retrying"], later["queued"]) == (ledger["cursor"], 10, 50)


async def test_a_breaker_that_one_user_opened_makes_nobody_else_wait(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: Delivered() if bodies[0]["user"] == "good" else RetryLater("status_503")
    rig.start(Plain)
    await send(rig, "u1:a")
    assert (await rig.pass_time(1200, 10))["state"] == "breaker_open"
    await send(rig, "good:m")
    assert (await rig.quiet())["delivered"] == 1


async def test_failures_of_two_users_among_others_do_not_open_the_breaker(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: Delivered() if bodies[0]["user"] == "good" else RetryLater("status_503")
    rig.start(Plain)
    await send(rig, "u1:a", "u2:b")
    for n in range(20):
        await send(rig, f"good:m{n}")
        ledger = await rig.pass_time(30, 10)
        assert (ledger["state"], ledger["delivered"]) == ("running", n + 1)


async def test_an_open_breaker_probes_with_one_request_at_a_time_and_ever_longer_pauses(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: RetryLater("status_503")
    rig.start(Plain, delivery={"concurrency": 5})
    await send(rig, *(f"u{n}:m{n}" for n in range(40)))
    await rig.quiet()
    before = len(rig.vendor.calls)
    times: list[int] = []
    for second in range(1, 70):
        await rig.pass_time(1, 1)
        times += [second] * (len(rig.vendor.calls) - before - len(times))
    assert times == [1, 3, 7, 15, 31, 63]


async def test_a_probe_that_succeeds_closes_the_breaker_and_everything_is_delivered_in_order(rig: Rig) -> None:
    down = True
    rig.vendor.answer = lambda bodies: RetryLater("status_503") if down else Delivered()
    rig.start(Plain, delivery={"concurrency": 3})
    await send(rig, *(f"u{n % 12}:m{n}" for n in range(60)))
    assert (await rig.quiet())["state"] == "breaker_open"
    down = False
    ledger = await rig.pass_time(600, 5)
    assert (ledger["state"], ledger["delivered"], ledger["queued"], ledger["retrying"]) == ("running", 60, 0, 0)
    for user in range(12):
        mine = [int(m[1:]) for m in rig.vendor.ids() if int(m[1:]) % 12 == user]
        assert mine == sorted(mine)


async def test_an_open_breaker_survives_a_crash(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: RetryLater("status_503")
    rig.start(Plain, delivery={"concurrency": 1})
    await send(rig, *(f"u{n}:m{n}" for n in range(30)))
    await rig.quiet()
    await rig.crash()
    rig.start(Plain, delivery={"concurrency": 1})
    assert (await rig.quiet())["state"] == "breaker_open"
    assert len(rig.vendor.calls) <= 11
    rig.vendor.answer = lambda bodies: Delivered()
    assert (await rig.pass_time(400, 5))["delivered"] == 30


async def test_while_paused_by_hand_nothing_is_sent_nor_written(rig: Rig) -> None:
    rig.start(Plain)
    await rig.quiet()
    await rig.runner.pause()
    before = await rig.quiet()
    await send(rig, *(f"u{n}:m{n}" for n in range(20)))
    ledger = await rig.pass_time(HOUR, 600)
    assert (ledger["state"], ledger["state_reason"]) == ("paused", "by_hand")
    assert (ledger["cursor"], ledger["queued"]) == (before["cursor"], 20)
    assert rig.vendor.calls == []


async def test_a_pause_by_hand_survives_a_restart_until_somebody_resumes(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        await began(rig)
        rig.start(Plain)
        await rig.runner.pause()
        await rig.quiet()
        await rig.stop()
    async with open_rig(tmp_path) as rig:
        rig.start(Plain)
        await send(rig, "u1:m")
        ledger = await rig.pass_time(2 * HOUR, HOUR)
        assert (ledger["state_reason"], rig.vendor.calls) == ("by_hand", [])
        await rig.runner.resume()
        ledger = await rig.quiet()
        assert (ledger["state"], ledger["delivered"]) == ("running", 1)


async def test_a_pause_is_stored_before_it_is_answered(rig: Rig) -> None:
    rig.start(Plain)
    await rig.quiet()
    await rig.runner.pause()
    paused = "SELECT count(*) FROM cursor WHERE state = 'paused' AND state_reason = 'by_hand'"
    assert rig.store.number(paused) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Delivered(),
        RetryLater("status_503"),
        Pause("credentials", "wrong key"),
        Pause("set_up", "wrong address", after_s=1),
        Pause("credentials", sure=False),
        Reject("rejected"),
    ],
    ids=["delivered", "later", "credentials", "set_up", "unsure", "rejected"],
)
async def test_no_answer_in_flight_undoes_a_pause_by_hand(rig: Rig, answer: Outcome) -> None:
    opened = asyncio.Event()

    async def wait() -> Outcome:
        await opened.wait()
        return answer

    rig.vendor.answer = lambda bodies: wait()
    rig.start(Plain)
    await send(rig, *(f"u{n}:m{n}" for n in range(5)))
    await until(rig, lambda: len(rig.vendor.calls) == 5)
    await rig.runner.pause()
    opened.set()
    ledger = await rig.pass_time(HOUR, 100)
    assert (ledger["state"], ledger["state_reason"]) == ("paused", "by_hand")
    assert len(rig.vendor.calls) == 5


async def test_a_pause_in_a_mapping_hook_burns_nothing(rig: Rig) -> None:
    class Unsure(Plain):
        ready = False

        @hookimpl
        def track(self, event: Event, context: Context) -> Item:
            if not Unsure.ready:
                raise Pause("set_up", "no plan is chosen")
            return Item({"m": event.message_id})

    rig.start(Unsure)
    await send(rig, "u1:m", "u1:n", "u2:o")
    ledger = await rig.quiet()
    assert (ledger["state"], ledger["queued"]) == ("paused", 3)
    Unsure.ready = True
    ledger = await rig.pass_time(310, 10)
    assert (ledger["state"], ledger["delivered"]) == ("running", 3)


# ------------------------------------------------------------ giving up


async def test_an_event_is_given_up_max_age_after_its_first_attempt(rig: Rig) -> None:
    rig.vendor.answer = failing("m")
    rig.start(Plain, delivery={"max_age": "1h"})
    await send(rig, "u1:m", "u1:n")
    for minutes in range(0, 54, 3):  # others succeed meanwhile, so the breaker stays shut
        assert (await rig.pass_time(180, 30))["retrying"] == 1
        await send(rig, f"u2:g{minutes}")
    ledger = await rig.pass_time(0.3 * HOUR, 30)
    assert (ledger["dead"], ledger["retrying"]) == (1, 0)
    reason, detail = await dead(rig, "m")
    assert (reason, "status_503" in detail) == ("expired", True)
    assert await rig.fate("n") == ("delivered", "")


async def test_a_plugin_may_give_up_sooner_than_max_age(rig: Rig) -> None:
    rig.vendor.answer = failing("m", outcome=RetryLater("not_yet", after_s=10, for_s=60))
    rig.start(Plain)
    await send(rig, "u1:m")
    assert (await rig.pass_time(55, 5))["retrying"] == 1
    assert (await rig.pass_time(20, 5))["dead"] == 1
    assert (await dead(rig, "m"))[0] == "expired"


async def test_time_spent_paused_by_hand_does_not_count_towards_max_age(rig: Rig) -> None:
    rig.vendor.answer = failing("m")
    rig.start(Plain, delivery={"max_age": "1h"})
    await send(rig, "u1:m")
    await rig.quiet()
    await rig.runner.pause()
    await rig.pass_time(2 * HOUR, 600)
    await rig.runner.resume()
    ledger = await rig.pass_time(60, 5)
    assert (ledger["dead"], ledger["retrying"]) == (0, 1)


async def test_time_the_vendor_asked_to_wait_does_not_count_towards_max_age(rig: Rig, http: FakeVendor) -> None:
    asked = iter([Reply(429, headers={"Retry-After": "7200"})])
    http.answer = lambda seen: Reply(503) if seen.json()[0]["m"] == "m" else next(asked, Reply(200))
    rig.start(Web, delivery={"max_age": "1h"})
    await send(rig, "u1:m")
    await rig.quiet()
    await send(rig, "u2:n")
    ledger = await rig.quiet()
    assert ledger["state_reason"] == "retry_after"
    ledger = await rig.pass_time(2 * HOUR + 60, 300)
    assert (ledger["state"], ledger["dead"], ledger["retrying"]) == ("running", 0, 1)


async def test_time_the_breaker_was_open_does_not_count_towards_max_age(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: RetryLater("status_503")
    rig.start(Plain, delivery={"max_age": "1h", "concurrency": 1})
    await send(rig, *(f"u{n}:m{n}" for n in range(12)))
    await rig.quiet()
    ledger = await rig.pass_time(3 * HOUR, 61)
    assert (ledger["state"], ledger["dead"]) == ("breaker_open", 0)


async def test_events_behind_a_retry_beyond_the_users_bound_give_up_the_retrying_one(rig: Rig) -> None:
    rig.vendor.answer = failing("bad", outcome=RetryLater("status_503", after_s=HOUR))
    rig.start(Plain, hold={"max_events_per_user": 5})
    await send(rig, "u1:bad", *(f"u1:m{n}" for n in range(10)))
    ledger = await rig.pass_time(10, 1)
    assert await rig.fate("bad") == ("dead", "expired")
    assert ledger["delivered"] == 10


async def test_what_is_held_too_long_is_a_dead_letter(rig: Rig) -> None:
    from tests.contract.rig import Gated

    rig.start(Gated, hold={"max_age": "1h"})
    await send(rig, "u1:m")
    await rig.pass_time(1.2 * HOUR, 300)
    assert await rig.fate("m") == ("dead", "hold_expired")


# ------------------------------------------------------------ faults of plugins


class Faulty(Plain):
    """Does what an event's name says."""

    @hookimpl
    def track(self, event: Event, context: Context) -> Any:
        match event.user_id:
            case "none":
                return None
            case "raises":
                raise RuntimeError("spilled the beans")
            case "text":
                return "not an item"
            case "mixed":
                return [Item({"m": "x"}), "not an item"]
            case "kind":
                return Item({"m": "x"}, kind="unheard of")
            case "json":
                return Item({"m": object()})
            case "state":
                context.state = 1
            case "skip":
                raise Skip("remembered")
            case "nothing":
                return []
            case "huge":
                return Item({"m": "x" * 50_000_000})
            case "reject":
                raise Reject("invalid_id", "too long")
        return Item({"m": event.message_id, "user": event.user_id})


@pytest.mark.parametrize(
    ("user", "fate", "words"),
    [
        ("none", ("dead", "plugin_error"), "TypeError"),
        ("raises", ("dead", "plugin_error"), "spilled the beans"),
        ("text", ("dead", "plugin_error"), "Item"),
        ("mixed", ("dead", "plugin_error"), "Item"),
        ("kind", ("dead", "plugin_error"), "kind"),
        ("json", ("dead", "plugin_error"), "TypeError"),
        ("state", ("dead", "plugin_error"), "state_key"),
        ("huge", ("dead", "item_too_large"), "hook track"),
        ("skip", ("skipped", "remembered"), None),
        ("nothing", ("skipped", "empty"), None),
        ("reject", ("dead", "invalid_id"), "too long"),
    ],
)
async def test_a_mapping_hook_ends_its_own_event_only(
    rig: Rig, user: str, fate: tuple[str, str], words: str | None
) -> None:
    rig.start(Faulty)
    await send(rig, "before:a", f"{user}:m", "after:b")
    ledger = await rig.quiet()
    assert await rig.fate("m") == fate
    assert sorted(rig.vendor.ids()) == ["a", "b"]
    assert (ledger["delivered"], ledger["queued"], ledger["state"]) == (2, 0, "running")
    if words:
        assert words in (await dead(rig, "m"))[1]


@pytest.mark.parametrize(
    "result", [None, "delivered", 7, [], [Delivered(), Delivered()], [Skip("no")], RuntimeError("x")]
)
async def test_a_deliver_hook_that_breaks_its_word_makes_a_dead_letter(rig: Rig, result: Any) -> None:
    class Broken(Plain):
        @hookimpl
        async def deliver(self, items: list[Item], sender: Any) -> Any:
            if items[0].body["m"] != "m":
                return await self.vendor.take(items)
            if isinstance(result, Exception):
                raise result
            return result

    rig.start(Broken)
    await send(rig, "u1:m", "u1:n", "u2:o")
    ledger = await rig.quiet()
    assert await rig.fate("m") == ("dead", "plugin_error")
    assert sorted(rig.vendor.ids()) == ["n", "o"]
    assert ledger["state"] == "running"


@pytest.mark.parametrize(
    ("hook", "answer", "dead_ones"), [("request", 200, 1), ("verdict", 500, 1), ("verdict", 200, 4)]
)
async def test_a_fault_in_a_sending_hook_takes_only_its_own_item_along_unless_the_vendor_took_them(
    rig: Rig, http: FakeVendor, hook: str, answer: int, dead_ones: int
) -> None:
    http.default = Reply(answer, json={})

    class Broken(WebFours):
        @hookimpl
        def request(self, items: list[Item]) -> Request:
            if hook == "request" and any(item.body["m"] == "m1" for item in items):
                raise RuntimeError("spilled the beans")
            return json_request(self.base_url, [item.body for item in items])

        @hookimpl
        def verdict(self, items: list[Item], answer: Answer) -> Outcome:
            if hook == "verdict" and any(item.body["m"] == "m1" for item in items):
                raise RuntimeError("spilled the beans")
            return Delivered()

    await send(rig, *(f"u{n}:m{n}" for n in range(4)))
    rig.start(Broken)
    ledger = await rig.quiet()
    assert (ledger["delivered"], ledger["dead"]) == (4 - dead_ones, dead_ones)
    reason, detail = await dead(rig, "m1")
    assert (reason, "spilled the beans" in detail) == ("plugin_error", True)


class Lingering(Plain):
    """Waits a second for a fuller request."""

    kinds: ClassVar[Mapping[str, Batch]] = {"": Batch(max_items=10, linger_s=1.0)}


async def test_each_event_of_one_user_waits_for_a_fuller_request(rig: Rig) -> None:
    rig.start(Lingering)
    await send(rig, "u1:m1", "u1:m2", "u1:m3", "u2:n1")
    await rig.quiet()
    seen = []
    for _ in range(4):
        seen.append(rig.vendor.ids())
        await rig.pass_time(1.1, 1.1)
    assert seen == [[], ["m1", "n1"], ["m1", "n1", "m2"], ["m1", "n1", "m2", "m3"]]


# ------------------------------------------------------------ the window


@pytest.fixture
def small_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "WINDOW_EVENTS", 40)
    monkeypatch.setattr(worker_module, "AHEAD_EVENTS", 20)


@pytest.mark.usefixtures("small_window")
async def test_a_slow_event_gets_a_row_when_much_is_settled_ahead_of_it(rig: Rig) -> None:
    gate = rig.vendor.answer = Gate(lambda body: body["user"] == "slow")
    rig.start(Plain)
    await send(rig, "slow:s0", "slow:s1", *(f"u{n}:m{n}" for n in range(100)))
    await until(rig, lambda: len(rig.vendor.received) == 100)
    while (await rig.store.place("d"))[0] < 80:
        await rig.vendor_moves()
    assert await rig.fate("s0") == ("queued", "in_flight")
    assert await rig.fate("s1") == ("queued", "behind_lane")
    gate.open.set()
    ledger = await rig.quiet()
    assert (ledger["delivered"], ledger["queued"]) == (102, 0)
    assert [m for m in rig.vendor.ids() if m.startswith("s")] == ["s0", "s1"]
    assert await rig.fate("s0") == ("delivered", "")


@pytest.mark.usefixtures("small_window")
async def test_a_uniformly_slow_vendor_turns_nothing_into_rows(rig: Rig) -> None:
    rows: list[int] = []
    turn = asyncio.Semaphore(0)

    async def slow() -> Delivered:
        await turn.acquire()
        return Delivered()

    def reached(calls: int) -> bool:
        return len(rig.vendor.calls) >= calls

    rig.vendor.answer = lambda bodies: slow()
    rig.start(Plain, delivery={"concurrency": 5})
    await send(rig, *(f"u{n % 30}:m{n}" for n in range(120)))
    for n in range(120):
        await until(rig, partial(reached, n + 1))
        turn.release()
        rows.append(int(await rig.store.has_lanes("d")))
    ledger = await rig.quiet()
    assert sum(rows) == 0
    assert ledger["delivered"] == 120


@pytest.mark.usefixtures("small_window")
async def test_a_slow_event_with_a_row_is_repeated_after_a_crash_and_keeps_its_place(rig: Rig) -> None:
    gate = rig.vendor.answer = Gate(lambda body: body["m"] == "s0")
    rig.start(Plain)
    await send(rig, "slow:s0", "slow:s1", *(f"u{n}:m{n}" for n in range(100)))
    await until(rig, lambda: len(rig.vendor.received) == 100)
    while (await rig.store.place("d"))[0] < 80:
        await rig.vendor_moves()
    await rig.crash()
    gate.open.set()
    rig.start(Plain)
    ledger = await rig.quiet()
    assert (ledger["delivered"], ledger["queued"]) == (102, 0)
    assert [m for m in rig.vendor.ids() if m.startswith("s")] == ["s0", "s1"]


# ------------------------------------------------------------ dry runs and switched settings


def dry(vendor: Any, secret: str = "pa55word", plugin: type[Any] = Web) -> Destination:
    """A dry run of the HTTP plugin with one secret."""
    return replace(destination(plugin, vendor, mode="dry-run"), secrets=(secret,), redactor=Redactor((secret,)))


async def test_a_dry_run_sends_nothing_and_shows_the_request_without_secrets(rig: Rig, http: FakeVendor) -> None:
    run(rig, dry(rig.vendor))
    await send(rig, "u1:m")
    ledger = await rig.quiet()
    assert (ledger["delivered"], ledger["dry_run"], http.requests) == (1, 1, [])
    assert await rig.fate("m") == ("delivered", "dry_run")
    [shown] = await attempts(rig, "m")
    assert shown["request"]["url"] == http.url + "/events"
    assert shown["request"]["body"] == '[{"m":"m","user":"u1"}]'
    assert shown["request"]["headers"]["X-Key"] == "***"


@pytest.mark.parametrize("secret", ['quo"ted', "back\\slash", "ünïcode", "sla/sh=&", "<tag>"])
async def test_a_dry_run_shows_no_secret_whatever_signs_are_in_it(rig: Rig, secret: str) -> None:
    class Telling(Web):
        base_url = "http://127.0.0.1:1"

        @hookimpl
        def request(self, items: list[Item]) -> Request:
            return json_request(self.base_url, {"key": secret}, headers={"X-Key": secret})

    run(rig, dry(rig.vendor, secret, Telling))
    await send(rig, "u1:m")
    await rig.quiet()
    [shown] = await attempts(rig, "m")
    assert "***" in shown["request"]["body"]
    assert shown["request"]["headers"]["X-Key"] == "***"


async def test_a_private_request_leaves_no_trace_in_a_dry_run(rig: Rig) -> None:
    class Private(Web):
        @hookimpl
        def request(self, items: list[Item]) -> Request:
            return Request("http://x/", body=b"private", private=True)

    rig.start(Private, mode="dry-run")
    await send(rig, "u1:m")
    await rig.quiet()
    assert [t["request"] for t in await attempts(rig, "m")] == [{"private": True}]


async def test_a_request_hook_that_fails_in_a_dry_run_is_shown(rig: Rig) -> None:
    class Broken(Web):
        @hookimpl
        def request(self, items: list[Item]) -> Request:
            raise RuntimeError("spilled the beans")

    rig.start(Broken, mode="dry-run")
    await send(rig, "u1:m")
    ledger = await rig.quiet()
    assert ledger["state"] == "running"
    assert "spilled the beans" in str(await attempts(rig, "m"))


async def test_going_live_sends_what_comes_from_then_on_and_what_was_held(rig: Rig) -> None:
    from tests.contract.rig import Gated

    rig.start(Gated, mode="dry-run")
    await send(rig, "u1:held")
    await rig.call("identify", "i1", userId="u1")
    ledger = await rig.quiet()
    assert (ledger["held"], ledger["dry_run"]) == (1, 1)
    await rig.stop()
    rig.start(Gated)
    await rig.call("group", "g", userId="u1", groupId="acme", traits={"name": "Acme"})
    await send(rig, "u1:m")
    ledger = await rig.quiet()
    assert rig.vendor.ids() == ["g", "held", "m"]
    assert (ledger["delivered"], ledger["dry_run"], ledger["held"]) == (4, 1, 0)


async def test_a_disabled_destination_filters_and_keeps_its_rows_until_it_is_enabled_again(rig: Rig) -> None:
    rig.vendor.answer = failing("m")
    rig.start(Plain)
    await send(rig, "u1:m")
    await rig.quiet()
    await rig.stop()
    rig.start(Plain, enabled=False)
    await send(rig, "u2:n")
    ledger = await rig.pass_time(HOUR, 300)
    assert (ledger["retrying"], ledger["filtered"], len(rig.vendor.calls)) == (1, 1, 1)
    assert await rig.fate("n") == ("filtered", "disabled")
    await rig.stop()
    rig.vendor.answer = lambda bodies: Delivered()
    rig.start(Plain)
    ledger = await rig.pass_time(2)
    assert (rig.vendor.ids(), ledger["delivered"]) == (["m"], 1)


async def test_events_of_a_user_behind_a_retry_are_filtered_while_disabled(rig: Rig) -> None:
    rig.vendor.answer = failing("m")
    rig.start(Plain)
    await send(rig, "u1:m")
    await rig.quiet()
    await rig.stop()
    rig.start(Plain, enabled=False)
    await send(rig, "u1:n")
    await rig.quiet()
    assert await rig.fate("n") == ("filtered", "disabled")


class Counting(Plain):
    """Numbers the events of a user in its state."""

    @hookimpl
    def state_key(self, event: Event) -> str | None:
        return event.user_id

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        context.state = (context.state or 0) + 1
        return Item({"m": event.message_id, "user": event.user_id, "n": context.state, "v": 1})


class CountingAnew(Counting):
    """Its items look different."""

    item_version = 2

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        context.state = (context.state or 0) + 1
        context.wake(event.received_at)
        return Item({"m": event.message_id, "user": event.user_id, "n": context.state, "v": 2})


async def test_items_of_another_version_are_mapped_again_and_change_no_state(rig: Rig) -> None:
    rig.vendor.answer = failing("m", "n")
    rig.start(Counting)
    await send(rig, "u1:m", "u1:n")
    await rig.quiet()
    await rig.stop()
    rig.vendor.answer = lambda bodies: Delivered()
    rig.start(CountingAnew)
    await rig.pass_time(2)
    await send(rig, "u1:o")
    await rig.quiet()
    assert [(body["m"], body["v"]) for body in rig.vendor.received] == [("m", 2), ("n", 2), ("o", 2)]
    assert await rig.store.state("d", "u1") == {"u1": b"3"}


async def test_items_of_the_same_version_are_sent_as_they_were_mapped(rig: Rig) -> None:
    rig.vendor.answer = failing("m")
    rig.start(Counting)
    await send(rig, "u1:m")
    await rig.quiet()
    await rig.crash()
    rig.vendor.answer = lambda bodies: Delivered()

    class Other(Counting):
        @hookimpl
        def track(self, event: Event, context: Context) -> Item:
            raise AssertionError("mapped twice")

    rig.start(Other)
    await rig.pass_time(2)
    assert rig.vendor.received == [{"m": "m", "user": "u1", "n": 1, "v": 1}]


async def test_sources_not_connected_and_integrations_switched_off_are_filtered(rig: Rig) -> None:
    rig.start(Plain, sources=["app"])
    await send(rig, "u1:m")
    await rig.quiet()
    assert await rig.fate("m") == ("filtered", "source")
    await rig.stop()
    rig.start(Plain)
    await rig.call("track", "n", userId="u1", event="E", integrations={"D": False})
    await rig.call("page", "o", userId="u1")
    await rig.quiet()
    assert await rig.fate("n") == ("filtered", "integrations")
    assert await rig.fate("o") == ("skipped", "unsupported")


# ------------------------------------------------------------ a destination's beginning


async def test_what_is_accepted_while_a_new_destinations_plugin_opens_is_delivered(tmp_path: Path) -> None:
    opened = asyncio.Event()

    class Slow(Plain):
        @hookimpl
        async def lifetime(self) -> AsyncIterator[None]:
            await opened.wait()
            yield

    async with open_rig(tmp_path) as rig:
        await send(rig, "u0:before")
        rig.start(Slow)
        while "d" not in await rig.store.queries.destinations():
            await rig.vendor_moves()
        await send(rig, "u1:m")
        opened.set()
        await rig.quiet()
        assert rig.vendor.ids() == ["m"]


async def test_a_plugins_lifetime_lasts_as_long_as_its_destination_runs(rig: Rig) -> None:
    told: list[str] = []

    class Living(Plain):
        @hookimpl
        async def lifetime(self) -> AsyncIterator[None]:
            told.append("opened")
            yield
            told.append("closed")

    rig.start(Living)
    await send(rig, "u1:m")
    await rig.quiet()
    assert (told, rig.vendor.ids()) == (["opened"], ["m"])
    await rig.stop()
    assert told == ["opened", "closed"]


async def test_warnings_of_a_plugin_are_counted_beside_the_events_it_mapped(rig: Rig) -> None:
    class Warning(Plain):
        @hookimpl
        def track(self, event: Event, context: Context) -> Item:
            if event.message_id == "skip":
                raise Skip("nothing")
            context.warn("odd", size=7)
            return Item({"m": event.message_id})

    rig.start(Warning)
    await send(rig, "u1:m", "u2:n", "u1:skip")
    await rig.quiet()
    assert (rig.runner.describe()["mapped"], rig.runner.warnings) == (2, {"odd": 2})


async def test_a_success_with_a_warning_is_a_success_and_its_warning_is_counted_for_each_item(rig: Rig) -> None:
    class Three(Plain):
        kinds: ClassVar[Mapping[str, Batch]] = {"": Batch(max_items=3)}

        @hookimpl
        def track(self, event: Event, context: Context) -> Any:
            return [Item({"m": event.message_id, "n": n}) for n in range(3)]

    rig.start(Three)
    rig.vendor.answer = lambda bodies: [Delivered("field_ignored"), Delivered(), Delivered("field_ignored")]
    await send(rig, "u1:m")
    await rig.quiet()
    rig.vendor.answer = lambda bodies: Delivered("all_odd")
    await send(rig, "u2:n")
    ledger = await rig.quiet()
    assert (ledger["delivered"], len(rig.vendor.calls)) == (2, 2)
    assert rig.runner.warnings == {"field_ignored": 2, "all_odd": 3}


async def test_a_warning_that_is_no_text_is_the_plugin_s_fault(rig: Rig) -> None:
    rig.start(Plain)
    rig.vendor.answer = lambda bodies: Delivered({"field": 1})  # type: ignore[arg-type]
    await send(rig, "u1:m")
    await rig.quiet()
    assert await rig.fate("m") == ("dead", "plugin_error")


async def test_an_event_that_needs_a_trait_of_its_user_waits_for_the_identify_behind_it(rig: Rig) -> None:
    class Mailer(Plain):
        @hookimpl
        def track(self, event: Event, context: Context) -> Item:
            email = context.user.traits.get("email") if context.user else None
            if email is None:
                raise RetryLater("email_unknown", after_s=60, for_s=HOUR)
            return Item({"m": event.message_id, "to": email})

    rig.start(Mailer)
    await send(rig, "u1:m", "u2:late")
    await rig.quiet()
    assert rig.vendor.calls == []
    await rig.call("identify", "who", userId="u1", traits={"email": "mira@acme.example"})
    await rig.pass_time(70)
    assert rig.vendor.ids() == ["m", "who"]
    assert rig.vendor.calls[0][0]["to"] == "mira@acme.example"
    await rig.pass_time(2 * HOUR, step=60.0)
    assert await rig.fate("late") == ("dead", "expired")
