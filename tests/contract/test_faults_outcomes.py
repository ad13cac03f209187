"""Outcomes that a plugin made wrongly: the event is a dead letter, and everything else goes on."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, cast

import pytest

from router.logger import make_log
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
    RetryLater,
    Sender,
    Skip,
    Split,
    hookimpl,
)
from tests.contract.rig import Plain, Rig, both_ways, over_http
from tests.contract.simulation import inside

pytest_generate_tests = both_ways

later, reject, pause, skip, split = (cast(Any, one) for one in (RetryLater, Reject, Pause, Skip, Split))
MADE: dict[str, Callable[[], Any]] = {
    "a wait in text": lambda: later("busy", after_s="5"),
    "an end in text": lambda: later("busy", for_s="1h"),
    "a later without a detail": lambda: later("busy", None),
    "a later without a reason": lambda: later(None),
    "a reject without a detail": lambda: reject("rejected", None),
    "a number as detail": lambda: reject("rejected", 7),
    "an exception as detail": lambda: reject("rejected", ValueError("no")),
    "a reject without a reason": lambda: reject(None),
    "half a character in detail": lambda: reject("rejected", "\ud800"),
    "half a character in reason": lambda: later("\ud800"),
    "a pause in text": lambda: pause("credentials", after_s="5"),
    "a pause without a detail": lambda: pause("credentials", None),
}


@pytest.fixture
async def rig(rig: Rig) -> Rig:
    # Python 3.11 cannot show the traceback of a task that died unheard while pytest parses the source of a failed test.
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    return rig


async def send(rig: Rig, *sent: str) -> None:
    """Accept tracks in one go: "u1:m1" is m1 of user u1."""
    named = [one.split(":") for one in sent]
    await rig.accept([rig.make("track", m, userId=user, event="E") for user, m in named])


async def check_that_only_m_is_dead(rig: Rig) -> None:
    """m of u1 is a dead letter for its plugin's fault; n of the same user and o of another are delivered, also after a restart."""
    ledger = await rig.pass_time(2, 1)
    assert await rig.fate("m") == ("dead", "plugin_error")
    assert sorted(rig.vendor.ids()) == ["n", "o"]
    assert (ledger["state"], ledger["delivered"], ledger["dead"]) == ("running", 2, 1)
    await rig.crash()
    rig.start(Plain)
    await send(rig, "u1:p")
    assert (await rig.quiet())["delivered"] == 3


@pytest.mark.parametrize("made", [*MADE, "a split without a detail"])
async def test_a_wrongly_typed_outcome_of_sending_is_a_dead_letter(rig: Rig, made: str) -> None:
    make = MADE.get(made, lambda: split("rejected", None))
    rig.vendor.answer = lambda bodies: Delivered() if bodies[0]["m"] != "m" else make()
    rig.start(Plain)
    await send(rig, "u1:m", "u1:n", "u2:o")
    await check_that_only_m_is_dead(rig)


class Fours(Plain):
    """Four items a request."""

    kinds: ClassVar[Mapping[str, Batch]] = {"": Batch(max_items=4)}


@pytest.mark.parametrize("made", ["a wait in text", "a number as detail", "a reject without a reason"])
async def test_a_wrongly_typed_outcome_takes_none_of_its_neighbours_along(rig: Rig, made: str) -> None:
    rig.vendor.answer = lambda bodies: [Delivered() if body["m"] != "m" else MADE[made]() for body in bodies]
    await send(rig, "u1:m", "u2:n", "u3:o")
    rig.start(Fours)
    await check_that_only_m_is_dead(rig)


@pytest.mark.parametrize("made", [*MADE, "a skip without a reason", "a skip with a number"])
async def test_a_wrongly_typed_outcome_of_mapping_is_a_dead_letter(rig: Rig, made: str) -> None:
    class Slips(Plain):
        @hookimpl
        def track(self, event: Event, context: Context) -> Item:
            if event.message_id == "m":
                if made.startswith("a skip"):
                    raise skip(None if "without" in made else 7)
                raise MADE[made]()
            return Item({"m": event.message_id, "user": event.user_id})

    rig.start(Slips)
    await send(rig, "u1:m", "u1:n", "u2:o")
    await check_that_only_m_is_dead(rig)


class Wordless(OSError):
    def __str__(self) -> str:
        raise SystemExit("no words")


async def test_a_connection_fault_that_cannot_be_worded_is_tried_again(rig: Rig) -> None:
    sent: list[str] = []

    class Unlucky(Plain):
        @hookimpl
        async def deliver(self, items: list[Item], sender: Sender) -> Outcome:
            sent.append(items[0].body["m"])
            if sent == ["m"]:
                raise Wordless
            return Delivered()

    rig.start(Unlucky)
    await send(rig, "u1:m", "u1:n")
    ledger = await rig.pass_time(60, 1)
    assert sent == ["m", "m", "n"]
    assert (ledger["delivered"], ledger["dead"], ledger["retrying"]) == (2, 0, 0)


@pytest.mark.parametrize("junk", [None, "delivered", 7, [], [None], {"a": 1}, [Skip("no")]])
async def test_a_verdict_that_returns_junk_makes_a_dead_letter(rig: Rig, junk: Any) -> None:
    class Junk(over_http(Plain)):  # type: ignore[misc]
        @hookimpl
        def verdict(self, items: list[Item], answer: Answer) -> Any:
            return junk if items[0].body["m"] == "m" else self.vendor.verdict(answer)

    rig.vendor.answer = lambda bodies: Delivered()
    rig.start(Junk)
    await send(rig, "u1:m", "u1:n", "u2:o")
    ledger = await rig.quiet()
    assert await rig.fate("m") == ("dead", "plugin_error")
    assert (ledger["state"], ledger["delivered"], ledger["dead"]) == ("running", 2, 1)


async def test_a_deliver_that_changes_its_items_sends_the_same_at_each_attempt(rig: Rig) -> None:
    sent: list[Any] = []

    class Changing(Plain):
        @hookimpl
        def track(self, event: Event, context: Context) -> Any:
            return [Item({"m": event.message_id, "tags": []}), Item({"m": event.message_id, "tags": ["second"]})]

        @hookimpl
        async def deliver(self, items: list[Item], sender: Sender) -> Outcome:
            sent.append([json.loads(item.json) for item in items])
            for item in items:
                item.body["tags"].append("changed")
                item.body["m"] = "another"
            items.clear()
            return RetryLater("status_503") if len(sent) < 4 else Delivered()

    rig.start(Changing)
    await send(rig, "u1:m")
    ledger = await rig.pass_time(900)
    first = [{"m": "m", "tags": []}]
    assert sent == [first] * 4 + [[{"m": "m", "tags": ["second"]}]]
    assert (ledger["delivered"], ledger["retrying"]) == (1, 0)


async def test_a_user_who_is_to_be_tried_again_and_nobody_knows_when_goes_on_after_a_start(rig: Rig) -> None:
    told = io.StringIO()
    rig.log = make_log("info", "json", clock=rig.clock, stream=told)
    rig.vendor.answer = lambda bodies: RetryLater("status_503", after_s=3_600)
    rig.start(Plain)
    await send(rig, "u1:m", "u1:n")
    await rig.quiet()
    await rig.crash()
    await rig.store.writer.run_alone(inside.forget_due_times)
    rig.vendor.answer = lambda bodies: Delivered()
    before = len(told.getvalue())
    rig.start(Plain)
    await rig.pass_time(400, 100)
    assert rig.vendor.ids() == ["m", "n"]
    lines = [json.loads(line)["event"] for line in told.getvalue()[before:].splitlines()]
    assert [name for name in lines if name.startswith("lanes_")], lines
