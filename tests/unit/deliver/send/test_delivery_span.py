"""Each request to a vendor is a span: of which requests its events are, what it came to, and nothing of an event."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from router.deliver.lanes.delivery import Delivery
from router.deliver.lanes.lane import Lane
from router.deliver.send.batcher import Batcher
from router.event import Envelope, with_trace
from router.plugin import Batch, Item, Outcome, Pause, Reject, RetryLater
from router.vocabulary import Line
from tests.contract.clients import VendorClient
from tests.contract.rig import Plain, over_http
from tests.unit.deliver.parts import Parts, log_row
from tests.unit.tracing.recording import RecordingTracing

ONE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TWO = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SENT = {"segment_router.destination": "d", "segment_router.line": "live", "segment_router.attempt": 1}


class Traced:
    """A batcher whose requests are traced, with a vendor that answers what it is told."""

    def __init__(self, plugin: type[Plain] = Plain, share: float = 1.0) -> None:
        parts = Parts(type("Kinds", (plugin,), {"kinds": {"": Batch(max_items=10)}}))
        self.tracing = RecordingTracing(share)
        self.vendor = parts.vendor
        self.gate: asyncio.Event | None = None
        self.batcher = Batcher(
            replace(parts.context, tracing=self.tracing),
            VendorClient(parts.vendor.exchange),
            parts.breaker,
            lambda ended: [(one.batch, []) for one in ended],
            lambda: None,
        )

    def add(self, pos: int, traceparent: str = "", attempts: int = 0, type: str = "track") -> None:
        """Queue an event of this request."""
        row, key = log_row(pos, f"u:{pos}", type), f"u:{pos}"
        body = Envelope().line() + b'{"email":"eva@example.com"}'
        row.body = with_trace(body, traceparent) if traceparent else body
        delivery = Delivery(row, Lane(key, is_loaded=True))
        delivery.items = [Item({"p": pos})]
        if attempts:
            delivery.fields.attempts = attempts
        self.batcher.add(delivery, Line.LIVE)

    async def send(self, *traceparents: str, told: Any = None) -> None:
        """Send an event of each of these requests together, and wait for the answer."""
        if told is not None:
            self.vendor.answer = lambda bodies: told
        for pos, traceparent in enumerate(traceparents, 1):
            self.add(pos, traceparent)
        self.batcher.pump()
        await self.batcher.drain(60.0)


def hang(traced: Traced) -> None:
    """The vendor never answers."""
    never = asyncio.Event()

    async def wait() -> None:
        await never.wait()

    traced.vendor.answer = lambda bodies: wait()


PLUGINS = pytest.mark.parametrize("plugin", [Plain, over_http(Plain)], ids=["deliver", "request"])


@PLUGINS
async def test_a_request_with_events_of_one_request_is_part_of_its_trace(plugin: type[Plain]) -> None:
    traced = Traced(plugin)
    await traced.send(ONE, ONE)
    (span,) = traced.tracing.spans
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}" == ONE.split("-")[1]
    [(name, attributes, fault)] = traced.tracing.told()
    assert (name, fault) == ("deliver d", "")
    assert attributes.items() >= {**SENT, "segment_router.events": 2, "segment_router.outcome": "delivered"}.items()


@PLUGINS
async def test_a_request_with_events_of_several_requests_is_linked_to_each(plugin: type[Plain]) -> None:
    traced = Traced(plugin)
    await traced.send(ONE, TWO, "")
    (span,) = traced.tracing.spans
    assert span.parent is None
    assert [f"{link.context.trace_id:032x}" for link in span.links] == [ONE.split("-")[1], TWO.split("-")[1]]


@pytest.mark.parametrize(
    ("told", "fault", "outcome"),
    [
        (RetryLater("status_503"), "status_503", "retry"),
        (Reject("status_400", "eva@example.com is no address"), "status_400", "rejected"),
        (Pause("credentials"), "credentials", "pause"),
        (Reject("eva@example.com"), "other", "rejected"),
    ],
)
async def test_what_failed_is_told_in_words_of_the_router_alone(told: Outcome, fault: str, outcome: str) -> None:
    traced = Traced()
    await traced.send(ONE, told=told)
    [(_, attributes, said)] = traced.tracing.told()
    assert said == fault
    assert (attributes["segment_router.outcome"], attributes["segment_router.reason"]) == (outcome, fault)


async def test_nothing_of_an_event_is_in_a_span() -> None:
    traced = Traced()
    await traced.send(ONE, told=Reject("status_400", "eva@example.com is no address"))
    assert "eva" not in json.dumps([json.loads(span.to_json()) for span in traced.tracing.spans])


async def test_the_status_of_the_answer_is_told() -> None:
    traced = Traced(over_http(Plain))
    await traced.send(ONE, told=RetryLater("status_503"))
    assert traced.tracing.told()[0][1]["http.response.status_code"] == 503


async def test_what_is_cut_ends_its_span() -> None:
    traced = Traced()
    hang(traced)
    traced.add(1, ONE)
    traced.batcher.pump()
    traced.batcher.cut()
    assert [fault for _, _, fault in traced.tracing.told()] == ["cut"]


async def test_what_is_abandoned_ends_its_span_once() -> None:
    traced = Traced()
    hang(traced)
    traced.add(1, ONE)
    traced.batcher.pump()
    traced.batcher.abandon()
    traced.batcher.cut()
    assert [fault for _, _, fault in traced.tracing.told()] == ["cut"]


async def test_what_others_cancel_ends_its_span() -> None:
    traced = Traced()
    hang(traced)
    traced.add(1, ONE)
    traced.batcher.pump()
    sending = [task for task in asyncio.all_tasks() if task.get_name().startswith("deliver")]
    await asyncio.sleep(0)
    for task in sending:
        task.cancel()
    await asyncio.wait(sending)
    assert [fault for _, _, fault in traced.tracing.told()] == ["plugin_error"]


async def test_a_span_that_cannot_begin_leaves_nothing_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    traced = Traced()

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no span")

    monkeypatch.setattr(traced.tracing, "delivery", fail)
    traced.add(1, ONE)
    with pytest.raises(RuntimeError, match="no span"):
        traced.batcher.pump()
    assert traced.batcher.in_flight == 0


async def test_a_deletion_is_drawn_like_a_request_and_an_event_is_not() -> None:
    traced = Traced()
    traced.add(1)
    traced.batcher.pump()
    traced.add(2, type="forget")
    traced.batcher.pump()
    await traced.batcher.drain(60.0)
    assert [attributes["segment_router.events"] for _, attributes, _ in traced.tracing.told()] == [1]


async def test_a_second_attempt_says_so() -> None:
    traced = Traced()
    traced.add(1, ONE, attempts=2)
    traced.batcher.pump()
    await traced.batcher.drain(60.0)
    assert traced.tracing.told()[0][1]["segment_router.attempt"] == 3


async def test_what_was_not_traced_has_no_span_where_the_share_leaves_it_out() -> None:
    traced = Traced(share=0.0)
    await traced.send("", "")
    assert traced.tracing.spans == ()
