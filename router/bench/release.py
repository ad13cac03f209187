"""Release: very many held events go out at once while other users' traffic flows; then again, with a SIGKILL in the middle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

from router.bench.child import CLIENT_CORE
from router.bench.config import Receiver
from router.bench.isolation import RATE, USERS
from router.bench.live import AGAIN_S, Client, Vendor, latencies, on_core, open_client, p99, reached
from router.bench.measure import peak_mb, percentile, spread
from router.bench.plan import Outcome, Plan
from router.bench.report import Line
from router.bench.subject import Subject, daemon
from router.daemon import loop_factory

NAME = "crm"
HELD_USERS, GROUPS = 10_000, 50
PATIENCE_S = 120.0
"""Nothing arrived or was counted for so long: it never will."""


def release(plan: Plan) -> Outcome:
    """Half of the held events beside live traffic that is measured, the other half through a kill."""
    with on_core(CLIENT_CORE), asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(_Course(plan).run())


class _Course:
    """One run on one daemon."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._users = min(HELD_USERS, max(2, plan.held // 10))
        self._problems: list[str] = []
        self._vendor: Vendor
        self._subject: Subject
        self._client: Client

    async def run(self) -> Outcome:
        """Hold, measure, release, measure, release and kill, count."""
        async with Vendor() as self._vendor:
            with daemon([Receiver(NAME, gated=True)], self._vendor.port, parent=self._plan.folder) as self._subject:
                async with open_client(self._subject.port) as self._client:
                    return await self._run()

    async def _run(self) -> Outcome:
        half = GROUPS // 2
        await self._client.batches(_group_calls(USERS, GROUPS))
        await self._client.batches(_names(GROUPS, GROUPS + 1))
        took = await self._hold()
        more = {"held": self._plan.held, "users": self._users, "held after s": took}
        self._plan.progress("release: live traffic alone")
        alone = await self._measured(await self._client.live_for(2 * self._plan.seconds, RATE, USERS))
        self._plan.progress("release: half of it beside live traffic")
        beside, more["released ev/s"] = await self._release_beside_live(0, half)
        more["peak_rss_mb"] = peak_mb(self._subject.child.pid)
        self._plan.progress("release: the other half, and a kill")
        await self._release_and_kill(half, GROUPS)
        self._plan.progress("release: counting")
        self._count()
        ratio = p99(beside) / p99(alone)
        lines = [
            _line("live p99 beside a release", beside, more), _line("live p99 alone", alone, {}),
        ]  # fmt: skip
        lines[0].ratio, lines[0].against = spread([ratio]), "the same alone"
        return Outcome(lines, [f"release: {words}" for words in self._problems])

    async def _hold(self) -> float:
        """Send the events of users whose groups have no name, and wait until all of them are held. Returns how long it took (s)."""
        began = time.monotonic()
        self._plan.progress(f"release: {self._plan.held} events are held")
        users = [f"held-{number:05d}" for number in range(self._users)]
        await self._client.batches(_group_calls(users, 0))
        await self._client.batches(self._held_calls(users))
        await self._until("held", lambda row: row["queued"] == 0)
        return time.monotonic() - began

    async def _release_beside_live(self, first: int, end: int) -> tuple[list[float], float]:
        """Name these groups. Returns the latencies of live events meanwhile, and the rate of the release (ev/s)."""
        events, before, began = self._events_of(first, end), self._vendor.received, time.monotonic()
        done = asyncio.Event()
        live = asyncio.create_task(self._client.live(RATE, USERS, done))
        await self._client.batches(_names(first, end))
        held = self._plan.held - events
        await self._until("release", lambda row: row["held"] <= held)
        rate = (self._vendor.received - before) / (time.monotonic() - began)
        done.set()
        return await self._measured(await live), rate

    async def _release_and_kill(self, first: int, end: int) -> None:
        middle = self._vendor.received + self._events_of(first, end) // 2
        await self._client.batches(_names(first, end))

        async def half_way() -> bool:
            return self._vendor.received >= middle

        if not await reached(half_way, PATIENCE_S):
            self._problems.append("half of the release did not come before the kill")
        await asyncio.to_thread(self._subject.restart_killed)
        await self._until("release after the kill", lambda row: not row["held"] + row["queued"] + row["retrying"])

    def _count(self) -> None:
        came = self._vendor.came[NAME]
        missing = sum(f"held-{number}" not in came for number in range(self._plan.held))
        if missing:
            self._problems.append(f"{missing} held events never came")
        row = self._row()
        if row["delivered"] != len(came):
            self._problems.append(f"{row['delivered']} events delivered by the ledger, {len(came)} came")

    # ------------------------------------------------------------ parts

    async def _measured(self, ids: list[str]) -> list[float]:
        took, problems = await latencies(ids, self._client, self._vendor.came[NAME])
        self._problems += problems
        return took

    async def _until(self, what: str, done: Any) -> None:
        """Wait for a state of the ledger, for as long as anything moves."""
        last, since = None, time.monotonic()
        while not done(row := await asyncio.to_thread(self._row)):
            if (row, self._vendor.received) != last:
                last, since = (row, self._vendor.received), time.monotonic()
            if time.monotonic() - since > PATIENCE_S:
                self._problems.append(f"{what}: nothing moves any more: {row}")
                return
            await asyncio.sleep(AGAIN_S)

    def _row(self) -> dict[str, Any]:
        row: dict[str, Any] = self._subject.ledger()["destinations"][NAME]
        return {name: n for name, n in row.items() if not name.endswith("_s")}

    def _held_calls(self, users: list[str]) -> Iterator[dict[str, Any]]:
        for number in range(self._plan.held):
            user = users[number % self._users]
            yield {"type": "track", "messageId": f"held-{number}", "userId": user, "event": "Opened"}

    def _events_of(self, first: int, end: int) -> int:
        """How many events wait for the names of these groups."""
        return sum(number % self._users % GROUPS in range(first, end) for number in range(self._plan.held))


def _group_calls(users: list[str], first: int) -> Iterator[dict[str, Any]]:
    """Each user joins a group: the groups from `first` on, or the one group that live users share."""
    for number, user in enumerate(users):
        group = first or number % GROUPS
        yield {"type": "group", "messageId": f"join-{user}", "userId": user, "groupId": f"group-{group}", "traits": {}}


def _names(first: int, end: int) -> Iterator[dict[str, Any]]:
    for group in range(first, end):
        traits = {"name": f"Company {group}"}
        yield {
            "type": "group",
            "messageId": f"name-{group}",
            "userId": "namer",
            "groupId": f"group-{group}",
            "traits": traits,
        }


def _line(name: str, took: list[float], more: dict[str, float]) -> Line:
    return Line(
        "release", name, RATE, 0.0, p50_ms=percentile(took, 0.5), p99_ms=p99(took), p999_ms=percentile(took, 0.999), runs=1,
        more=more,
    )  # fmt: skip
