"""The wall clock of the machine is set while the daemon runs."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from router.testing.vendor import FakeVendor, Reply
from tests.flow.harness import destination, eventually
from tests.flow.odd_daemon import OddDaemon, odd_machine

__all__ = ["odd_machine"]

DAY = 86_400


@pytest.mark.parametrize("jump", [DAY, -DAY])
async def test_a_day_s_jump_is_told_and_expires_nothing_and_hurries_nothing(odd_machine: Path, jump: int) -> None:
    async with FakeVendor() as vendor, FakeVendor(Reply(503, headers={"Retry-After": "3600"})) as broken:
        destinations = [
            destination("gated", "collector", {"base_url": vendor.url, "gated": True}, hold={"max_age": "1h"}),
            destination("broken", "collector", {"base_url": broken.url}, delivery={"max_age": "1h"}),
        ]
        async with OddDaemon(odd_machine, destinations) as daemon:
            await daemon.post("track", userId="u1", event="E", messageId="waits")
            await daemon.becomes("waits", "gated", "held")
            await eventually(lambda: _paused(daemon), what="the vendor asked for an hour")
            asked = len(broken.requests)
            daemon.wall(jump)
            await daemon.post("track", userId="u2", event="E", messageId="later")
            await daemon.post("track", userId="u1", event="E", messageId="waits")
            await daemon.becomes("later", "gated", "held")
            (jumped,) = daemon.log("clock_jumped")
            assert jumped["seconds"] == pytest.approx(jump, abs=1)
            assert (await daemon.ledger())["duplicates"] == 1
            assert await daemon.fate("waits", "gated") == ("held", "group_unknown")
            before, after = [
                datetime.fromisoformat((await daemon.message(id))["received_at"]) for id in ("waits", "later")
            ]
            assert timedelta(0) < after - before < timedelta(minutes=5), "router time goes on"
            await daemon.post("group", userId="u1", groupId="g", traits={"name": "G"}, messageId="opens")
            await daemon.becomes("waits", "gated", "delivered")
            assert len(broken.requests) == asked


async def test_after_a_start_router_time_goes_on_though_the_wall_clock_was_set_back_a_day(odd_machine: Path) -> None:
    async with FakeVendor() as vendor:
        gated = destination("gated", "collector", {"base_url": vendor.url, "gated": True})
        async with OddDaemon(odd_machine, [gated]) as daemon:
            await daemon.post("track", userId="u1", event="E", messageId="before")
            await daemon.becomes("before", "gated", "held")
            assert await daemon.terminate() == 0
            daemon.wall(-DAY)
            await daemon.restart()
            await daemon.post("track", userId="u1", event="E", messageId="before")
            await daemon.post("track", userId="u1", event="E", messageId="after")
            (jumped,) = daemon.log("clock_jumped")
            assert jumped["seconds"] == pytest.approx(-DAY, abs=60)
            before, after = [(await daemon.message(id))["received_at"] for id in ("before", "after")]
            assert before < after
            assert (await daemon.ledger())["duplicates"] == 1


async def _paused(daemon: OddDaemon) -> bool:
    return any(line["destination"] == "broken" for line in daemon.log("destination_paused"))
