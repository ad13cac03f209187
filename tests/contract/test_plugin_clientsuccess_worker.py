"""ClientSuccess at a running worker: the gate, the quota's counts through crashes, and what follows from each answer."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import pytest

from plugins.clientsuccess import ClientSuccess, ClientSuccessSettings
from router.plugin import SecretStr
from router.testing.vendor import FakeVendor, Reply
from tests.contract.rig import Rig, Vendor, open_rig

CREATED = Reply(201, json={"created": True})


class KeyedSettings(ClientSuccessSettings):
    """ClientSuccess', with project and key."""

    project_id: str = "PID"
    api_key: SecretStr = SecretStr("KEY")


class Wired(ClientSuccess):
    """ClientSuccess as it is, sending to `base_url`."""

    settings_model = KeyedSettings
    base_url: ClassVar[str] = ""
    vendor: Vendor

    def __init__(self, settings: ClientSuccessSettings) -> None:
        super().__init__(settings.model_copy(update={"base_url": self.base_url}))


@pytest.fixture
async def collector() -> AsyncIterator[FakeVendor]:
    async with FakeVendor(CREATED) as vendor:
        Wired.base_url = vendor.url
        yield vendor


@pytest.fixture
async def rig(tmp_path: Path, collector: FakeVendor) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path) as rig:
        rig.start(Wired)
        await rig.quiet()
        yield rig


async def join(rig: Rig, *users: str, **traits: Any) -> None:
    for user in users:
        await rig.call("group", f"g-{user}", userId=user, groupId="acme", traits={"name": "Acme Inc.", **traits})


def names(collector: FakeVendor) -> list[str]:
    """The events that arrived, in order."""
    return [seen.url.partition("/events/")[2].partition("?")[0] for seen in collector.requests]


def counted(folder: Path) -> int:
    """Events counted towards the quota, over all its shards."""
    with closing(sqlite3.connect(folder / "router.db")) as db:
        return sum(json.loads(value)["events"] for (value,) in db.execute("SELECT value FROM state"))


async def test_events_wait_for_the_group_and_its_name_and_then_arrive_in_order(rig: Rig, collector: FakeVendor) -> None:
    await rig.call("track", "m1", userId="u1", event="One")
    await rig.call("page", "m2", userId="u1", name="Two")
    await rig.quiet()
    assert await rig.fate("m1") == ("held", "group_unknown")
    await rig.call("group", "g1", userId="u1", groupId="acme")
    await rig.quiet()
    assert await rig.fate("m2") == ("held", "group_name_unknown")
    await rig.call("group", "g2", userId="u2", groupId="acme", traits={"name": "Acme Inc."})
    ledger = await rig.quiet()
    assert names(collector) == ["One", "Viewed%20Two%20Page"]
    assert (ledger["delivered"], ledger["skipped"]) == (2, 2)


async def test_each_event_is_counted_once_through_retries_and_crashes(
    rig: Rig, collector: FakeVendor, tmp_path: Path
) -> None:
    users = [f"u{n}" for n in range(8)]
    await join(rig, *users)
    for n in range(100):
        if n % 20 == 0:
            collector.script(Reply(500))
        await rig.call("track", f"m{n}", userId=users[n % 8], event="Run")
        if n % 25 == 24:
            await rig.crash()
            rig.start(Wired)
    ledger = await rig.pass_time(300, step=10)
    assert ledger["delivered"] == 100
    assert counted(tmp_path) == 100


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
async def test_what_follows_from_an_answer(
    rig: Rig, collector: FakeVendor, reply: Reply, state: str, reason: str
) -> None:
    await join(rig, "u1")
    collector.script(reply)
    await rig.call("track", "m1", userId="u1", event="Run")
    await rig.quiet()
    assert await rig.fate("m1") == (state, reason)


async def test_after_a_500_it_is_tried_again(rig: Rig, collector: FakeVendor) -> None:
    await join(rig, "u1")
    collector.script(Reply(500))
    await rig.call("track", "m1", userId="u1", event="Run")
    await rig.pass_time(5)
    assert len(collector.requests) == 2
    assert await rig.fate("m1") == ("delivered", "")


async def test_a_429_is_waited_out(rig: Rig, collector: FakeVendor) -> None:
    await join(rig, "u1")
    collector.script(Reply(429, headers={"Retry-After": "2"}))
    await rig.call("track", "m1", userId="u1", event="Run")
    await rig.pass_time(1.9, step=0.1)
    assert len(collector.requests) == 1
    await rig.pass_time(0.2, step=0.1)
    assert len(collector.requests) == 2


async def test_a_refused_key_pauses_the_destination_after_one_attempt_and_loses_nothing(
    rig: Rig, collector: FakeVendor
) -> None:
    await join(rig, "u1", "u2")
    collector.default = Reply(401)
    await rig.call("track", "m1", userId="u1", event="Run")
    ledger = await rig.quiet()
    await rig.call("track", "m2", userId="u2", event="Run")
    ledger = await rig.pass_time(60)
    assert (rig.runner.status.state, rig.runner.status.reason) == ("paused", "credentials")
    assert len(collector.requests) == 1
    assert (ledger["queued"], ledger["dead"]) == (2, 0)
