"""While a reload waits for what is in flight: every destination stays visible, and the others go on with their new settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from router.testing.vendor import FakeVendor, Hang, Reply
from tests.flow.harness import Daemon, Table, assert_ledger_adds_up, destination, eventually

SLOW = {"timeout": "10m"}


def crm(vendor: FakeVendor, concurrency: int = 10, **tables: object) -> Table:
    """A destination that is held up for as long as its vendor is."""
    delivery = {**SLOW, "concurrency": concurrency}
    return destination("crm", "collector", {"base_url": vendor.url, "gated": True}, delivery=delivery, **tables)


@asynccontextmanager
async def draining(daemon: Daemon, vendor: FakeVendor, *wanted: Table) -> AsyncIterator[dict[str, Any]]:
    """A reload to these destinations, held up by the vendor of `crm`; inside, the drain has begun. Its answer, once left."""
    answer: dict[str, Any] = {}
    await daemon.post("identify", userId="u1", messageId="slow")
    await vendor.received(1)
    daemon.destinations = list(wanted)
    daemon.write_config()
    reload = asyncio.create_task(daemon.admin("POST", "/api/reload"))

    async def begun() -> bool:
        return (await daemon.admin("POST", "/api/destinations/crm/resume"))[0] != 200

    try:
        await eventually(begun, what="the drain begins")
        yield answer
        assert not reload.done()
    except BaseException:
        reload.cancel()
        raise
    vendor.release()
    status, body = await reload
    assert status == 200
    answer.update(body)


async def metrics(daemon: Daemon) -> str:
    """The page that Prometheus reads."""
    async with aiohttp.ClientSession() as http, http.get(f"{daemon.admin_url}/metrics") as response:
        assert response.status == 200
        return await response.text()


async def test_a_changed_destination_stays_in_every_answer_while_its_old_requests_end(tmp_path: Path) -> None:
    async with FakeVendor(Hang(200, json={})) as vendor, Daemon(tmp_path, [crm(vendor)]) as daemon:
        await daemon.post("track", userId="u2", event="E", messageId="held")
        await daemon.becomes("held", "crm", "held")
        async with draining(daemon, vendor, crm(vendor, concurrency=3)) as answer:
            ledger = await daemon.ledger()
            assert_ledger_adds_up(ledger)
            assert ledger["destinations"]["crm"]["held"] == 1
            assert [row["name"] for row in (await daemon.get("/api/destinations"))["destinations"]] == ["crm"]
            assert (await daemon.held("crm"))["held"] == 1
            assert (await daemon.get("/api/destinations/crm/dead"))["dead"] == 0
            assert await daemon.fate("held", "crm") == ("held", "group_unknown")
            assert 'segment_router_destination_events{destination="crm",state="held"} 1.0' in await metrics(daemon)
            status, refused = await daemon.admin("POST", "/api/destinations/crm/pause")
            assert (status, refused["code"]) == (409, "stopping")
        assert answer["changed"] == ["crm"]
        await daemon.settled()
        assert (await daemon.admin("POST", "/api/destinations/crm/pause"))[0] == 200


async def test_a_removed_destination_stays_in_every_answer_until_its_requests_have_ended(tmp_path: Path) -> None:
    async with FakeVendor(Hang(200, json={})) as vendor, Daemon(tmp_path, [crm(vendor)]) as daemon:
        async with draining(daemon, vendor):
            assert list((await daemon.ledger())["destinations"]) == ["crm"]
            found = await daemon.get("/api/destinations")
            assert [row["name"] for row in found["destinations"]] == ["crm"]
            assert found["removed"] == []
        assert (await daemon.ledger())["destinations"] == {}


async def test_a_slow_destination_does_not_keep_the_others_from_their_new_settings(tmp_path: Path) -> None:
    async with FakeVendor(Hang(200, json={})) as vendor, FakeVendor(Reply(200, json={})) as new:
        quick = destination("quick", "collector", {"base_url": "http://127.0.0.1:9"}, mode="dry-run")
        live = destination("quick", "collector", {"base_url": new.url})
        added = destination("added", "collector", {"base_url": new.url})
        async with (
            Daemon(tmp_path, [crm(vendor), quick]) as daemon,
            draining(daemon, vendor, crm(vendor, concurrency=3), live, added),
        ):

            async def both_there() -> bool:
                rows = (await daemon.ledger())["destinations"]
                return "added" in rows and rows["quick"]["mode"] == "live"

            await eventually(both_there)
            await daemon.post("identify", userId="u3", messageId="later")
            await new.received(2)
