"""V12: what a track costs of a user who is in very many groups, beside one of a user in one group, at a destination that asks for
the group. Closed loop: the next tracks are sent when the last ones have come."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from router.bench.child import CLIENT_CORE
from router.bench.config import Receiver
from router.bench.live import Client, Vendor, on_core, open_client
from router.bench.measure import cpu_s, pairs
from router.bench.plan import Outcome, Plan, in_turn
from router.bench.report import Line, measure
from router.bench.subject import Subject, daemon
from router.bench.workload import BATCH
from router.daemon import loop_factory

GROUPS = {"many": 5_000, "one": 1}
"""User: how many groups they are in."""
RECEIVER = Receiver("crm", batch=1, gated=True)
PATIENCE_S = 120.0


class Cost(msgspec.Struct, frozen=True):
    """Of an event, in microseconds."""

    wall_us: float
    cpu_us: float


class _Lost(Exception):
    """Events that did not come."""


def groups(plan: Plan) -> Outcome:
    """Both users in turn on one daemon. Their group calls are from before the destination was added: those count as settled."""
    with on_core(CLIENT_CORE), asyncio.Runner(loop_factory=loop_factory()) as runner:
        try:
            costs = runner.run(_run(plan))
        except _Lost as lost:
            return Outcome(problems=[f"groups: {lost}"])
    many, one = costs["many"], costs["one"]
    more = {
        "us of many": median([cost.wall_us for cost in many]),
        "us of one": median([cost.wall_us for cost in one]),
        "CPU ratio": median(pairs([cost.cpu_us for cost in many], [cost.cpu_us for cost in one])),
    }
    samples = pairs([cost.wall_us for cost in many], [cost.wall_us for cost in one])
    lines = [_line(f"tracks of a user of {GROUPS[user]:,} groups", costs[user]) for user in GROUPS]
    return Outcome(lines, [], [measure("V12", samples, **more)])


def _line(name: str, costs: list[Cost]) -> Line:
    rates = [1e6 / cost.wall_us for cost in costs], [1e6 / cost.cpu_us if cost.cpu_us else 0.0 for cost in costs]
    return Line("groups", name, median(rates[0]), median(rates[1]), runs=len(costs))


async def _run(plan: Plan) -> dict[str, list[Cost]]:
    costs: dict[str, list[Cost]] = {user: [] for user in GROUPS}
    async with Vendor() as vendor:
        with tempfile.TemporaryDirectory(prefix="bench-", dir=plan.folder) as folder:
            plan.progress("groups: both users join theirs")
            with daemon(folder=Path(folder)) as subject:
                async with open_client(subject.port) as client:
                    await client.batches(call for user in GROUPS for call in _joins(user))
                subject.end()
            with daemon([RECEIVER], vendor.port, folder=Path(folder)) as subject:
                async with open_client(subject.port) as client:
                    for number in range(plan.rounds):
                        for user in in_turn(list(GROUPS), number):
                            plan.progress(f"groups {number + 1}/{plan.rounds}: user of {user}")
                            costs[user].append(await _cost(subject, client, vendor, user, number, plan.seconds))
    return costs


async def _cost(subject: Subject, client: Client, vendor: Vendor, user: str, number: int, seconds: float) -> Cost:
    pid = subject.child.pid
    began, cpu_began, sent = time.perf_counter(), cpu_s(pid), 0
    while time.perf_counter() - began < seconds:
        goal = vendor.received + BATCH
        await client.batches(_tracks(user, f"{number}-{sent}"))
        sent += BATCH
        since = time.perf_counter()
        while vendor.received < goal:
            await asyncio.sleep(0.001)
            if time.perf_counter() - since > PATIENCE_S:
                raise _Lost(f"{goal - vendor.received} tracks did not come: {subject.ledger()['destinations']}")
    return Cost(1e6 * (time.perf_counter() - began) / sent, 1e6 * (cpu_s(pid) - cpu_began) / sent)


def _joins(user: str) -> Iterator[dict[str, Any]]:
    for number in range(GROUPS[user]):
        group = f"{user}-{number}"
        yield {
            "type": "group", "messageId": f"join-{group}", "userId": user, "groupId": group, "traits": {"name": group},
        }  # fmt: skip


def _tracks(user: str, turn: str) -> Iterator[dict[str, Any]]:
    for number in range(BATCH):
        yield {"type": "track", "messageId": f"{user}-{turn}-{number}", "userId": user, "event": "Opened"}
