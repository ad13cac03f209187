"""The alerts about sources: each fires when its trouble is caused, and its runbook's commands end it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flow.drill import Drill, tuned
from tests.flow.harness import Daemon, destination

pytestmark = pytest.mark.long

HOOK = destination("hook", "collector", {"base_url": "http://127.0.0.1:9"}, mode="dry-run")


async def test_a_silent_source_fires_until_it_sends(tmp_path: Path) -> None:
    """It sent often, and sends nothing now."""
    async with tuned(tmp_path, [HOOK], {"source_activity.LEAST_SILENCE_MS": 1500}) as daemon:
        drill = Drill(daemon, "SourceSilent")
        for _ in range(12):
            await daemon.post("track", userId="u1", event="E")
        await drill.fires()
        await drill.shows("website")

        async def sends() -> None:  # it is silent again only after twice as long
            await daemon.post("track", userId="u1", event="E")

        await drill.ends(again=sends)


async def test_calls_that_cannot_be_used_fire_until_few_of_many_are(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon:
        drill = Drill(daemon, "CallsDiscarded")
        await drill.is_calm()
        for _ in range(5):
            await daemon.post("track", userId="u1")
        await drill.fires()
        await drill.shows("event_not_defined")
        await daemon.batch([{"type": "track", "userId": "u1", "event": "E"} for _ in range(500)])
        await drill.ends()
