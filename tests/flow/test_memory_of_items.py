"""Items of a megabyte in every buffer on the way: in the window, in requests, in retries, in dead letters and in a replay of these."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from router.testing.vendor import FakeVendor, Hang, Received, Reply
from tests.flow.harness import Daemon, destination, eventually

PATIENCE_S = 3_000
BASE_KB, DESTINATION_KB = 80_000, 34_000
"""What the daemon takes without such items, and what each destination may add to it (docs/limits.md)."""
RETRIED, REFUSED = 3, 5
"""One event in so many is answered 503 once, and one is refused until it is sent again."""
ID = re.compile(rb'"id":"(\d+)"')


class Doubtful:
    """A vendor for all destinations: it hangs; then it answers some events 503 once, and refuses some until it is told not to."""

    def __init__(self, vendor: FakeVendor) -> None:
        self._vendor = vendor
        self._had: set[tuple[str, int]] = set()
        self.refuses = True
        vendor.answer = lambda seen: Hang(503)

    def wake(self) -> None:
        """Hang no longer."""
        self._vendor.answer = self._answer
        self._vendor.release()

    def _answer(self, seen: Received) -> Reply:
        self._vendor.requests.clear()  # this process is not the one that is measured
        ids = [int(found) for found in ID.findall(seen.body)]
        new = {(seen.url, id) for id in ids if id % RETRIED == 0} - self._had
        self._had |= new
        if new:
            return Reply(503)
        return Reply(400 if self.refuses and any(id % REFUSED == 0 for id in ids) else 200)


async def carry(folder: Path, destinations: int, events: int) -> None:
    """Send so many events, each of which is an item of a megabyte at each destination."""
    async with FakeVendor() as vendor:
        doubtful, names = Doubtful(vendor), [f"d{n}" for n in range(destinations)]
        tables = [
            destination(
                name, "bulky", {"base_url": vendor.url, "name": name},
                delivery={"timeout": "120s", "isolation": "thread" if name == "d0" else "loop"},
            )
            for name in names
        ]  # fmt: skip
        async with Daemon(folder, tables, log={"level": "warning"}) as daemon:
            for n in range(events):
                await daemon.post(
                    "track", userId=f"u{n}", event="E", messageId=str(n), properties={"note": "x" * 2_000}
                )

            async def all_wait() -> bool:
                return len(vendor.requests) >= 2 * destinations

            await eventually(all_wait, what="each vendor has its first requests")
            peaks = {"hang": daemon.memory_kb()["VmHWM"]}
            doubtful.wake()
            ledger = await daemon.settled(within_s=PATIENCE_S)
            dead = len(range(0, events, REFUSED))
            assert {counts["dead"] for counts in ledger["destinations"].values()} == {dead}
            assert {counts["delivered"] for counts in ledger["destinations"].values()} == {events - dead}
            peaks["retries"] = daemon.memory_kb()["VmHWM"]
            doubtful.refuses = False
            for name in names:
                status, body = await daemon.admin("POST", f"/api/destinations/{name}/replay", {"dead": True})
                assert (status, body["count"]) == (200, dead), body
                last = (await daemon.get(f"/api/destinations/{name}"))["last"]
                assert last["failed"]["request"]["body_bytes"] > 1_000_000
                assert len(last["failed"]["request"]["body"]) == 8_192

            async def all_delivered() -> bool:
                counts = (await daemon.ledger())["destinations"].values()
                return all(count["delivered"] == events for count in counts)

            await eventually(all_delivered, PATIENCE_S, "the dead letters are delivered")
            peaks["replay"] = daemon.memory_kb()["VmHWM"]
            print(f"{events} events of a megabyte to {destinations} destinations: {peaks}")
            assert peaks["replay"] < BASE_KB + destinations * DESTINATION_KB, peaks


async def test_items_of_a_megabyte_at_ten_destinations_stay_within_the_memory_limit(tmp_path: Path) -> None:
    """All together they are 300 MB, twice as much with the bodies of the requests."""
    await carry(tmp_path, 10, 30)


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_gigabytes_of_such_items_at_twenty_destinations_stay_within_the_memory_limit(tmp_path: Path) -> None:
    """The long form."""
    await carry(tmp_path, 20, 100)
