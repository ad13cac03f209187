"""A cursor that does not move though there are events above it is seen; one that moves, or has nothing to do, is not."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from router.background import AFTER_FAULT_S
from router.daemon.cursor_watch import CursorWatch
from router.errors import StoreError
from router.logger import make_log
from router.testing.clock import FakeClock
from tests.contract.rig import open_rig
from tests.flow.harness import eventually


async def test_a_paused_destination_stands_from_the_first_look_on_and_moves_again(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        await rig.store.cursor("d", 0)
        rig.start()
        watch = CursorWatch(rig.store, rig.clock, rig.log, lambda: ["d"])
        await rig.call("identify", "i0", userId="u1")
        await rig.quiet()
        await watch.look()
        assert watch.standing_s() == {}, "nothing is above its cursor"
        await rig.runner.pause()
        await rig.call("identify", "i1", userId="u1")
        await rig.quiet()
        for seen in (0.0, 10.0, 20.0):
            await watch.look()
            assert watch.standing_s() == {"d": seen}
            rig.clock.advance(10)
        await rig.runner.resume()
        await rig.quiet()
        await watch.look()
        assert watch.standing_s() == {}


class Store:
    """Of which only cursors are asked."""

    def __init__(self) -> None:
        self.rows: dict[str, Any] = {}
        self.queries = self

    async def ledger(self, names: list[str]) -> dict[str, Any]:
        if not self.rows:
            raise StoreError("it cannot be read")
        return {"destinations": self.rows}


async def test_one_that_moves_slowly_does_not_stand_and_a_store_that_cannot_be_read_changes_nothing() -> None:
    store, now = Store(), [0.0]
    clock: Any = SimpleNamespace(monotonic=lambda: now[0])
    watch = CursorWatch(store, clock, make_log("error"), lambda: ["d"])  # type: ignore[arg-type]
    for second in range(0, 50, 10):
        now[0], store.rows = float(second), {"d": {"head": 100, "cursor": second}}
        await watch.look()
    assert watch.standing_s() == {"d": 0.0}
    now[0] = 60.0
    await watch.look()
    store.rows = {}
    now[0] = 70.0
    await watch.look()
    assert watch.standing_s() == {"d": 20.0}


async def test_a_look_that_fails_is_told_and_the_next_one_comes() -> None:
    store, clock, said = Store(), FakeClock(), io.StringIO()
    log = make_log("info", "json", stream=said)
    watch = CursorWatch(store, clock, log, lambda: ["d"])  # type: ignore[arg-type]

    async def told() -> list[str]:
        log.flush()
        return [json.loads(line)["reason"] for line in said.getvalue().splitlines()]

    async def sees_it() -> bool:
        return watch.standing_s() == {"d": 0.0}

    store.rows = {"d": {"head": 100}}  # a row that nobody expects
    async with watch.watched():
        assert await eventually(told) == ["cursors"]
        store.rows = {"d": {"head": 100, "cursor": 7}}
        clock.advance(AFTER_FAULT_S)
        await eventually(sees_it)
