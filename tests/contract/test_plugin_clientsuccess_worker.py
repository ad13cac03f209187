"""ClientSuccess at a running worker: the gate, the quota's counts through crashes, and what follows from each answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from plugins.clientsuccess import ClientSuccess
from router.testing import Bench, Reply


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with Bench(ClientSuccess, {"project_id": "PID", "api_key": "KEY"}) as bench:
        bench.vendor.default = Reply(201, json={"created": True})
        yield bench


async def join(bench: Bench, *users: str, **traits: Any) -> None:
    named = {"name": "Acme Inc.", **traits}
    await bench.post([{"type": "group", "userId": user, "groupId": "acme", "traits": named} for user in users])


async def run(bench: Bench, user: str = "u1") -> str:
    return await bench.track(userId=user, event="Run", properties={})


def names(bench: Bench) -> list[str]:
    """The events that arrived, in order."""
    return [seen.url.partition("/events/")[2].partition("?")[0] for seen in bench.requests]


async def test_events_wait_for_the_group_and_its_name_and_then_arrive_in_order(bench: Bench) -> None:
    one = await bench.track(userId="u1", event="One")
    two = await bench.page(userId="u1", name="Two")
    assert await bench.fate(one) == ("held", "group_unknown")
    await bench.group(userId="u1", groupId="acme", traits={})
    assert await bench.fate(two) == ("held", "group_name_unknown")
    await join(bench, "u2")
    assert names(bench) == ["One", "Viewed%20App%20Two%20Page"]
    ledger = await bench.ledger()
    assert (ledger["delivered"], ledger["skipped"]) == (2, 2)


async def test_each_event_is_counted_once_through_retries_and_crashes(bench: Bench) -> None:
    users = [f"u{n}" for n in range(8)]
    await join(bench, *users)
    for first in range(0, 100, 25):
        bench.vendor.script(Reply(500))
        await bench.post([{"type": "track", "userId": users[n % 8], "event": "Run"} for n in range(first, first + 25)])
        await bench.crash()
    await bench.advance(minutes=5)
    assert (await bench.ledger())["delivered"] == 100
    assert sum(shard["events"] for shard in bench.states().values()) == 100


@pytest.mark.parametrize(
    ("reply", "state", "reason"),
    [
        (Reply(400), "dead", "rejected"),
        (Reply(413), "dead", "too_large"),
        (Reply(422), "dead", "rejected"),
        (Reply(201, json={"created": False}), "dead", "rejected"),
        (Reply(200, body=b"<html>"), "delivered", ""),
        (Reply(500), "retrying", "status_500"),
        (Reply(403), "retrying", "status_403"),
        (Reply(404), "retrying", "status_404"),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Reply) else "",
)
async def test_what_follows_from_an_answer(bench: Bench, reply: Reply, state: str, reason: str) -> None:
    await join(bench, "u1")
    bench.vendor.script(reply)
    assert await bench.fate(await run(bench)) == (state, reason)


async def test_after_a_500_it_is_tried_again(bench: Bench) -> None:
    await join(bench, "u1")
    bench.vendor.script(Reply(500))
    event = await run(bench)
    await bench.advance(seconds=5)
    assert (await bench.fate(event), len(bench.requests)) == (("delivered", ""), 2)


async def test_a_429_is_waited_out(bench: Bench) -> None:
    await join(bench, "u1")
    bench.vendor.script(Reply(429, headers={"Retry-After": "2"}))
    await run(bench)
    await bench.advance(seconds=1.9)
    assert len(bench.requests) == 1
    await bench.advance(seconds=0.2)
    assert len(bench.requests) == 2


async def test_a_refused_key_pauses_the_destination_after_one_attempt_and_loses_nothing(bench: Bench) -> None:
    await join(bench, "u1", "u2")
    bench.vendor.default = Reply(401)
    for user in ("u1", "u2"):
        await run(bench, user)
    await bench.advance(minutes=1)
    ledger = await bench.ledger()
    assert (bench.status, len(bench.requests)) == (("paused", "credentials"), 1)
    assert (ledger["queued"], ledger["dead"]) == (2, 0)
