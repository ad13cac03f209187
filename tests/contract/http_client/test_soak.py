"""Many requests, good ones and hostile ones: memory and descriptors are afterwards what they were before."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from router.plugin import Request
from tests.contract.http_client.conftest import Opens, Vends
from tests.contract.http_client.raw_vendor import Leave, RawVendor, Visit

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ROUND, ROUNDS = 2_000, 10
GROWTH = 4_000_000


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def hostile(visit: Visit) -> None:
    """Good answers, and every kind of bad one in turn."""
    kind = visit.requests % 8
    if kind == 2:
        visit.reset()
        raise Leave
    if kind == 4:
        await visit.say(OK + OK)
    elif kind == 6:
        await visit.say(OK[:-1])
        raise Leave
    elif kind == 7:
        await visit.say(b"nonsense\r\n\r\n")
    else:
        await visit.say(OK)


async def test_twenty_thousand_requests_with_cancels_and_bad_answers_leave_nothing(
    make: str, opens: Opens, vends: Vends
) -> None:
    if make == "aiohttp":
        pytest.skip("its memory is not ours")
    vendor: RawVendor = await vends(hostile)
    client = opens()

    async def one(n: int) -> None:
        task = asyncio.ensure_future(client.send(Request(f"{vendor.url}/{n}", body=b"x" * 100)))
        if n % 13 == 0:
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    before = 0
    for turn in range(ROUNDS):
        for first in range(0, ROUND, 20):
            await asyncio.gather(*(one(n) for n in range(first, first + 20)))
        vendor.requests.clear()
        if turn == 1:
            before = resident()
            descriptors = len(os.listdir("/proc/self/fd"))
    assert resident() - before < GROWTH
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 40
    await client.close()
    await vendor.becomes(lambda: vendor.open == 0)
    assert client.in_flight == 0
