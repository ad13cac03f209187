"""Freshsuccess at a running worker: half an hour of the router's clock, and the hour in which an account may still come."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest

from plugins.freshsuccess import Freshsuccess, FreshsuccessSettings
from router.plugin import SecretStr
from router.testing.vendor import FakeVendor, Received, Reply
from tests.contract.rig import Rig, Vendor, open_rig

TEN_O_CLOCK = int(datetime(2026, 3, 1, 10, tzinfo=UTC).timestamp() * 1000)
WRITTEN = Reply(json={"status_is_ok": True})
NOT_FOUND = {"message": "Account not found", "account_id": "acme", "user_id": "u1", "record": 0}


class KeyedSettings(FreshsuccessSettings):
    """Freshsuccess', with its keys."""

    event_auth_key: SecretStr = SecretStr("AUTH")
    event_api_key: SecretStr = SecretStr("KEY")
    account_api_key: SecretStr = SecretStr("AKEY")


class Wired(Freshsuccess):
    """Freshsuccess as it is, both APIs at `base_url`."""

    settings_model = KeyedSettings
    base_url: ClassVar[str] = ""
    vendor: Vendor

    def __init__(self, settings: FreshsuccessSettings) -> None:
        urls = {"events_base_url": self.base_url, "api_base_url": self.base_url}
        super().__init__(settings.model_copy(update=urls))


@pytest.fixture
async def apis() -> AsyncIterator[FakeVendor]:
    async with FakeVendor(WRITTEN) as vendor:
        Wired.base_url = vendor.url
        yield vendor


@pytest.fixture
async def rig(tmp_path: Path, apis: FakeVendor) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path) as rig:
        rig.clock.ms = TEN_O_CLOCK
        rig.start(Wired)
        await rig.quiet()
        yield rig


def bodies(apis: FakeVendor) -> list[list[dict[str, Any]]]:
    """The lines of each request to the Event API."""
    lines = [seen.body.splitlines() for seen in apis.requests if seen.url.startswith("/v1/")]
    return [[json.loads(line) for line in body] for body in lines]


async def four_minutes_in_the_dashboard(rig: Rig) -> None:
    """Two tracks of one session, the last at 10:04."""
    ids = {"userId": "u1", "anonymousId": "anon-1", "event": "Opened"}
    await rig.call("group", "g1", userId="u1", groupId="acme")
    await rig.call("track", "m1", **ids, properties={"module": "Dashboard"})
    await rig.pass_time(240, step=60)
    await rig.call("track", "m2", **ids)
    await rig.quiet()


ENDED = [
    {
        "account_id": "acme",
        "user_id": "u1",
        "created_at": TEN_O_CLOCK + 240_000,
        "session_id": "anon-1",
        **ended,
    }
    for ended in (
        {"action": "moduleEnd", "module": "Dashboard", "time_spent": 240_000},
        {"action": "sessionSync", "active_duration": 240_000},
    )
]
"""What four minutes in the dashboard come to."""


async def test_a_session_ends_when_nothing_came_for_half_an_hour_and_is_told_once(rig: Rig, apis: FakeVendor) -> None:
    await four_minutes_in_the_dashboard(rig)
    await rig.pass_time(29 * 60, step=60)
    await rig.pass_time(59, step=1)
    assert len(bodies(apis)) == 2
    await rig.pass_time(2, step=1)
    assert bodies(apis)[2:] == [ENDED]
    await rig.pass_time(3600, step=300)
    assert len(bodies(apis)) == 3


@pytest.mark.parametrize("minutes", [1, 29, 31, 300])
async def test_a_session_that_a_crash_interrupts_is_told_once_and_the_same(
    rig: Rig, apis: FakeVendor, minutes: int
) -> None:
    """However long the router is away."""
    await four_minutes_in_the_dashboard(rig)
    await rig.crash()
    rig.clock.advance(60 * minutes)
    rig.start(Wired)
    await rig.quiet()
    await rig.pass_time(max(0, 30 - minutes) * 60 + 5, step=60)
    await rig.crash()
    rig.start(Wired)
    await rig.pass_time(3600, step=300)
    assert bodies(apis)[2:] == [ENDED]


async def test_a_user_is_tried_again_for_an_hour_while_the_account_is_missing(rig: Rig, apis: FakeVendor) -> None:
    tries: list[str] = []

    def answer(seen: Received) -> Reply:
        if not (seen.url.endswith("/account_users") and b"Ada" in seen.body):
            return WRITTEN
        tries.append(seen.url)
        return Reply(json={"status_is_ok": True, "failed_results": [NOT_FOUND]})

    async def pass_time(seconds: int) -> None:
        """Others succeed meanwhile, so the breaker stays shut."""
        for at in range(0, seconds, 100):
            await rig.pass_time(100, step=20)
            await rig.call("identify", f"other{len(tries)}-{at}", userId="u2", traits={"first_name": "Grace"})
            await rig.quiet()

    apis.answer = answer
    await rig.call("group", "g1", userId="u1", groupId="acme")
    await rig.call("group", "g2", userId="u2", groupId="acme")
    await rig.call("identify", "i1", userId="u1", traits={"first_name": "Ada"})
    await pass_time(3500)
    assert await rig.fate("i1") == ("retrying", "account_not_found")
    assert 5 < len(tries) < 60
    await pass_time(500)
    assert (await rig.fate("i1"))[0] == "dead"
    so_far = len(tries)
    await pass_time(3600)
    assert len(tries) == so_far
