"""A disk that fails under load: what was answered 200 is there after a start; a full one is waited out without a restart."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from router.testing.vendor import FakeVendor
from tests.flow.harness import AUTHORIZATION, destination, eventually
from tests.flow.odd_daemon import OddDaemon, odd_machine

__all__ = ["odd_machine"]

POSTERS = 8


class Load:
    """Posters that send one event after the other, as long as the daemon is there."""

    def __init__(self, daemon: OddDaemon) -> None:
        self.answers: list[tuple[str, int]] = []  #: (message id, status), in the order of the answers
        self.retry_after: set[str | None] = set()
        self._daemon = daemon
        self._stop = False

    async def run(self) -> None:
        """Until `stop`, or until nobody listens any more."""
        async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as group:
            for number in range(POSTERS):
                group.create_task(self._post(http, number))

    async def _post(self, http: aiohttp.ClientSession, number: int) -> None:
        n = 0
        while not self._stop:
            n += 1
            id = f"m{number}-{n}"
            call = {"userId": f"u{number}", "event": "E", "properties": {"n": n}, "messageId": id}
            try:
                async with http.post(f"{self._daemon.url}/v1/track", json=call, headers=AUTHORIZATION) as answer:
                    if answer.status == 503:
                        self.retry_after.add(answer.headers.get("Retry-After"))
                    self.answers.append((id, answer.status))
            except aiohttp.ClientError:
                return

    def stop(self) -> None:
        """Let each poster end after its answer."""
        self._stop = True

    def ids(self, status: int) -> list[str]:
        """The messages that got this answer."""
        return [id for id, answered in self.answers if answered == status]

    async def has(self, status: int, more_than: int = 0) -> None:
        """Wait until so many were answered like this."""

        async def enough() -> bool:
            return len(self.ids(status)) > more_than

        await eventually(enough, what=f"more than {more_than} answers {status}")


def delivered(vendor: FakeVendor) -> set[str]:
    """What the vendor was sent."""
    return {item["id"] for seen in vendor.requests for item in seen.json()}


@pytest.mark.parametrize("fault", ["sync wal IOERR_FSYNC", "write wal IOERR_WRITE"])
async def test_a_failing_disk_ends_the_daemon_with_1_and_what_was_answered_200_is_there(
    odd_machine: Path, fault: str
) -> None:
    async with FakeVendor() as vendor:
        hook = destination("hook", "collector", {"base_url": vendor.url})
        async with OddDaemon(odd_machine, [hook], "store_failed") as daemon:
            load = Load(daemon)
            running = asyncio.create_task(load.run())
            await load.has(200, more_than=100)
            daemon.disk(fault)
            assert await daemon.ended() == 1
            await running
            (failed,) = daemon.log("store_failed")
            assert fault.split()[2] in failed["detail"]
            for number in range(POSTERS):
                statuses = [status for id, status in load.answers if id.startswith(f"m{number}-")]
                assert statuses == sorted(statuses), "no 200 after the first 503"
            daemon.disk()
            await daemon.restart()
            ledger = await daemon.emptied()
            assert ledger["accepted"] >= len(load.ids(200))
            assert set(load.ids(200)) <= delivered(vendor)
            for id in load.ids(503)[:3]:  # its outcome was unknown: sent again, it is there once
                again = {"userId": "u", "event": "E", "properties": {"n": 0}, "messageId": id}
                await daemon.post_until_taken("track", again)
                await daemon.becomes(id, "hook", "delivered")


async def test_a_full_disk_is_answered_with_503_and_waited_out_without_a_restart(odd_machine: Path) -> None:
    async with FakeVendor() as vendor:
        hook = destination("hook", "collector", {"base_url": vendor.url})
        async with OddDaemon(odd_machine, [hook], "store_full") as daemon:
            load = Load(daemon)
            running = asyncio.create_task(load.run())
            await load.has(200, more_than=100)
            daemon.disk("write wal FULL", "write db FULL", "map db IOERR_SHMSIZE")
            await load.has(503, more_than=50)
            answered = len(load.answers)
            taken = set(load.ids(200))

            async def all_sent() -> bool:
                return taken <= delivered(vendor)

            await eventually(all_sent, what="what was accepted is delivered, though it cannot be settled")
            await load.has(503, more_than=len(load.ids(503)) + 50)
            assert {status for _, status in load.answers[answered:]} == {503}
            assert load.retry_after == {"30"}
            daemon.disk()
            await load.has(200, more_than=len(load.ids(200)) + 100)
            load.stop()
            await running
            ledger = await daemon.emptied()
            assert ledger["accepted"] == len(load.ids(200))
            assert set(load.ids(200)) == delivered(vendor)
            assert daemon.rows("PRAGMA integrity_check") == [("ok",)]
            assert [line["event"] for line in daemon.log() if line["event"].startswith("store_")] == [
                "store_full",
                "store_recovered",
            ]


async def test_a_daemon_can_be_stopped_and_started_on_a_full_disk_and_sends_again_what_it_could_not_settle(
    odd_machine: Path,
) -> None:
    async with FakeVendor() as vendor:
        hook = destination("hook", "collector", {"base_url": vendor.url})
        async with OddDaemon(odd_machine, [hook], "store_full") as daemon:
            await daemon.admin("POST", "/api/destinations/hook/pause")
            await daemon.post("track", userId="u1", event="E", messageId="m1")
            daemon.disk("write wal FULL", "write db FULL")
            for times in (1, 2):
                await daemon.admin("POST", "/api/destinations/hook/resume")
                await eventually(partial(_arrived, vendor, times), what=f"m1 is sent {times} times")
                # what was sent is not settled, and the end of the pause could not be stored either
                assert await daemon.fate("m1", "hook") == ("queued", "paused")
                assert await daemon.terminate() == 0
                await daemon.restart()
            load = Load(daemon)
            running = asyncio.create_task(load.run())
            await load.has(503, more_than=20)
            daemon.disk()
            await load.has(200, more_than=20)
            load.stop()
            await running
            await daemon.admin("POST", "/api/destinations/hook/resume")
            await daemon.emptied()
            assert {"m1", *load.ids(200)} == delivered(vendor)


async def _arrived(vendor: FakeVendor, times: int) -> bool:
    return [item["id"] for seen in vendor.requests for item in seen.json()] == ["m1"] * times
