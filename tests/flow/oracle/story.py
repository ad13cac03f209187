"""One run of the oracle: load, faults, kills at random instants; then calm, and the comparison."""

from __future__ import annotations

import asyncio
import random as chance
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import aiohttp

from router.testing.vendor import FakeVendor
from tests.flow.harness import Daemon, Table, assert_ledger_adds_up, destination, eventually
from tests.flow.oracle.check import fate, violations
from tests.flow.oracle.driver import Driver
from tests.flow.oracle.vendors import Vendor

BEHIND = 20_000
"""No kill while a vendor is so many events behind: what is measured is a daemon under load, not one that never arrives."""
LOAD_PARTS = 10
CALM_LOOKS = 5
"""A replay says that it has fed its letters before the commit that takes them out of `dead`: one look is not enough."""
SAMPLE = 50


@dataclass(frozen=True)
class Plan:
    """What a run does. `events`: obligations between two kills; `faults`: how often, beside `vendors.FAULTS`."""

    seed: int
    kills: int
    events: int
    users: int = 40
    batch: int = 10
    pack: int = 10
    faults: float = 1.0
    stuck_s: float = 45.0  #: where nothing moved for so long, nothing will; more than any backoff of these runs
    every: int = 50
    tell: Callable[[Result], None] = lambda result: None  #: called each `every` kills, and at the end


@dataclass
class Result:
    """What came of it."""

    plan: Plan
    kills: int = 0
    stops: int = 0  #: by SIGTERM
    reloads: int = 0
    replays: int = 0
    obligations: int = 0
    repeated: int = 0
    received: dict[str, int] = field(default_factory=dict)
    duplicates: dict[str, int] = field(default_factory=dict)
    dead: int = 0
    seconds: float = 0.0
    peak_mb: float = 0.0
    whole: bool = False
    violations: list[str] = field(default_factory=list)


class Story:
    """The daemon, its driver and its vendors, while a run lasts."""

    def __init__(self, plan: Plan, daemon: Daemon, driver: Driver, vendors: Sequence[Vendor]) -> None:
        self.plan, self._daemon, self._driver, self._vendors = plan, daemon, driver, vendors
        self._random = chance.Random(plan.seed)
        self._disturbances = cycle(["", "", "", "replay", "", "", "", "reload", "", "", "", "stop"])
        self._result = Result(plan)
        self._began = time.monotonic()

    async def tell(self) -> Result:
        """The whole of it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._driver.post(self.plan.kills * self.plan.events))
            await self._torment()
        await self._driver.post_last()
        for vendor in self._vendors:
            vendor.faults = 0.0
        stuck = await self._rest()
        for vendor in self._vendors:
            await self._replay(vendor.name)
        stuck = stuck or await self._rest()
        ledger = await self._daemon.ledger()
        self._result.dead = sum(counts["dead"] for counts in ledger["destinations"].values())
        self._result.violations += [*stuck, *violations(self._driver.sent, self._vendors, ledger)]
        self._result.violations += await self._contradictions()
        self._result.violations += await self._fresh()
        result = self._counted()
        result.whole = True
        self.plan.tell(result)
        return result

    # ------------------------------------------------------------ while it is under load

    async def _torment(self) -> None:
        """Kill after kill, with a stop, a reload or a replay between some. The last events come after the last kill."""
        while self._result.kills < self.plan.kills:
            await self._disturb()
            await self._load(self._random.choice([0.15, 0.4, 1.2]) * self._random.random())
            await self._kill()
            if self._random.random() < 0.2 and self._result.kills < self.plan.kills:
                await asyncio.sleep(self._random.uniform(0.0, 0.8))  # while it is still starting
                await self._kill()
            await self._daemon.ready()
            assert_ledger_adds_up(await self._daemon.ledger())
            await self._driver.behind(self.plan.events)
            await eventually(self._has_kept_up, 600, "the open vendor has caught up")
        await self._driver.allow(self.plan.kills * self.plan.events)

    async def _load(self, seconds: float) -> None:
        """Let the next events be sent spread over this time: a kill at its end meets some that have no answer yet."""
        for part in range(1, LOAD_PARTS + 1):
            await self._driver.allow(self._result.kills * self.plan.events + self.plan.events * part // LOAD_PARTS)
            await asyncio.sleep(seconds / LOAD_PARTS)

    async def _has_kept_up(self) -> bool:
        return len(self._driver.sent) - len(self._vendors[0].taken) <= BEHIND  # the other one waits for groups

    async def _kill(self) -> None:
        self._measure()
        self._daemon.kill()
        self._result.kills += 1
        self._daemon.spawn()
        if self._result.kills % self.plan.every == 0:
            self.plan.tell(self._counted())

    async def _disturb(self) -> None:
        """A stop in good order, a reload with other settings, dead letters sent again: each may be cut by the next kill."""
        match next(self._disturbances):
            case "stop":
                assert await self._daemon.terminate() == 0
                self._result.stops += 1
                await self._daemon.restart()
            case "reload":
                self._daemon.destinations[0]["delivery"]["concurrency"] = self._random.randint(4, 12)
                await self._daemon.reload()
                self._result.reloads += 1
            case "replay":
                await self._replay(self._random.choice(self._vendors).name)

    async def _replay(self, name: str) -> None:
        status, body = await self._daemon.admin("POST", f"/api/destinations/{name}/replay", {"dead": True})
        assert status == 200 or body["code"] == "replay_running", body
        self._result.replays += status == 200

    # ------------------------------------------------------------ when it is over

    async def _rest(self) -> list[str]:
        """Wait until nothing is on its way; what will not end, in words."""
        last: object = None
        since, calm = time.monotonic(), 0
        while True:
            ledger = await self._daemon.ledger()
            assert_ledger_adds_up(ledger)
            counts = ledger["destinations"].values()
            open_now = sum(row[state] for row in counts for state in ("queued", "held", "retrying"))
            replaying = [await self._is_replaying(vendor.name) for vendor in self._vendors]
            calm = 0 if open_now or any(replaying) else calm + 1
            if calm == CALM_LOOKS:
                return []
            seen = ([*counts], [vendor.received for vendor in self._vendors])
            if seen != last:
                last, since = seen, time.monotonic()
            if time.monotonic() - since > self.plan.stuck_s:
                return [
                    f"{open_now} events are still on their way after {self.plan.stuck_s:g} s in which nothing moved: {seen[0]}"
                ]
            await asyncio.sleep(0.1)

    async def _is_replaying(self, name: str) -> bool:
        state = (await self._daemon.get(f"/api/destinations/{name}/replay"))["state"]
        return bool(state == "running")

    async def _contradictions(self) -> list[str]:
        """Whether `why` says of a sample what must have become of it."""
        wrong = []
        for sent in self._random.sample(self._driver.sent, min(SAMPLE, len(self._driver.sent))):
            status, message = await self._daemon.admin("GET", f"/api/messages/{sent.id}")
            for name, said in message["destinations"].items() if status == 200 else [("", message)]:
                if status != 200 or (said["state"], said["reason"]) != fate(sent):
                    wrong.append(f"{name}: why says {said} of {sent}")
        rows = self._daemon.rows("SELECT (SELECT count(*) FROM parked), (SELECT count(*) FROM lane)")
        return wrong if rows == [(0, 0)] else [*wrong, f"rows are left, parked and lanes: {rows}"]

    async def _fresh(self) -> list[str]:
        """One more event goes through."""
        sent = await self._driver.post_one()
        wrong = await self._rest()
        return wrong + [f"the fresh event never came to {v.name}" for v in self._vendors if sent.number not in v.taken]

    def _measure(self) -> None:
        if self._daemon.process is not None:
            peak = self._daemon.memory_kb().get("VmHWM", 0) / 1024
            self._result.peak_mb = max(self._result.peak_mb, peak)

    def _counted(self) -> Result:
        self._measure()
        result = self._result
        result.obligations, result.repeated = len(self._driver.sent), self._driver.repeated
        result.received = {vendor.name: vendor.received for vendor in self._vendors}
        result.duplicates = {vendor.name: vendor.duplicates for vendor in self._vendors}
        result.seconds = time.monotonic() - self._began
        return result


async def run(folder: Path, plan: Plan, **tables: Table) -> Result:
    """The oracle, once. `tables`: further ones of config.toml. Raises AssertionError where the daemon ends by itself or its ledger does
    not add up."""
    async with open_story(folder, plan, **tables) as story:
        return await story.tell()


@asynccontextmanager
async def open_story(folder: Path, plan: Plan, **tables: Table) -> AsyncIterator[Story]:
    """A daemon with an open and a gated destination, both with vendors that are ill; the gated one has a thread of its own."""
    async with FakeVendor() as first, FakeVendor() as second, aiohttp.ClientSession() as http:
        vendors = [
            Vendor("open", first, chance.Random(f"{plan.seed}-open"), plan.faults),
            Vendor("gated", second, chance.Random(f"{plan.seed}-gated"), plan.faults, gated=True),
        ]
        destinations = [
            destination(
                vendor.name, "witness", {"base_url": vendor.fake.url, "gated": vendor.gated, "pack": plan.pack},
                delivery={"timeout": "2s", "concurrency": 10, "isolation": "thread" if vendor.gated else "loop"},
            )
            for vendor in vendors
        ]  # fmt: skip
        log: Table = {"level": "warning", "format": "json"}
        async with Daemon(folder, destinations, log=log, **tables) as daemon:
            driver = Driver(daemon.url, http, plan.seed, plan.users, plan.batch)
            yield Story(plan, daemon, driver, vendors)
