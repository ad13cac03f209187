"""Attacked in several ways at once, the daemon stays small, answers who has a key, and is as before when it is over."""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from pathlib import Path

import aiohttp
import pytest

from tests.flow.attack import Size
from tests.flow.harness import AUTHORIZATION, WRITE_KEY, Daemon, destination, environment, eventually
from tests.patience import HANG_S

LIMIT_KB = 250_000
PATIENCE_S = 2.0
ADMIN_PATIENCE_S = 5.0
RECOVERY_S = 10.0
RATE = 100
"""Events a second, of the source that the visitor and the junk share. The junk must not use it up."""
GAP_S = 2 / RATE
"""Between two visits: a quick daemon must not let the visitor exceed the rate alone."""

SHORT = Size(idle=1_500, bodies=120, heads=100, bombs=2, admin=100, seconds=5.0)
LONG = Size(idle=10_400, bodies=500, heads=1_000, bombs=4, admin=500, seconds=60.0)

ATTACKER = """
import asyncio, sys
from tests.flow.attack import Attack, Size
port, admin_port, key, *size = sys.argv[1:]
asyncio.run(Attack(int(port), int(admin_port), key, Size(*map(int, size[:-1]), seconds=float(size[-1]))).run())
"""
"""A process of its own: it must not take the time in which answers are measured."""


class Visitor:
    """A client with a key, which comes again and again on a new connection."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self.taken = 0
        self.slowest_s = 0.0
        self.slowest_admin_s = 0.0

    async def come(self) -> None:
        """One event and one look at /healthz; both must be answered in time."""
        url, admin_url = self._daemon.url, self._daemon.admin_url
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=HANG_S)) as http:
            started = time.monotonic()
            call = {"userId": "u1", "event": "Opened", "messageId": f"m{self.taken}"}
            async with http.post(f"{url}/v1/track", json=call, headers=AUTHORIZATION) as answer:
                assert answer.status == 200, await answer.text()
            self.slowest_s = max(self.slowest_s, time.monotonic() - started)
            started = time.monotonic()
            async with http.get(f"{admin_url}/healthz") as answer:
                assert answer.status == 200, await answer.text()
            self.slowest_admin_s = max(self.slowest_admin_s, time.monotonic() - started)
        self.taken += 1


async def withstand(
    folder: Path,
    size: Size,
    limit_kb: int = LIMIT_KB,
    patience_s: float = PATIENCE_S,
    recovery_s: float = RECOVERY_S,
) -> None:
    """Attack a daemon, and look at what became of it."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < size.idle + 3_000:
        pytest.skip(f"the limit of open files, {soft}, is too low for the attacker")
    daemon = Daemon(folder, [destination("file", "file", {"path": str(folder / "out.jsonl")})])
    daemon.source = {"rate": f"{RATE}/s"}
    async with daemon:
        visitor = Visitor(daemon)
        arguments = [str(daemon.port), str(daemon.admin_port), WRITE_KEY, *map(str, size)]
        attacker = await asyncio.create_subprocess_exec(sys.executable, "-c", ATTACKER, *arguments, env=environment())
        try:
            while attacker.returncode is None:
                await visitor.come()
                await asyncio.sleep(GAP_S)
        finally:
            if attacker.returncode is None:
                attacker.kill()
            await attacker.wait()
        ended = time.monotonic()
        assert attacker.returncode == 0
        memory = daemon.memory_kb()
        print(f"{size}: {memory}, {visitor.taken} events, slowest answers {visitor.slowest_s:.2f} s and "
              f"{visitor.slowest_admin_s:.2f} s for admin")  # fmt: skip
        assert visitor.taken > 0
        assert memory["VmHWM"] < limit_kb
        assert visitor.slowest_s < patience_s
        assert visitor.slowest_admin_s < ADMIN_PATIENCE_S + patience_s

        async def is_quiet() -> bool:
            async with aiohttp.ClientSession() as http, http.get(f"{daemon.admin_url}/metrics") as answer:
                page = (await answer.text()).splitlines()
            values = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in page if line[:1] != "#"}
            connections = values['segment_router_connections{listener="ingest"}']
            return connections <= 1 and values['segment_router_unfinished_bytes{listener="ingest"}'] == 0

        await eventually(is_quiet, recovery_s, "the connections of the attack are gone")
        await daemon.settled("file", within_s=recovery_s)
        print(f"back to normal {time.monotonic() - ended:.1f} s after")
        assert (await daemon.ledger())["accepted"] == visitor.taken


async def test_a_short_attack_is_withstood(tmp_path: Path) -> None:
    """The short form runs beside other tests: its bounds are those of a busy machine."""
    await withstand(tmp_path, SHORT, limit_kb=2 * LIMIT_KB, patience_s=60.0, recovery_s=60.0)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_long_attack_is_withstood(tmp_path: Path) -> None:
    """The long form: every kind at the size at which it once brought the daemon down."""
    await withstand(tmp_path, LONG)
