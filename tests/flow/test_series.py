"""The counts of a running daemon: as an operator asks for them, and after a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.flow.harness import Daemon, destination, eventually

TO_NOBODY = {"base_url": "http://127.0.0.1:9"}
HOOK = destination("hook", "collector", TO_NOBODY, mode="dry-run")
SHY = destination("shy", "collector", TO_NOBODY, enabled=False)


def total(found: dict[str, Any], column: str) -> float:
    return sum(value or 0 for value in found["columns"][column])


async def test_series_show_what_was_just_counted_and_a_restart_keeps_it(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK, SHY]) as daemon:
        for n in range(3):
            await daemon.post("track", userId="u1", event="E", messageId=f"m{n}")
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.settled()
        await shown(daemon, 3)
        assert await daemon.terminate() == 0
        await daemon.restart()
        found = await shown(daemon, 3)
        assert len(found["times"]) == 60
        together = await daemon.get("/api/series?period=10m")
        assert [total(together, name) for name in ("accepted", "duplicates", "delivered", "filtered")] == [3, 1, 3, 3]
        of_source = await daemon.get("/api/series?source=website&period=24h")
        assert set(of_source["columns"]) == {"accepted", "duplicates", "discarded"}
        assert total(of_source, "accepted") == 3


async def shown(daemon: Daemon, n: int) -> dict[str, Any]:
    """The last hour of the destination, once it shows so many deliveries: they count when their commit is stored."""

    async def look() -> dict[str, Any] | None:
        found = await daemon.get("/api/series?destination=hook")
        return found if "delivered" in found["columns"] and total(found, "delivered") == n else None

    found = await eventually(look)
    assert found is not None
    return found


async def test_the_line_of_a_destination_tells_what_came_to_an_end_in_a_period_and_why(tmp_path: Path) -> None:
    gated = destination("gated", "collector", {**TO_NOBODY, "gated": True})
    async with Daemon(tmp_path, [SHY, gated]) as daemon:
        await daemon.post("track", userId="u1", event="E", messageId="m1")

        async def look() -> bool:
            line = await daemon.get("/api/destinations/shy/line?period=10m")
            return bool(line["filtered"] == 1)

        await eventually(look)
        line = await daemon.get("/api/destinations/shy/line?period=10m")
        assert line["accepted"] == 1
        assert line["reasons"] == {"filtered": {"disabled": 1}}
        await eventually(lambda: is_held(daemon))


async def is_held(daemon: Daemon) -> bool:
    line = await daemon.get("/api/destinations/gated/line?period=1h")
    return bool(line["now"] == {"held": 1, "retrying": 0, "queued": 0})


async def test_a_period_or_a_name_that_there_is_not_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon:
        asked = {
            "period=2y": (400, "one of 10m, 1h, 24h, 7d, 90d"),
            "destination=nobody": (404, "configured: hook"),
            "source=nobody": (404, "configured: website"),
            "source=website&destination=hook": (400, "not both"),
        }
        answers = await asyncio.gather(*(daemon.admin("GET", f"/api/series?{query}") for query in asked))
        for (status, body), (expected, words) in zip(answers, asked.values(), strict=True):
            assert (status, words in body["error"]) == (expected, True), body
