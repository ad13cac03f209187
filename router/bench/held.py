"""V9: how fast held events go out once their group has a name, beside a backlog of live events that the same destination
drains. Nothing else runs meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import msgspec

from router.bench.child import CLIENT_CORE
from router.bench.config import Receiver
from router.bench.live import Client, Vendor, on_core, open_client, reached
from router.bench.measure import cpu_s, pairs, peak_mb
from router.bench.plan import Outcome, Plan
from router.bench.report import Line, measure
from router.bench.subject import Subject, daemon
from router.daemon import loop_factory

NAME = "crm"
EVENTS_A_USER, GROUPS = 5, 50
OPEN = "open"
"""The group of the users whose events are live."""
PATIENCE_S = 300.0

Calls = Iterator[dict[str, Any]]


class Way(msgspec.Struct, frozen=True):
    """How fast events went out: a second, and a second of processor time."""

    rate: float
    per_cpu: float


class Round(msgspec.Struct):
    """One daemon: first live events are drained, then held ones released."""

    live: Way
    released: Way
    hold_s: float
    peak_mb: float
    problems: list[str]


def held(plan: Plan) -> Outcome:
    """Each round on a fresh daemon."""
    events = max(100, plan.held // 20)
    rounds: list[Round] = []
    with on_core(CLIENT_CORE), asyncio.Runner(loop_factory=loop_factory()) as runner:
        for number in range(plan.rounds):
            plan.progress(f"held {number + 1}/{plan.rounds}: {events:,} events")
            rounds.append(runner.run(_round(plan, events)))
    live, released = [one.live for one in rounds], [one.released for one in rounds]
    more = {
        "events": float(events),
        "released ev/s": median([way.rate for way in released]),
        "drained ev/s": median([way.rate for way in live]),
        "per CPU": median(pairs([way.per_cpu for way in released], [way.per_cpu for way in live])),
        "held after s": median([one.hold_s for one in rounds]),
    }
    return Outcome(
        [_line("held events released", released), _line("live events drained", live)],
        [f"held: {words}" for one in rounds for words in one.problems],
        [
            measure("V9a", pairs([way.rate for way in released], [way.rate for way in live]), **more),
            measure("V9b", [one.peak_mb for one in rounds]),
        ],
    )


def _line(name: str, ways: list[Way]) -> Line:
    return Line("held", name, median([way.rate for way in ways]), median([way.per_cpu for way in ways]), runs=len(ways))


async def _round(plan: Plan, events: int) -> Round:
    async with Vendor() as vendor:
        with daemon([Receiver(NAME, gated=True)], vendor.port, parent=plan.folder) as subject:
            async with open_client(subject.port) as client:
                return await _Course(vendor, subject, client, events).run()


class _Course:
    def __init__(self, vendor: Vendor, subject: Subject, client: Client, events: int) -> None:
        self._vendor, self._subject, self._client, self._events = vendor, subject, client, events
        self._users = events // EVENTS_A_USER
        self._problems: list[str] = []

    async def run(self) -> Round:
        """Drain, hold, release, count."""
        await self._client.batches(self._joins("live", lambda number: OPEN))
        await self._client.batches(iter([_name(OPEN)]))
        await self._until_nothing("queued")
        await asyncio.to_thread(self._subject.pause, NAME)
        await self._client.batches(self._tracks("live"))
        live = await self._timed(self._resume, self._events)
        began = time.monotonic()
        await self._client.batches(self._joins("held", lambda number: f"group-{number % GROUPS}"))
        await self._client.batches(self._tracks("held"))
        await self._until_nothing("queued")
        hold_s = time.monotonic() - began
        if (row := self._row())["held"] != self._events:
            self._problems.append(f"not all are held: {row}")
        released = await self._timed(self._release, self._events + GROUPS)
        await self._until_nothing("held", "retrying", "queued")
        self._count()
        return Round(live, released, hold_s, peak_mb(self._subject.child.pid), self._problems)

    async def _resume(self) -> None:
        await asyncio.to_thread(self._subject.resume, NAME)

    async def _release(self) -> None:
        await self._client.batches(_name(f"group-{number}") for number in range(GROUPS))

    async def _timed(self, begin: Callable[[], Any], arriving: int) -> Way:
        """From the beginning until so many calls have come."""
        pid, goal = self._subject.child.pid, self._vendor.received + arriving
        began, cpu_began = time.perf_counter(), cpu_s(pid)
        await begin()
        while self._vendor.received < goal:
            if time.perf_counter() - began > PATIENCE_S:
                self._problems.append(f"{goal - self._vendor.received} events did not come within {PATIENCE_S:.0f} s")
                break
            await asyncio.sleep(0.001)
        took, used = time.perf_counter() - began, cpu_s(pid) - cpu_began
        return Way(self._events / took, self._events / used if used else 0.0)

    async def _until_nothing(self, *states: str) -> None:
        async def nothing() -> bool:
            row = await asyncio.to_thread(self._row)
            return not any(row[state] for state in states)

        if not await reached(nothing, PATIENCE_S):
            self._problems.append(f"still {' or '.join(states)} after {PATIENCE_S:.0f} s: {self._row()}")

    def _count(self) -> None:
        came = self._vendor.came[NAME]
        for kind in ("live", "held"):
            missing = sum(f"{kind}-{number}" not in came for number in range(self._events))
            if missing:
                self._problems.append(f"{missing} {kind} events never came")
        row = self._row()
        if row["delivered"] != len(came):
            self._problems.append(f"{row['delivered']} events delivered by the ledger, {len(came)} came")

    def _row(self) -> dict[str, Any]:
        row: dict[str, Any] = self._subject.ledger()["destinations"][NAME]
        return row

    def _joins(self, kind: str, group: Callable[[int], str]) -> Calls:
        for number in range(self._users):
            user = f"{kind}-user-{number}"
            yield {"type": "group", "messageId": f"join-{user}", "userId": user, "groupId": group(number), "traits": {}}

    def _tracks(self, kind: str) -> Calls:
        for number in range(self._events):
            user = f"{kind}-user-{number % self._users}"
            yield {"type": "track", "messageId": f"{kind}-{number}", "userId": user, "event": "Opened"}


def _name(group: str) -> dict[str, Any]:
    traits = {"name": f"Company {group}"}
    return {"type": "group", "messageId": f"name-{group}", "userId": "namer", "groupId": group, "traits": traits}
