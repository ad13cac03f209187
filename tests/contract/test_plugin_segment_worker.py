"""Segment at a running worker, against a strict API: batches, a bad event, a bad key, what went there before, crashes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from plugins.segment import Segment
from router.testing import Bench, Hang, Received, Reply, every_call
from tests.vendors.at_bench import AtBench
from tests.vendors.segment import SegmentVendor

SETTINGS: dict[str, Any] = {"write_key": "wk_s3cret", "base_url": "https://api.test", "batch": 100}


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with Bench(Segment, SETTINGS) as bench:
        yield bench


@pytest.fixture
def api(bench: Bench) -> AtBench:
    return AtBench(bench, SegmentVendor(), SETTINGS)


def forwarded(bench: Bench) -> list[list[str]]:
    """The message ids of each request."""
    return [[call["messageId"] for call in seen.json()["batch"]] for seen in bench.requests]


async def test_events_of_many_users_fill_batches_and_nothing_is_refused(bench: Bench, api: AtBench) -> None:
    sent = await bench.post([{"type": "track", "userId": f"u{n}"} for n in range(250)])
    batches = forwarded(bench)
    assert [len(ids) for ids in batches] == [100, 100, 50]
    assert [id for ids in batches for id in ids] == sent
    assert (api.refusals, (await bench.ledger())["delivered"]) == ([], 250)


async def test_a_strict_api_takes_every_oddity_of_real_traffic(bench: Bench, api: AtBench) -> None:
    await bench.post(every_call().values())
    ledger = await bench.ledger()
    assert (api.refusals, ledger["queued"], ledger["retrying"]) == ([], 0, 0)
    assert ledger["delivered"] > 30


async def test_a_batch_is_halved_until_the_event_that_is_refused_is_alone(bench: Bench) -> None:
    def answer(seen: Received) -> Reply:
        bad = any(call["event"] == "Bad" for call in seen.json()["batch"])
        return Reply(400, json={"success": False, "message": "malformed"}) if bad else Reply(json={"success": True})

    bench.vendor.answer = answer
    names = ["A", "B", "Bad", "C", "D"]
    sent = await bench.post([{"type": "track", "userId": name, "event": name} for name in names])
    fates = dict(zip(names, [await bench.fate(one) for one in sent], strict=True))
    assert fates.pop("Bad") == ("dead", "rejected")
    assert set(fates.values()) == {("delivered", "")}


async def test_a_key_that_nobody_s_events_are_taken_with_pauses_and_loses_nothing(bench: Bench) -> None:
    bench.vendor.default = Reply(400, body=b"invalid writeKey wk_s3cret")
    for user in ("u1", "u2", "u3"):
        await bench.track(userId=user)
    assert bench.status == ("paused", "credentials")
    assert bench.describe()["state_detail"] == "status 400: invalid writeKey ***"
    bench.vendor.default = Reply(json={"success": True})
    await bench.resume()
    assert (await bench.ledger())["delivered"] == 3


async def test_what_an_end_cuts_is_forwarded_again_with_the_same_ids(bench: Bench, api: AtBench) -> None:
    bench.vendor.script(Hang())
    sent = await bench.post([{"type": "identify"}, {"type": "track", "userId": "u2"}])
    await bench.crash()
    assert forwarded(bench) == [sent, sent]
    assert bench.requests[0].body == bench.requests[1].body


async def test_a_call_that_has_been_there_before_is_skipped(bench: Bench, api: AtBench) -> None:
    await bench.track()
    (call,) = bench.requests[0].json()["batch"]
    back = await bench.post([{**call, "messageId": "back"}])
    assert await bench.fate(back[0]) == ("skipped", "loop")
