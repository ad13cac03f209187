"""A fault in the worker's own parts costs a new start from the store, and no event."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import Iterable
from typing import Any

import pytest

from router.deliver.send.sender import Ended
from router.deliver.settle.responses import Responses
from router.logger import make_log
from router.plugin import Context, Delivered, Event, Item, Outcome, Sender, hookimpl
from tests.contract.rig import Plain, Rig, both_ways, comes_true

pytest_generate_tests = both_ways


class Odd(BaseException):
    """No Exception."""


@pytest.mark.parametrize("fault", [KeyError("u:u1"), Odd(), asyncio.CancelledError()], ids=repr)
async def test_a_response_that_cannot_be_booked_is_no_event_in_flight_for_ever(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    book, faults = Responses.on_responses, [fault]

    def on_responses(self: Responses, *args: Any) -> Any:
        if faults:
            raise faults.pop()
        return book(self, *args)

    monkeypatch.setattr(Responses, "on_responses", on_responses)
    rig.start(Plain)
    await rig.call("track", "m1", userId="u1", event="E")
    await rig.call("track", "m2", userId="u1", event="E")
    ledger = await rig.pass_time(5, 1)
    assert ledger["delivered"] == 2
    assert rig.vendor.ids() == ["m1", "m1", "m2"]


async def test_a_response_that_cannot_be_booked_while_the_worker_ends_is_told(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_responses(self: Responses, ended: Iterable[Ended]) -> Any:
        raise KeyError(next(iter(ended)).batch.parts[0].delivery.user_key)

    lines, answered = io.StringIO(), asyncio.Event()
    rig.log = make_log("error", "json", stream=lines, clock=rig.clock)
    rig.vendor.answer = lambda body: answered.wait()
    monkeypatch.setattr(Responses, "on_responses", on_responses)
    rig.start(Plain)
    await rig.call("track", "m1", userId="u1", event="E")
    assert await comes_true(rig, lambda: bool(rig.vendor.calls))
    stopping = asyncio.create_task(rig.stop())
    await rig.vendor_moves()
    answered.set()
    await stopping
    assert [json.loads(line)["event"] for line in lines.getvalue().splitlines()] == ["internal_error"]
    assert (await rig.fate("m1"))[0] == "queued"


async def test_a_new_worker_goes_on_with_the_rate_of_the_one_before(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    book, faults = Responses.on_responses, [KeyError("u:u1")]

    def on_responses(self: Responses, *args: Any) -> Any:
        if faults:
            raise faults.pop()
        return book(self, *args)

    monkeypatch.setattr(Responses, "on_responses", on_responses)
    rig.start(Plain, delivery={"rate": "2/h"})
    await rig.call("track", "m1", userId="u1", event="E")
    await rig.call("track", "m2", userId="u1", event="E")
    await rig.pass_time(5, 1)
    assert rig.vendor.ids() == ["m1", "m1"]
    await rig.pass_time(1_800, 60)
    assert rig.vendor.ids() == ["m1", "m1", "m2"]


@pytest.mark.parametrize("value", [object(), "\ud800"], ids=["an object", "half a character"])
async def test_a_plugin_that_puts_into_an_event_what_json_cannot_hold_stops_nobody(rig: Rig, value: Any) -> None:
    class Careless(Plain):
        @hookimpl
        def track(self, event: Event, context: Context) -> Item:
            event.properties["seen"] = value  # type: ignore[index]
            return Item({"m": event.message_id})

    rig.start(Careless)
    for n in range(3):
        await rig.call("track", f"m{n}", userId=f"u{n}", event="E", properties={"a": 1})
    ledger = await rig.pass_time(5, 1)
    assert ledger["delivered"] == 3
    assert rig.runner.status.state == "running"
    assert rig.runner.warnings == {"changes_events": 1}


async def test_a_deliver_that_does_not_let_itself_be_ended_keeps_no_event_in_flight_for_ever(rig: Rig) -> None:
    never = asyncio.Event()
    calls: list[str] = []

    class Stubborn(Plain):
        @hookimpl
        async def deliver(self, items: list[Item], sender: Sender) -> Outcome:
            calls.append(items[0].body["m"])
            while len(calls) == 1:
                with contextlib.suppress(asyncio.CancelledError):
                    await never.wait()
            return Delivered()

    rig.start(Stubborn, delivery={"timeout": "1s"})
    await rig.call("track", "m1", userId="u1", event="E")
    await rig.call("track", "m2", userId="u1", event="E")
    assert await comes_true(rig, lambda: calls == ["m1"])
    rig.clock.advance(15)
    await rig.vendor_moves(20)
    assert calls == ["m1"]
    rig.clock.advance(2)  # six time-outs and ten seconds: it is stuck, and tried again in a moment
    for _ in range(10):
        rig.clock.advance(10)
        await rig.quiet(hanging=1)
    assert calls == ["m1", "m1", "m2"]
    assert (await rig.quiet())["delivered"] == 2
