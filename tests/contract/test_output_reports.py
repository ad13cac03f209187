"""Why events are dead or retrying, and who sent the newest ones, as the store tells it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from router.event import Call
from router.plugin import Reject, RetryLater
from tests.contract.rig import Plain, Rig, open_rig

pytestmark = pytest.mark.usefixtures("backend")

REASONS = {"m0": "rejected", "m1": "rejected", "m2": "too_large"}


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path) as rig:
        rig.start(Plain)
        await rig.runner.worker()
        yield rig


async def test_the_newest_failures_come_first_and_no_more_than_asked_for(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: Reject("rejected", "no such user")
    for n in range(3):
        await rig.call("track", f"m{n}", userId=f"u{n}", event="E")
        await rig.quiet()
        await rig.pass_time(5)
    found = await rig.store.output_reports.failures("d", 2)
    assert [(one["message_id"], one["state"], one["words"]) for one in found] == [
        ("m2", "dead", "no such user"), ("m1", "dead", "no such user"),
    ]  # fmt: skip
    assert await rig.store.output_reports.failures("other", 2) == []


async def test_a_retrying_event_is_told_once_by_its_last_attempt(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: RetryLater("busy", "come again")
    await rig.call("track", "m1", userId="u1", event="E")
    await rig.quiet()
    await rig.pass_time(120)
    [found] = await rig.store.output_reports.failures("d", 10)
    assert (found["message_id"], found["state"], found["reason"]) == ("m1", "retrying", "busy")


async def test_dead_letters_are_counted_by_reason(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: [Reject(REASONS[body["m"]], "no") for body in bodies]
    for message_id in REASONS:
        await rig.call("track", message_id, userId=message_id, event="E")
    await rig.quiet()
    reasons = await rig.store.output_reports.dead_reasons("d", 100)
    assert [(one["reason"], one["count"]) for one in reasons] == [("rejected", 2), ("too_large", 1)]


async def test_the_newest_calls_come_with_what_became_of_them(rig: Rig) -> None:
    for n in range(3):
        await rig.call("track", f"m{n}", userId="u1", event="E")
    await rig.quiet()
    found = await rig.store.output_reports.newest_calls("d", 2)
    assert [(call.message_id, state) for call, state, _ in found] == [("m2", "delivered"), ("m1", "delivered")]


@pytest.mark.parametrize(
    ("envelope", "context", "told"),
    [
        ({}, {"library": {"name": "analytics.js", "version": "5"}}, ("analytics.js", "5")),
        ({"c": {"library": {"name": "analytics-ios", "version": "3.7"}}}, None, ("analytics-ios", "3.7")),
        ({}, {"library": "text"}, ("", "")),
        ({}, {"library": {"name": 7}}, ("", "")),
        ({}, None, ("", "")),
        ({}, {"library": {"name": "x" * 500}}, ("x" * 80, "")),
    ],
)
async def test_the_library_of_a_call_is_its_own_or_that_of_its_batch(
    rig: Rig, envelope: dict[str, Any], context: Any, told: tuple[str, str]
) -> None:
    call = {"type": "track", "userId": "u1", "event": "E", **({"context": context} if context is not None else {})}
    body = json.dumps(envelope).encode() + b"\n" + json.dumps(call).encode()
    await rig.accept([Call("website", "track", "m1", "u:u1", rig.clock.now_ms(), body)])
    found = await rig.store.input_reports.clients("website", 10)
    assert [(one["library"], one["version"], one["count"]) for one in found["items"]] == [(*told, 1)]
    assert (await rig.store.input_reports.clients("other", 10))["events"] == 0
