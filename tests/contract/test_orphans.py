"""Parked events whose lane is gone get a new one at the next start, and the log names one of the users."""

from __future__ import annotations

import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path

from router.logger import make_log
from tests.contract.rig import Gated, open_rig


async def test_parked_events_without_a_lane_are_sent_and_one_user_is_named(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        await rig.store.cursor("d", rig.clock.now_ms())
        rig.start(Gated)
        await rig.call("track", "m1", userId="u" * 300, event="E")
        assert (await rig.quiet())["held"] == 1
        await rig.stop()
    with closing(sqlite3.connect(tmp_path / "router.db", isolation_level=None)) as db:
        db.execute("DELETE FROM lane")
    stream = io.StringIO()
    async with open_rig(tmp_path) as rig:
        rig.log = make_log("error", "json", stream=stream, clock=rig.clock)
        rig.start(Gated)
        await rig.quiet()
        rig.log.flush()
    [line] = [found for found in map(json.loads, stream.getvalue().splitlines()) if found["event"] == "lanes_given"]
    assert line["users"] == 1
    assert line["user_key"] == f"user:{'u' * 194}…"
