"""All of it at once, and what must be true at the end."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from typing import NamedTuple

from router.testing.vendor import FakeVendor, Received, Reply
from tests.flow.fuzz.admin_calls import send_admin
from tests.flow.fuzz.fuzzed_daemon import HONEST, FuzzedDaemon, destinations
from tests.flow.fuzz.gzip_bodies import send_gzip
from tests.flow.fuzz.honest import HonestClient, HonestVendor, honest_vendor, missing, out_of_order
from tests.flow.fuzz.json_bodies import send_json
from tests.flow.fuzz.operations import Operator
from tests.flow.fuzz.raw_sockets import send_raw
from tests.flow.fuzz.structured_http import send_http
from tests.flow.fuzz.vendor_answers import BareVendor, reply
from tests.flow.fuzz.wire import Part, Tally, Target, attack
from tests.flow.harness import assert_ledger_adds_up, eventually

PARTS: dict[str, Part] = {"raw": send_raw, "http": send_http, "json": send_json, "gzip": send_gzip, "admin": send_admin}
CLIENT_PARTS = tuple(PARTS)
LIMIT_KB = 250_000
QUIET_S = 300.0


class Plan(NamedTuple):
    """`gap_s`: the mean wait of each attacker between two attacks. `attackers`: of each part. `give_way`: how much nicer than the daemon
    clients and vendors are."""

    seed: int
    seconds: float
    parts: Sequence[str] = CLIENT_PARTS
    gap_s: float = 0.15
    attackers: int = 2
    limit_kb: int = LIMIT_KB
    give_way: int = 0
    tell: Callable[[str], None] = print


async def run(folder: Path, plan: Plan) -> Tally:
    """Attack a daemon as planned. Returns the counts; raises AssertionError where something was not withstood."""
    tally = Tally()
    async with AsyncExitStack() as stack:
        honest, honest_url = await stack.enter_async_context(honest_vendor())
        gated, gated_url = await stack.enter_async_context(honest_vendor())
        bare = await stack.enter_async_context(BareVendor(Random(f"{plan.seed}-bare"), tally))
        fake = await stack.enter_async_context(FakeVendor())
        fake.answer = partial(_forgetful, fake, Random(f"{plan.seed}-fake"), tally)
        tables = destinations(honest_url, gated_url, fake.url, bare.url, plan.seed)
        daemon = await stack.enter_async_context(FuzzedDaemon(folder, tables))
        os.nice(plan.give_way)
        client = HonestClient(daemon, Random(f"{plan.seed}-honest"))
        operator = Operator(daemon, Random(f"{plan.seed}-operator"), tally)
        try:
            await _attack(daemon, plan, tally, client, operator)
            fake.release()
            await _judge(daemon, plan, client, operator, honest, gated)
        finally:
            plan.tell(_report(tally, daemon, client, honest, gated))
        assert await daemon.terminate() == 0
        daemon.assert_no_fault()
    return tally


def _forgetful(fake: FakeVendor, random: Random, tally: Tally, seen: Received) -> Reply:
    fake.requests.clear()
    return reply(random, tally)


async def _attack(daemon: FuzzedDaemon, plan: Plan, tally: Tally, client: HonestClient, operator: Operator) -> None:
    """Everything until the time is over."""
    target = Target(daemon.port, daemon.admin_port)
    async with asyncio.TaskGroup() as group:
        lasting = [
            group.create_task(client.run(0.1)),
            group.create_task(operator.run(min(1.0, plan.seconds / 20))),
            group.create_task(_watch(daemon, plan)),
        ]
        attacks = [
            group.create_task(
                attack(PARTS[part], Random(f"{plan.seed}-{part}-{n}"), target, tally, plan.seconds, plan.gap_s)
            )
            for part in plan.parts
            for n in range(plan.attackers)
        ]
        await asyncio.wait(attacks)
        for task in lasting:
            task.cancel()


async def _watch(daemon: FuzzedDaemon, plan: Plan) -> None:
    """That it lives; and once a minute how large it is."""
    started = time.monotonic()
    for second in count():
        daemon.assert_alive()
        if second % 60 == 0:
            rss, peak = (daemon.memory_kb()[key] / 1000 for key in ("VmRSS", "VmHWM"))
            plan.tell(f"{(time.monotonic() - started) / 60:5.1f} min: RSS {rss:.0f} MB, peak {peak:.0f} MB")
            daemon.read_log()
        await asyncio.sleep(1.0)


async def _judge(
    daemon: FuzzedDaemon,
    plan: Plan,
    client: HonestClient,
    operator: Operator,
    honest: HonestVendor,
    gated: HonestVendor,
) -> None:
    """What must be true when the noise has stopped."""
    await operator.restore()
    await client.finish()

    async def all_arrived() -> bool:
        return not missing(client.sent, honest.orders) and not missing(client.sent, gated.orders)

    with suppress(AssertionError):
        await eventually(all_arrived, QUIET_S)
    for name, vendor in zip(HONEST, (honest, gated), strict=True):
        assert not (lost := missing(client.sent, vendor.orders)), f"not delivered at {name}: {lost[:20]}"
        assert not (wrong := list(out_of_order(vendor.orders, vendor is gated))), f"out of order at {name}: {wrong[0]}"
    ledger = await daemon.settled(*HONEST, within_s=QUIET_S)
    assert_ledger_adds_up(ledger, daemon.starts())
    for name in HONEST:
        await eventually(partial(_is_idle, daemon, name), QUIET_S, f"nothing is in flight at {name}")
    assert (peak := daemon.memory_kb()["VmHWM"]) < plan.limit_kb, f"{peak} kB"


async def _is_idle(daemon: FuzzedDaemon, name: str) -> bool:
    described = (await daemon.get("/api/destinations"))["destinations"]
    return all(one["in_flight"] == 0 for one in described if one["name"] == name)


def _report(tally: Tally, daemon: FuzzedDaemon, client: HonestClient, honest: HonestVendor, gated: HonestVendor) -> str:
    daemon.read_log()
    sent = sum(map(len, client.sent.values()))
    lines = [f"{count:9,}  {kind}" for kind, count in sorted(tally.tried.items())]
    return "\n".join(
        [
            *lines,
            f"{sum(tally.tried.values()):9,}  in all",
            f"answers: {dict(sorted(tally.answers.items()))}",
            *(f"FAULT {fault}".replace("\\n", "\n") for fault in daemon.faults.values()),
            f"log: {dict(daemon.events.most_common())}",
            f"honest: {sent} sent, {client.repeated} of them more than once; arrivals {honest.arrivals} and {gated.arrivals} (gated)",
        ]
    )
