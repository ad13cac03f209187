"""Braze at a running worker: orders of many products, errors beside a success, one request a user, waits, repeats."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from itertools import chain
from typing import Any

import pytest

from plugins.braze import Braze
from router.testing import Bench, Reply

SUCCESS = Reply(201, json={"message": "success"})
KEY = {"api_key": "KEY"}


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with Bench(Braze, KEY) as bench:
        bench.vendor.default = SUCCESS
        yield bench


@pytest.fixture
async def dropping() -> AsyncIterator[Bench]:
    """With `drop_repeats`."""
    async with Bench(Braze, {**KEY, "drop_repeats": True}) as bench:
        bench.vendor.default = SUCCESS
        yield bench


def refusal(array: str, *indexes: int) -> Reply:
    errors = [{"type": "not valid", "input_array": array, "index": index} for index in indexes]
    return Reply(201, json={"message": "success", "errors": errors})


async def buy(bench: Bench, products: int) -> str:
    bought = [{"product_id": f"k{n}", "price": n} for n in range(products)]
    return await bench.track(event="Order Completed", properties={"products": bought})


def bought(bench: Bench) -> list[list[str]]:
    """The products of each request, in order."""
    return [[purchase["product_id"] for purchase in seen.json().get("purchases", [])] for seen in bench.requests]


def kinds(call: Mapping[str, Any]) -> dict[str, int]:
    return {array: len(objects) for array, objects in call.items()}


async def test_an_order_of_more_products_than_fit_is_several_requests_and_one_delivery(bench: Bench) -> None:
    await buy(bench, 160)
    assert [len(products) for products in bought(bench)] == [75, 75, 10]
    assert [*chain(*bought(bench))] == [f"k{n}" for n in range(160)]
    ledger = await bench.ledger()
    assert (ledger["delivered"], ledger["dead"]) == (1, 0)


async def test_an_order_of_which_one_product_is_refused_is_dead_and_its_later_products_are_not_sent(
    bench: Bench,
) -> None:
    bench.vendor.default = refusal("purchases", 3)
    order = await buy(bench, 160)
    assert [len(products) for products in bought(bench)] == [75]
    told = await bench.why(order)
    assert (told["state"], told["reason"], told["detail"]) == ("dead", "rejected", "purchases: not valid")


async def test_what_of_an_order_was_taken_is_not_sent_again_when_the_rest_is_tried_later(bench: Bench) -> None:
    bench.vendor.script(SUCCESS, Reply(503))
    order = await buy(bench, 80)
    await bench.advance(seconds=10)
    first, failed, *again = bought(bench)
    assert (len(first), len(failed)) == (75, 5)
    assert [*chain(*again)] == failed == [f"k{n}" for n in range(75, 80)]
    assert await bench.fate(order) == ("delivered", "")


async def test_an_object_refused_beside_a_success_is_dead_and_its_neighbours_are_delivered(bench: Bench) -> None:
    bench.vendor.default = refusal("events", 1)
    calls = [{"type": "track", "userId": f"u{n}", "event": "Run"} for n in range(3)]
    sent = await bench.post(calls)
    assert [kinds(seen.json()) for seen in bench.requests] == [{"events": 3}]
    assert [await bench.fate(one) for one in sent] == [("delivered", ""), ("dead", "rejected"), ("delivered", "")]


async def test_one_user_s_objects_are_never_in_two_requests_at_once(bench: Bench) -> None:
    """Braze works requests off in any order, so the second must not start before the first is answered."""
    bench.vendor.default = Reply(201, json={"message": "success"}, delay_s=1)
    await bench.identify(userId="u0")
    calls = [
        {"type": type, "userId": f"u{n % 5}", "event": f"E{n}", "traits": {"n": n}}
        for n in range(60)
        for type in ("identify", "track")
    ]
    await bench.post(calls)
    answered = 0
    while on_their_way := bench.requests[answered:]:
        users = [{one["external_id"] for one in chain(*seen.json().values())} for seen in on_their_way]
        assert sum(map(len, users)) == len(set().union(*users))
        answered += len(on_their_way)
        await bench.advance(seconds=1)
    assert (await bench.ledger())["delivered"] == 121
    assert bench.vendor.max_in_flight > 1


async def test_a_429_makes_the_destination_wait_as_long_as_braze_s_own_header_says(bench: Bench) -> None:
    bench.vendor.script(Reply(429, headers={"X-RateLimit-Retry-After": "30"}))
    event = await bench.track()
    assert bench.status == ("paused", "retry_after")
    await bench.advance(seconds=29)
    assert len(bench.requests) == 1
    await bench.advance(seconds=2)
    assert await bench.fate(event) == ("delivered", "")


async def test_a_repeated_identify_is_skipped_also_after_a_crash(dropping: Bench) -> None:
    told = [await dropping.identify(userId="u1", traits={"plan": "pro"})]
    await dropping.crash()
    for user, plan in (("u1", "pro"), ("u2", "pro"), ("u1", "free")):
        told.append(await dropping.identify(userId=user, traits={"plan": plan}))
    fates = [await dropping.fate(one) for one in told]
    assert fates == [("delivered", ""), ("skipped", "unchanged"), ("delivered", ""), ("delivered", "")]


async def test_an_identify_of_which_nothing_was_sent_is_not_the_one_before(dropping: Bench) -> None:
    """Braze still has what was told before it."""
    told = [await dropping.identify(traits=traits) for traits in ({"plan": "pro"}, {"gender": "x?"}, {"plan": "pro"})]
    fates = [await dropping.fate(one) for one in told]
    assert fates == [("delivered", ""), ("skipped", "no_traits"), ("skipped", "unchanged")]
