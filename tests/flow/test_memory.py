"""A vendor that is down costs neither memory nor anybody else's time, however many events pile up for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from router.testing.vendor import FakeVendor, Reply
from tests.flow.harness import Daemon, assert_ledger_adds_up, destination, eventually
from tests.patience import HANG_S

BATCH, USERS = 500, 5_000
LIMIT_KB = 150_000


def lines(path: Path) -> int:
    """Lines in a file that is being written."""
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))


async def pile_up(folder: Path, events: int) -> None:
    """Feed events as fast as they are taken, with one healthy destination and one whose vendor answers 503."""
    async with FakeVendor(Reply(503)) as vendor:
        out = folder / "out.jsonl"
        tables = [
            destination("file", "file", {"path": str(out), "fsync": False}),
            destination("down", "collector", {"base_url": vendor.url}),
        ]
        log = {"level": "warning", "decisions": "exceptions"}
        async with Daemon(folder, tables, log=log) as daemon:
            for first in range(0, events, BATCH):
                calls = [
                    {
                        "type": "track", "userId": f"user-{n % USERS}", "event": "Feature Used", "messageId": f"m{n}",
                        "properties": {"n": n, "feature": "export", "note": "x" * 100},
                    }
                    for n in range(first, min(events, first + BATCH))
                ]  # fmt: skip
                await daemon.batch(calls)
                if first % (events // 10) < BATCH:
                    assert_ledger_adds_up(await daemon.ledger())
                    memory = daemon.memory_kb()
                    assert memory["VmRSS"] < LIMIT_KB, (first, memory)
            ledger = await daemon.settled("file", within_s=HANG_S + events / 2000)
            memory = daemon.memory_kb()
            assert memory["VmHWM"] < LIMIT_KB, memory
            counts = ledger["destinations"]
            assert ledger["accepted"] == events
            assert counts["file"]["delivered"] == events
            assert counts["down"]["delivered"] == 0
            assert counts["down"]["state"] == "breaker_open"
            assert counts["down"]["cursor"] < 5_000, "what nobody takes stays in the log"

            async def written() -> bool:
                return lines(out) >= events

            await eventually(written, what="the file holds every event")
            daemon.kill()
            await daemon.restart()
            ledger = await daemon.settled("file")
            assert_ledger_adds_up(ledger)
            assert counts["file"]["delivered"] == events
            vendor.default = Reply(200, json={})
            assert (await daemon.admin("POST", "/api/destinations/down/resume"))[0] == 200
            if events <= 100_000:
                ledger = await daemon.settled()
                assert ledger["destinations"]["down"]["delivered"] == events
                assert daemon.memory_kb()["VmHWM"] < LIMIT_KB, daemon.memory_kb()
            print(f"{events} events, memory {memory}, after the restart {daemon.memory_kb()}")


async def test_sixty_thousand_events_for_a_vendor_that_is_down_stay_within_the_memory_limit(tmp_path: Path) -> None:
    """The short form."""
    await pile_up(tmp_path, 60_000)


@pytest.mark.slow
@pytest.mark.timeout(7200)
async def test_a_million_events_for_a_vendor_that_is_down_stay_within_the_memory_limit(tmp_path: Path) -> None:
    """The long form: MEMORY_EVENTS events."""
    await pile_up(tmp_path, int(os.environ.get("MEMORY_EVENTS", "1000000")))
