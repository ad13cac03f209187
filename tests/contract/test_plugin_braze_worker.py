"""Braze at a running worker: orders of many products, errors beside a success, one request a user, waits, repeats."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from plugins.braze import Braze, BrazeSettings
from router.plugin import Answer, Item, SecretStr, Sender, hookimpl
from router.testing.vendor import FakeVendor, Reply
from tests.contract.rig import Rig, Vendor, open_rig
from tests.patience import HANG_S

SUCCESS = Answer(201, {}, b'{"message": "success"}')


class KeyedSettings(BrazeSettings):
    """Braze's, with a key."""

    api_key: SecretStr = SecretStr("KEY")


class Wired(Braze):
    """Braze as it is; `changes` go into its settings."""

    settings_model: type[BrazeSettings] = KeyedSettings
    requires: ClassVar[Mapping[str, Any]] = {}
    changes: ClassVar[dict[str, Any]] = {}
    vendor: Vendor

    def __init__(self, settings: BrazeSettings) -> None:
        super().__init__(settings.model_copy(update=self.changes))


class Rigged(Wired):
    """With a vendor in place of the network: `vendor.answer` gives an Answer for the arrays of a request."""

    @hookimpl
    async def deliver(self, items: list[Item], sender: Sender) -> Any:
        body = json.loads(self.request(items).body)
        self.vendor.calls.append(body)
        answer = self.vendor.answer(body)
        return self.verdict(items, await answer if asyncio.iscoroutine(answer) else answer)


class Repeating(Rigged):
    """With `drop_repeats`."""

    changes: ClassVar[dict[str, Any]] = {"drop_repeats": True}


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path) as rig:
        rig.start(Rigged)
        await rig.quiet()
        rig.vendor.answer = lambda body: SUCCESS
        yield rig


def refuse(array: str, *indexes: int) -> Answer:
    errors = [{"type": "not valid", "input_array": array, "index": index} for index in indexes]
    return Answer(201, {}, json.dumps({"message": "success", "errors": errors}).encode())


async def buy(rig: Rig, message_id: str, products: int, user: str = "u1") -> None:
    bought = [{"product_id": f"k{n}", "price": n} for n in range(products)]
    await rig.call("track", message_id, userId=user, event="Order Completed", properties={"products": bought})


def sent(rig: Rig) -> list[dict[str, Any]]:
    """The body of each request, in order."""
    return cast(list[dict[str, Any]], rig.vendor.calls)


def bought(rig: Rig) -> list[list[str]]:
    """The products of each request, in order."""
    return [[purchase["product_id"] for purchase in call.get("purchases", [])] for call in sent(rig)]


def kinds(call: Mapping[str, Any]) -> dict[str, int]:
    return {array: len(objects) for array, objects in call.items()}


async def test_an_order_of_more_products_than_fit_is_several_requests_and_one_delivery(rig: Rig) -> None:
    await buy(rig, "m1", 160)
    ledger = await rig.quiet()
    assert [len(products) for products in bought(rig)] == [75, 75, 10]
    assert [*chain(*bought(rig))] == [f"k{n}" for n in range(160)]
    assert (ledger["delivered"], ledger["dead"]) == (1, 0)


async def test_an_order_of_which_one_product_is_refused_is_dead_and_its_later_products_are_not_sent(rig: Rig) -> None:
    rig.vendor.answer = lambda body: refuse("purchases", 3)
    await buy(rig, "m1", 160)
    await rig.quiet()
    assert [len(products) for products in bought(rig)] == [75]
    assert await rig.fate("m1") == ("dead", "rejected")
    told = await rig.store.queries.message("m1", None, ["d"])
    assert told is not None
    assert told["destinations"]["d"]["detail"] == "purchases: not valid"


async def test_what_of_an_order_was_taken_is_not_sent_again_when_the_rest_is_tried_later(rig: Rig) -> None:
    answers = [Answer(503), SUCCESS]
    rig.vendor.answer = lambda body: answers.pop() if answers else SUCCESS
    await buy(rig, "m1", 80)
    ledger = await rig.pass_time(10)
    first, failed, *again = bought(rig)
    assert (len(first), len(failed)) == (75, 5)
    assert [*chain(*again)] == failed == [f"k{n}" for n in range(75, 80)]
    assert ledger["delivered"] == 1


async def test_an_object_refused_beside_a_success_is_dead_and_its_neighbours_are_delivered(rig: Rig) -> None:
    rig.vendor.answer = lambda body: refuse("events", 1)
    calls = [rig.make("track", f"m{n}", userId=f"u{n}", event="Run") for n in range(3)]
    await rig.accept(calls)
    ledger = await rig.quiet()
    assert [kinds(call) for call in sent(rig)] == [{"events": 3}]
    assert [await rig.fate(f"m{n}") for n in range(3)] == [("delivered", ""), ("dead", "rejected"), ("delivered", "")]
    assert (ledger["delivered"], ledger["dead"]) == (2, 1)


async def test_one_user_s_objects_are_never_in_two_requests_at_once(rig: Rig) -> None:
    """Braze works requests off in any order, so the second must not start before the first is answered."""
    under_way: list[set[str]] = []
    one, two = asyncio.Event(), asyncio.Event()

    async def answer(body: Any) -> Answer:
        users = {found["external_id"] for objects in body.values() for found in objects}
        assert all(users.isdisjoint(others) for others in under_way)
        under_way.append(users)
        (one if len(under_way) == 1 else two).set()
        await asyncio.wait_for(two.wait(), HANG_S)  # different users travel at the same time
        under_way.remove(users)
        return SUCCESS

    rig.vendor.answer = answer
    await rig.call("identify", "first", userId="u0", traits={"n": -1})
    await one.wait()
    for n in range(60):
        await rig.call("identify", f"i{n}", userId=f"u{n % 5}", traits={"n": n})
        await rig.call("track", f"t{n}", userId=f"u{n % 5}", event=f"E{n}")
    ledger = await rig.quiet()
    assert ledger["delivered"] == 121


async def test_a_429_makes_the_destination_wait_as_long_as_braze_s_own_header_says(tmp_path: Path) -> None:
    async with FakeVendor(Reply(201, json={"message": "success"})) as vendor, open_rig(tmp_path) as rig:
        vendor.script(Reply(429, headers={"X-RateLimit-Retry-After": "30"}))
        rig.start(type("Live", (Wired,), {"changes": {"base_url": vendor.url}}))
        await rig.quiet()
        await rig.call("track", "m1", userId="u1", event="Run")
        await rig.quiet()
        assert (rig.runner.status.state, rig.runner.status.reason) == ("paused", "retry_after")
        await rig.pass_time(29)
        assert len(vendor.requests) == 1
        await rig.pass_time(2)
        assert await rig.fate("m1") == ("delivered", "")


async def test_a_repeated_identify_is_skipped_also_after_a_crash(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        rig.vendor.answer = lambda body: SUCCESS
        rig.start(Repeating)
        await rig.quiet()
        await rig.call("identify", "m1", userId="u1", traits={"plan": "pro"})
        await rig.quiet()
        await rig.crash()
        rig.start(Repeating)
        await rig.call("identify", "m2", userId="u1", traits={"plan": "pro"})
        await rig.call("identify", "m3", userId="u2", traits={"plan": "pro"})
        await rig.call("identify", "m4", userId="u1", traits={"plan": "free"})
        await rig.quiet()
        fates = [await rig.fate(f"m{n}") for n in range(1, 5)]
        assert fates == [("delivered", ""), ("skipped", "unchanged"), ("delivered", ""), ("delivered", "")]


async def test_an_identify_of_which_nothing_was_sent_is_not_the_one_before(tmp_path: Path) -> None:
    """Braze still has what was told before it."""
    async with open_rig(tmp_path) as rig:
        rig.vendor.answer = lambda body: SUCCESS
        rig.start(Repeating)
        await rig.quiet()
        for message_id, traits in (("m1", {"plan": "pro"}), ("m2", {"gender": "x?"}), ("m3", {"plan": "pro"})):
            await rig.call("identify", message_id, userId="u1", traits=traits)
        await rig.quiet()
        fates = [await rig.fate(f"m{n}") for n in range(1, 4)]
        assert fates == [("delivered", ""), ("skipped", "empty"), ("skipped", "unchanged")]
