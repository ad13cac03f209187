"""Traces of a whole daemon at a collector: what it gets, and what it costs where it is down, hangs or is not there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from router.testing.ports import HeldPort
from router.testing.vendor import FakeVendor, Reply
from tests.contract.http_client.certificates import Authority
from tests.contract.http_client.raw_vendor import RawVendor, says
from tests.flow.harness import AUTHORIZATION, WRITE_KEY, Daemon, destination, eventually
from tests.trace_collector import Seen, TraceCollector

CLIENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OK = Reply(200, json={})


def traced(folder: Path, vendor: FakeVendor, endpoint: str, plugin: str = "collector", **tracing: Any) -> Daemon:
    """A daemon with one destination at this vendor, whose traces go there."""
    tables = [destination("hook", plugin, {"base_url": vendor.url})]
    return Daemon(folder, tables, tracing={"endpoint": endpoint, **tracing})


@pytest.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    async with FakeVendor(OK) as vendor:
        yield vendor


@pytest.fixture
async def collector() -> AsyncIterator[TraceCollector]:
    async with TraceCollector() as collector:
        yield collector


def has_loaded_it(daemon: Daemon) -> bool:
    """Whether the process has loaded the library that writes what is exported."""
    assert daemon.process is not None
    return "google/_upb" in Path(f"/proc/{daemon.process.pid}/maps").read_text()


def named(spans: list[Seen], name: str) -> list[Seen]:
    return [span for span in spans if span.name == name]


async def test_a_clients_trace_goes_on_through_the_router_to_the_vendor(
    tmp_path: Path, vendor: FakeVendor, collector: TraceCollector
) -> None:
    """Client, request, delivery: one trace; and the header of the export is sent."""
    headers = {"x-api-key": {"env": "HOME"}, "x-team": "blue"}
    async with traced(tmp_path, vendor, collector.url, headers=headers) as daemon:
        call = {"userId": "eva@example.com", "event": "Signed Up", "messageId": "message-1"}
        given = {**AUTHORIZATION, "traceparent": CLIENT}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{daemon.url}/v1/track", json=call, headers=given) as answer,
        ):
            assert answer.status == 200
        spans = await collector.until(lambda spans: len(spans) >= 2)
        (request,), (delivery,) = named(spans, "ingest"), named(spans, "deliver hook")
        assert request.trace_id == delivery.trace_id == CLIENT.split("-")[1]
        assert (request.parent_id, delivery.parent_id) == (CLIENT.split("-")[2], request.span_id)
        assert request.attributes == {
            "segment_router.source": "website", "segment_router.events": 1, "segment_router.discards": 0,
            "segment_router.duplicates": 0,
        }  # fmt: skip
        assert delivery.attributes == {
            "segment_router.destination": "hook", "segment_router.line": "live", "segment_router.events": 1,
            "segment_router.attempt": 1, "segment_router.outcome": "delivered", "http.response.status_code": 200,
        }  # fmt: skip
        assert collector.paths[0] == "/v1/traces"
        assert collector.headers["x-team"] == "blue"
        assert collector.headers["x-api-key"]
        assert collector.about["service.name"] == "segment-router"
        assert (await daemon.message("message-1"))["trace_id"] == CLIENT.split("-")[1]
        assert has_loaded_it(daemon)
        assert "traceparent" not in vendor.requests[0].headers
        written = json.dumps([spans, collector.about])
        assert not [word for word in ("eva", "Signed", "message-1", WRITE_KEY) if word in written]


async def test_a_batch_is_linked_to_the_requests_of_its_events_also_after_a_kill(
    tmp_path: Path, vendor: FakeVendor, collector: TraceCollector
) -> None:
    """The trace is in the store: the vendor was down, the daemon was killed, and the delivery still refers to both requests."""
    vendor.default = Reply(401)
    async with traced(tmp_path, vendor, collector.url) as daemon:
        for number in range(2):
            await daemon.post("track", userId=f"u{number}", event="E", messageId=f"m{number}")

        async def paused() -> bool:
            return bool((await daemon.counts("hook"))["state"] == "paused")

        await eventually(paused, what="the destination is paused")
        spans = await collector.until(lambda spans: len(named(spans, "ingest")) >= 2)
        requests = {(span.trace_id, span.span_id) for span in named(spans, "ingest")}
        assert named(await collector.until(lambda spans: bool(named(spans, "deliver hook"))), "deliver hook")[0].fault
        daemon.kill()
        collector.spans.clear()
        vendor.default = OK
        await daemon.restart()
        assert (await daemon.admin("POST", "/api/destinations/hook/resume"))[0] == 200
        await daemon.settled()
        found: set[tuple[str, str]] = set()

        def has_both(spans: list[Seen]) -> bool:
            good = [span for span in named(spans, "deliver hook") if not span.fault]
            found.update(*(span.links or [(span.trace_id, span.parent_id)] for span in good))
            return found == requests

        await collector.until(has_both)


async def test_what_waits_is_sent_before_the_daemon_ends(
    tmp_path: Path, vendor: FakeVendor, collector: TraceCollector
) -> None:
    """SIGTERM: the last spans do not wait for a fuller export."""
    async with traced(tmp_path, vendor, collector.url) as daemon:
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.settled()
        assert await daemon.terminate() == 0
        assert {span.name for span in collector.spans} == {"ingest", "deliver hook"}


async def test_a_collector_that_is_not_there_costs_its_spans_and_one_warning(
    tmp_path: Path, vendor: FakeVendor
) -> None:
    """Events are taken and delivered, a stop is a stop; once it is there, spans come."""
    held = HeldPort()
    async with traced(tmp_path, vendor, f"http://127.0.0.1:{held.number}") as daemon:
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.settled()
        (told,) = await daemon.logged("tracing_failed")
        assert told["detail"]
        assert told["endpoint"].startswith(f"http://127.0.0.1:{held.number}")
        await daemon.post("track", userId="u1", event="E", messageId="m2")
        await daemon.settled()
        async with TraceCollector(held.number) as collector:

            async def seen() -> bool:
                await daemon.post("track", userId="u1", event="E", messageId="m3")
                return bool(collector.spans)

            await eventually(seen, what="spans come")
            (told,) = await daemon.logged("tracing_recovered")
            assert told["lost"] >= 1, "those of one export; what is tried again may arrive"
        assert await daemon.terminate() == 0
        events = [line["event"] for line in daemon.log()]
        assert events.count("tracing_failed") <= 2, "once an outage"
        assert "library_logged" not in events
    held.close()


@pytest.mark.parametrize("status", [400, 503])
async def test_a_collector_that_refuses_costs_its_spans_and_one_warning(
    tmp_path: Path, status: int, vendor: FakeVendor, collector: TraceCollector
) -> None:
    """Whether it is to be tried again or not."""
    collector.status = status
    async with traced(tmp_path, vendor, collector.url) as daemon:
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.settled()
        await daemon.logged("tracing_failed")
        assert await daemon.terminate() == 0
        assert len(daemon.log("tracing_failed")) == 1


async def test_a_collector_that_hangs_holds_up_neither_events_nor_the_end(
    tmp_path: Path, vendor: FakeVendor, collector: TraceCollector
) -> None:
    """The daemon says at its end that the last spans were not taken."""
    collector.gate = asyncio.Event()
    async with traced(tmp_path, vendor, collector.url) as daemon:
        for first in range(0, 3_000, 100):
            calls = [
                {"type": "track", "userId": f"u{n}", "event": "E", "messageId": f"m{n}"}
                for n in range(first, first + 100)
            ]
            await daemon.batch(calls)
        await collector.asked(1)
        ledger = await daemon.settled()
        assert ledger["destinations"]["hook"]["delivered"] == 3_000
        assert await daemon.terminate() == 0
        assert daemon.log("tracing_failed")
        assert daemon.log("daemon_stopped")
    collector.gate.set()


async def test_a_collector_with_tls_gets_its_spans_where_its_authority_is_trusted(
    tmp_path: Path, vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate authority of one's own, as in other programs with this SDK. Without it: one warning, and events go on."""
    (tmp_path / "authority").mkdir()
    authority = Authority(tmp_path / "authority")
    async with (
        TraceCollector(ssl=authority.server()) as collector,
        traced(tmp_path, vendor, collector.url) as daemon,
    ):
        for number in range(3):
            await daemon.post("track", userId="u1", event="E", messageId=f"untrusted-{number}")
        await daemon.settled()
        (told,) = await daemon.logged("tracing_failed")
        assert told["endpoint"] == f"{collector.url}/v1/traces"
        assert "certificate" in told["detail"].lower()
        assert await daemon.terminate() == 0
        assert not collector.spans
        (tmp_path / "another").mkdir()
        Authority(tmp_path / "another")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "another/ca.pem"))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(tmp_path / "authority/ca.pem"))
        await daemon.restart()
        await daemon.post("track", userId="u1", event="E", messageId="trusted")
        spans = await collector.until(lambda spans: len(spans) >= 2)
        assert {span.name for span in spans} == {"ingest", "deliver hook"}
        await daemon.settled()
        assert len(daemon.log("tracing_failed")) == 1, "nothing more is told"


ODD = {
    "garbage": says(b"\x00\xff<html>\r\n\r\n", leave=True),
    "another protocol": says(b"SSH-2.0-OpenSSH_9.2\r\n", leave=True),
    "resets": says(reset=True),
    "closes": says(leave=True),
    "half an answer": says(b"HTTP/1.", leave=True),
    "a page": says(b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found"),
}


@pytest.mark.parametrize(("scheme", "kind"), [*(("http", kind) for kind in ODD), ("https", "garbage")])
async def test_what_is_no_collector_costs_the_spans_and_one_warning_that_names_it(
    tmp_path: Path, vendor: FakeVendor, kind: str, scheme: str
) -> None:
    """With https it does not even speak TLS."""
    async with RawVendor(ODD[kind]) as odd:
        endpoint = odd.url.replace("http:", f"{scheme}:")
        async with traced(tmp_path, vendor, endpoint) as daemon:
            for number in range(5):
                await daemon.post("track", userId="u1", event="E", messageId=f"m{number}")
            ledger = await daemon.settled()
            assert ledger["destinations"]["hook"]["delivered"] == 5
            (told,) = await daemon.logged("tracing_failed")
            assert told["endpoint"] == f"{endpoint}/v1/traces"
            assert told["detail"]
            assert await daemon.terminate() == 0
            events = [line["event"] for line in daemon.log()]
            assert events.count("tracing_failed") == 1 or scheme == "https", (
                "who waits for TLS is told of at the end, too"
            )
            assert not {"tracing_recovered", "library_logged", "internal_error"}.intersection(events)


async def test_without_an_endpoint_nothing_of_opentelemetry_is_loaded_and_nothing_is_stored(
    tmp_path: Path, vendor: FakeVendor
) -> None:
    """Nothing on costs nothing: no module, no thread, no byte."""
    async with Daemon(tmp_path, [destination("hook", "collector", {"base_url": vendor.url})]) as daemon:
        given = {**AUTHORIZATION, "traceparent": CLIENT}
        call = {"userId": "u1", "event": "E", "messageId": "m1"}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{daemon.url}/v1/track", json=call, headers=given) as answer,
        ):
            assert answer.status == 200
        await daemon.settled()
        assert not has_loaded_it(daemon)
        (body,) = daemon.rows("SELECT body FROM log")[0]
        assert b"00-0af7651916" not in body


@pytest.mark.parametrize("isolation", ["loop", "thread"])
async def test_a_retry_and_a_release_are_of_the_trace_of_their_event(
    tmp_path: Path, vendor: FakeVendor, collector: TraceCollector, isolation: str
) -> None:
    """A held event is sent after another request has told its group; each attempt is a span."""
    vendor.script(OK, Reply(500))  # the group call, then the first attempt of what it released
    settings = {"base_url": vendor.url, "gated": True}
    table = destination("hook", "collector", settings, delivery={"isolation": isolation})
    async with Daemon(tmp_path, [table], tracing={"endpoint": collector.url}) as daemon:
        await daemon.post("track", userId="u1", event="E", messageId="held")
        await daemon.becomes("held", "hook", "held")
        await daemon.post("group", userId="u1", groupId="g1", traits={"name": "G"}, messageId="group")
        await daemon.emptied()
        spans = await collector.until(lambda spans: len(spans) >= 5)
        trace_of = {id: (await daemon.message(id))["trace_id"] for id in ("held", "group")}
        sent = [
            (
                span.trace_id,
                span.attributes["segment_router.line"],
                span.attributes["segment_router.attempt"],
                span.fault,
            )
            for span in named(spans, "deliver hook")
        ]
        assert sent == [
            (trace_of["group"], "live", 1, ""),
            (trace_of["held"], "release", 1, "status_500"),
            (trace_of["held"], "retry", 2, ""),
        ]
