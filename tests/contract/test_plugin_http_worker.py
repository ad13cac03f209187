"""HTTP by configuration at a running worker: the examples of its page against strict vendors, a token that expires, an order with a list."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from plugins.http import Http
from router.testing import Bench, Hang, Received, Reply
from tests.vendors.at_bench import AtBench
from tests.vendors.braze import BrazeVendor
from tests.vendors.clientsuccess import ClientSuccessVendor
from tests.vendors.http_examples import braze, clientsuccess, shown

BRAZE, CLIENTSUCCESS = "https://braze.test", "https://cs.test"


@pytest.fixture
async def with_braze() -> AsyncIterator[tuple[Bench, AtBench]]:
    async with Bench(Http, braze(BRAZE)) as bench:
        yield bench, AtBench(bench, BrazeVendor(), {"api_key": "KEY", "base_url": BRAZE})


@pytest.fixture
async def with_clientsuccess() -> AsyncIterator[tuple[Bench, AtBench]]:
    async with Bench(Http, clientsuccess(CLIENTSUCCESS)) as bench:
        settings = {"project_id": "PID", "api_key": "KEY", "base_url": CLIENTSUCCESS}
        yield bench, AtBench(bench, ClientSuccessVendor(), settings)


def arrays(body: Mapping[str, Any]) -> dict[str, int]:
    return {name: len(objects) for name, objects in body.items()}


# ---------------------------------------------------------------- a batch like Braze's


async def test_two_hundred_events_are_batches_that_a_strict_braze_takes(
    with_braze: tuple[Bench, AtBench],
) -> None:
    bench, braze = with_braze
    calls = [{"type": ("track", "identify")[n % 2], "userId": f"u{n}", "traits": {"n": n}} for n in range(200)]
    await bench.post(calls)
    assert [sum(arrays(seen.json()).values()) for seen in bench.requests] == [75, 75, 50]
    assert (braze.refusals, (await bench.ledger())["delivered"]) == ([], 200)


async def test_an_object_that_braze_refuses_is_dead_and_its_neighbours_are_delivered(
    with_braze: tuple[Bench, AtBench],
) -> None:
    bench, braze = with_braze
    good, bad, other = await bench.post(
        [
            {"type": "track", "userId": "u1", "event": "Run", "properties": {}},
            {"type": "track", "userId": "u2", "event": "Run", "properties": {"$set": 1}},
            {"type": "identify", "userId": "u3", "traits": {"plan": "pro"}},
        ]
    )
    assert [arrays(seen.json()) for seen in bench.requests] == [{"events": 2, "attributes": 1}]
    assert [await bench.fate(one) for one in (good, bad, other)] == [
        ("delivered", ""), ("dead", "rejected"), ("delivered", ""),
    ]  # fmt: skip
    assert (await bench.why(bad))["detail"] == "a property's name is not valid"
    assert len(braze.refusals) == 1


async def test_a_batch_that_a_crash_cuts_is_sent_again_byte_for_byte(with_braze: tuple[Bench, AtBench]) -> None:
    bench, _ = with_braze
    bench.vendor.script(Hang())
    sent = await bench.post([{"type": "track", "userId": f"u{n}"} for n in range(3)])
    await bench.crash()
    first, again = bench.requests
    assert (first.url, first.body, again.body) == (f"{BRAZE}/users/track", again.body, first.body)
    assert {await bench.fate(one) for one in sent} == {("delivered", "")}


# ---------------------------------------------------------------- the rows of ClientSuccess


async def test_events_wait_for_their_company_and_then_arrive_in_order(
    with_clientsuccess: tuple[Bench, AtBench],
) -> None:
    bench, vendor = with_clientsuccess
    await bench.identify(userId="Bob@Beta.io", traits={"firstName": "Bob", "lastName": "Beta"})
    one = await bench.track(userId="Bob@Beta.io", event="One", properties={"csValue": "3"})
    two = await bench.page(userId="Bob@Beta.io", category="Docs", name="Start")
    assert await bench.fate(one) == ("held", "group_unknown")
    await bench.group(userId="Bob@Beta.io", groupId="beta", traits={"name": "Beta"})
    assert [await bench.fate(event) for event in (one, two)] == [("delivered", "")] * 2
    names = [seen.url.partition("/events/")[2].partition("?")[0] for seen in bench.requests]
    assert names == ["One", "Viewed%20Docs%20Start%20Page"]
    identity = {
        "user": {
            "id": "bob@beta.io",
            "name": "Bob Beta",
            "first_name": "Bob",
            "last_name": "Beta",
            "email": "bob@beta.io",
        },
        "organization": {"id": "beta", "name": "Beta"},
    }
    body = bench.requests[0].json()
    assert (body["identity"], body["value"]) == (identity, 3)
    assert vendor.refusals == []


async def test_a_success_that_says_it_created_nothing_is_a_dead_letter(
    with_clientsuccess: tuple[Bench, AtBench],
) -> None:
    bench, _ = with_clientsuccess
    await bench.group()
    bench.vendor.script(Reply(201, json={"created": False}))
    assert await bench.fate(await bench.track()) == ("dead", "rejected")


# ---------------------------------------------------------------- a token

LOGIN = "https://login.example.com/oauth/token"


class Bank:
    """Gives tokens by number for an hour, and takes calls with the newest one only."""

    def __init__(self) -> None:
        self.given = 0

    def __call__(self, seen: Received) -> Reply:
        if seen.url == LOGIN:
            self.given += 1
            return Reply(json={"access_token": f"run-time-{self.given}", "expires_in": 3600})
        return Reply(202 if seen.headers["authorization"] == f"Bearer run-time-{self.given}" else 401)


@pytest.fixture
async def warehouse() -> AsyncIterator[tuple[Bench, Bank]]:
    secrets = {"WAREHOUSE_CLIENT_ID": "me-4711", "WAREHOUSE_CLIENT_SECRET": "s3cret-word"}
    async with Bench(Http, shown("warehouse", **secrets)) as bench:
        bench.vendor.answer = bank = Bank()
        yield bench, bank


async def test_a_token_is_kept_until_it_expires_or_is_refused(warehouse: tuple[Bench, Bank]) -> None:
    bench, bank = warehouse
    for minutes, given in ((0, 1), (58, 1), (2, 2)):
        await bench.advance(minutes=minutes)
        assert await bench.fate(await bench.track()) == ("delivered", "")
        assert bank.given == given
    bank.given = 7  # the vendor has forgotten the one it gave
    event = await bench.track()
    assert (bank.given, await bench.fate(event)) == (8, ("delivered", ""))


async def test_a_refused_secret_pauses_and_is_never_shown(warehouse: tuple[Bench, Bank]) -> None:
    bench, bank = warehouse
    bench.vendor.answer = lambda seen: Reply(400, json={"error": "invalid_client", "secret": "s3cret-word"})
    event = await bench.track()
    shown = bench.describe()
    assert (shown["state_reason"], "***" in shown["state_detail"]) == ("credentials", True)
    assert "s3cret-word" not in f"{shown} {bench.log} {await bench.why(event)}"
    bench.vendor.answer = bank
    await bench.advance(minutes=5)
    assert await bench.fate(event) == ("delivered", "")


# ---------------------------------------------------------------- a list


async def test_an_order_is_one_request_with_an_object_for_each_product() -> None:
    async with Bench(Http, shown("orders", PRIVACY_KEY="a key of 16 signs")) as bench:
        products = [{"sku": f"S-{n}", "price": n} for n in range(3)]
        order = await bench.track(event="Order Completed", properties={"order_id": 7, "products": products})
        empty = await bench.track(event="Order Completed", properties={"order_id": 8, "products": []})
        long = await bench.track(properties={"order_id": 9, "products": [{"sku": "S"}] * 1_001})
        (seen,) = bench.requests
        lines = [{"sku": f"S-{n}", "quantity": 1, "price": n, "currency": "EUR"} for n in range(3)]
        assert seen.json()["lines"] == lines
        fates = [await bench.fate(event) for event in (order, empty, long)]
        assert fates == [("delivered", ""), ("skipped", "missing_products"), ("dead", "too_many_entries")]
