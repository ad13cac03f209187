"""Freshsuccess at a running worker: half an hour of the router's clock, and the hour in which an account may still come."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from plugins.freshsuccess import Freshsuccess
from router.testing import Bench, Received, Reply
from router.testing.clock import START_MS

KEYS = {"event_auth_key": "AUTH", "event_api_key": "KEY", "account_api_key": "AKEY"}
WRITTEN = Reply(json={"status_is_ok": True})
NOT_FOUND = {"message": "Account not found", "account_id": "acme", "user_id": "u1", "record": 0}


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with Bench(Freshsuccess, KEYS) as bench:
        bench.vendor.default = WRITTEN
        yield bench


def lines(bench: Bench) -> list[list[dict[str, Any]]]:
    """The lines of each request to the Event API."""
    bodies = [seen.body.splitlines() for seen in bench.requests if "//events-us." in seen.url]
    return [[json.loads(line) for line in body] for body in bodies]


async def four_minutes_in_the_dashboard(bench: Bench) -> None:
    """Two tracks of one session, the last after four minutes."""
    ids = {"userId": "u1", "anonymousId": "anon-1", "event": "Opened"}
    await bench.group(userId="u1", groupId="acme")
    await bench.track(**ids, properties={"module": "Dashboard"})
    await bench.advance(minutes=4)
    await bench.track(**ids, properties={})


ENDED = [
    {
        "account_id": "acme",
        "user_id": "u1",
        "created_at": START_MS + 240_000,
        "session_id": "anon-1",
        **ended,
    }
    for ended in (
        {"action": "moduleEnd", "module": "Dashboard", "time_spent": 240_000},
        {"action": "sessionSync", "active_duration": 240_000},
    )
]
"""What four minutes in the dashboard come to."""


async def test_a_session_ends_when_nothing_came_for_half_an_hour_and_is_told_once(bench: Bench) -> None:
    await four_minutes_in_the_dashboard(bench)
    await bench.advance(minutes=29, seconds=59)
    assert len(lines(bench)) == 2
    await bench.advance(seconds=2)
    assert lines(bench)[2:] == [ENDED]
    await bench.advance(hours=1)
    assert len(lines(bench)) == 3


@pytest.mark.parametrize("minutes", [1, 29, 31, 300])
async def test_a_session_that_a_crash_interrupts_is_told_once_and_the_same(bench: Bench, minutes: int) -> None:
    """However long the router is away."""
    await four_minutes_in_the_dashboard(bench)
    await bench.crash(minutes=minutes)
    await bench.advance(minutes=max(0, 30 - minutes), seconds=5)
    await bench.crash()
    await bench.advance(hours=1)
    assert lines(bench)[2:] == [ENDED]


async def test_a_user_is_tried_again_for_an_hour_while_the_account_is_missing(bench: Bench) -> None:
    tries: list[str] = []

    def answer(seen: Received) -> Reply:
        if not (seen.url.endswith("/account_users") and b"Ada" in seen.body):
            return WRITTEN
        tries.append(seen.url)
        return Reply(json={"status_is_ok": True, "failed_results": [NOT_FOUND]})

    async def pass_time(seconds: int) -> None:
        """Others succeed meanwhile, so the breaker stays shut."""
        for _ in range(0, seconds, 100):
            await bench.advance(seconds=100)
            await bench.identify(userId="u2", traits={"first_name": "Grace"})

    bench.vendor.answer = answer
    await bench.group(userId="u1", groupId="acme")
    await bench.group(userId="u2", groupId="acme")
    ada = await bench.identify(userId="u1", traits={"first_name": "Ada"})
    await pass_time(3500)
    assert await bench.fate(ada) == ("retrying", "account_not_found")
    assert 5 < len(tries) < 60
    await pass_time(500)
    assert (await bench.fate(ada)).state == "dead"
    so_far = len(tries)
    await pass_time(3600)
    assert len(tries) == so_far
