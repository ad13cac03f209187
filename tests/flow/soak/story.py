"""One soak: load at a set rate, faults, restarts, reloads and looks at the daemon; then calm, and the counts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import aiohttp

from router.testing.vendor import FakeVendor
from tests.flow.harness import assert_ledger_adds_up, destination
from tests.flow.soak.daemon import SoakedDaemon
from tests.flow.soak.driver import Driver
from tests.flow.soak.samples import Sample, look
from tests.flow.soak.vendor import CountingVendor, Outages

RESTARTS_UNTIL = 0.25
"""The share of the events during which the daemon is killed and stopped. After that one process serves to the end. Its caches are full
after about 150,000 events (measured), before half time of two hours: what it takes then and at the end can be compared."""
OUTAGE = 0.01
"""The share of the events during which a vendor that is down stays down."""
SHOWN = 20


@dataclass(frozen=True)
class Plan:
    """What a soak does, by numbers of events. `every`: events between two looks; `faults`: see CountingVendor."""

    seed: int
    events: int
    rate: float
    every: int
    faults: float = 0.25
    restarts: int = 10
    reloads: int = 20
    outages: int = 10
    stuck_s: float = 400.0  #: where nothing moved for so long, nothing will; more than the longest backoff
    tell: Callable[[Result], None] = lambda result: None  #: called after each look, and at the end


@dataclass
class Result:
    """What came of it."""

    plan: Plan
    samples: list[Sample] = field(default_factory=list)
    kills: int = 0
    stops: int = 0
    reloads: int = 0
    outages: int = 0
    sent: int = 0
    repeated: int = 0
    delivered: dict[str, int] = field(default_factory=dict)
    duplicates: dict[str, int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0
    is_whole: bool = False


def steps(plan: Plan) -> list[tuple[int, str]]:
    """What is done once so many events were begun, in order."""

    def spread(action: str, times: int, first: float, share: float = 1.0) -> list[tuple[int, str]]:
        return [(int(plan.events * share * (n + first) / times), action) for n in range(times)]

    kills, stops = plan.restarts - plan.restarts // 2, plan.restarts // 2
    outages = spread("down", plan.outages, 0.7)
    return sorted(
        [
            *spread("kill", kills, 0.5, RESTARTS_UNTIL),
            *spread("stop", stops, 1.0, RESTARTS_UNTIL),
            *spread("reload", plan.reloads, 0.4),
            *outages,
            *((at + max(1, int(OUTAGE * plan.events)), "up") for at, _ in outages),
            *((at, "look") for at in range(plan.every, plan.events + 1, plan.every)),
        ]
    )


class Story:
    """The daemon, its driver and its vendors, while a soak lasts."""

    def __init__(self, plan: Plan, daemon: SoakedDaemon, driver: Driver, vendors: Sequence[CountingVendor]) -> None:
        self._plan, self._daemon, self._driver, self._vendors = plan, daemon, driver, vendors
        self._outages = Outages(vendors)
        self._result = Result(plan)
        self._began = time.monotonic()

    async def tell(self) -> Result:
        """The whole of it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._driver.send(self._plan.events))
            for at, action in steps(self._plan):
                await self._driver.reach(at)
                await self._act(action)
        self._outages.end()
        for vendor in self._vendors:
            vendor.faults = 0.0
        await self._driver.finish()
        ledger = await self._rest()
        result = self._counted()
        result.lost = {vendor.name: len(vendor.missing(self._driver.begun)) for vendor in self._vendors}
        result.violations += self._violations(ledger)
        result.is_whole = True
        self._plan.tell(result)
        return result

    async def _act(self, action: str) -> None:
        match action:
            case "look":
                sample = await look(self._daemon, self._driver, self._result.kills + self._result.stops)
                self._result.samples.append(sample)
                self._plan.tell(self._counted())
            case "kill":
                self._daemon.kill()
                await self._daemon.restart()
                self._result.kills += 1
            case "stop":
                assert await self._daemon.terminate() == 0
                await self._daemon.restart()
                self._result.stops += 1
            case "reload":
                self._daemon.destinations[0]["delivery"]["concurrency"] = 4 + self._result.reloads % 8
                await self._daemon.reload()
                self._result.reloads += 1
            case "down":
                self._outages.begin()
            case "up":
                self._outages.end()

    async def _rest(self) -> dict[str, Any]:
        """Wait until nothing is on its way, or nothing moves any more. Returns the last ledger."""
        last: object = None
        since = time.monotonic()
        while True:
            ledger = await self._daemon.ledger()
            assert_ledger_adds_up(ledger)
            counts = ledger["destinations"].values()
            if not any(row[state] for row in counts for state in ("queued", "held", "retrying")):
                return ledger
            seen = ([*counts], [vendor.delivered for vendor in self._vendors])
            if [row["delivered"] for row in counts] != last:
                last, since = [row["delivered"] for row in counts], time.monotonic()
            if time.monotonic() - since > self._plan.stuck_s:
                self._result.violations.append(f"nothing moved for {self._plan.stuck_s:g} s: {seen}")
                return ledger
            await asyncio.sleep(0.1)

    def _violations(self, ledger: dict[str, Any]) -> list[str]:
        """All that is wrong once nothing is on its way any more."""
        sent, wrong = self._driver.sent, []
        if ledger["accepted"] != sent:
            wrong.append(f"{ledger['accepted']} events are accepted, {sent} had their 200")
        for vendor in self._vendors:
            if missing := vendor.missing(self._driver.begun):
                wrong.append(f"{vendor.name}: {len(missing)} events never came: {missing[:SHOWN]}")
            delivered = ledger["destinations"][vendor.name]["delivered"]
            if delivered != sent:
                wrong.append(f"{vendor.name}: the ledger has {delivered} delivered, not {sent}")
        return wrong

    def _counted(self) -> Result:
        result = self._result
        result.outages = self._outages.begun
        result.sent, result.repeated = self._driver.sent, self._driver.repeated
        result.delivered = {vendor.name: vendor.delivered for vendor in self._vendors}
        result.duplicates = {vendor.name: vendor.duplicates for vendor in self._vendors}
        result.seconds = time.monotonic() - self._began
        return result


async def run(folder: Path, plan: Plan) -> Result:
    """One soak. Raises AssertionError where the daemon ends by itself, met a fault, or its ledger does not add up."""
    async with open_story(folder, plan) as story:
        return await story.tell()


@asynccontextmanager
async def open_story(folder: Path, plan: Plan) -> AsyncIterator[Story]:
    """A daemon with an open and a gated destination, both with vendors that are ill; the gated one has a thread of its own."""
    patience = aiohttp.ClientTimeout(total=30.0)
    async with FakeVendor() as first, FakeVendor() as second, aiohttp.ClientSession(timeout=patience) as http:
        vendors = [
            CountingVendor("open", first, Random(f"{plan.seed}-open"), plan.faults),
            CountingVendor("gated", second, Random(f"{plan.seed}-gated"), plan.faults),
        ]
        tables = [
            destination(
                vendor.name, "collector", {"base_url": vendor.url, "gated": vendor.name == "gated"},
                delivery={"timeout": "2s", "concurrency": 10, "isolation": "thread" if vendor.name == "gated" else "loop"},
            )
            for vendor in vendors
        ]  # fmt: skip
        async with SoakedDaemon(folder, tables) as daemon:
            yield Story(plan, daemon, Driver(daemon.url, http, plan.rate), vendors)
