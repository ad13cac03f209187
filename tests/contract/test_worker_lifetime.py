"""A plugin's own lifetime around the worker's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from router.deliver.commands import Refused
from router.plugin import hookimpl
from tests.contract.rig import Plain, open_rig


async def test_a_plugin_that_cannot_open_is_tried_again_and_loses_nothing(tmp_path: Path) -> None:
    tries: list[str] = []

    class Fragile(Plain):
        @hookimpl
        @asynccontextmanager
        async def lifetime(self) -> AsyncIterator[None]:
            tries.append("open")
            if len(tries) == 1:
                raise OSError("no such device")
            yield
            tries.append("closed")

    async with open_rig(tmp_path) as rig:
        rig.start(Fragile)
        await rig.runner.open()
        while not tries or not rig.runner.status.reason:
            await rig.vendor_moves()
        assert (rig.runner.status.state, rig.runner.status.reason) == ("paused", "internal")
        with pytest.raises(Refused, match="could not open"):
            await rig.runner.pause()
        await rig.call("track", "t", userId="u1", event="E")
        rig.clock.advance(61)
        await rig.runner.opened()
        await rig.quiet()
        assert rig.vendor.ids() == ["t"]
        await rig.stop()
    assert tries == ["open", "open", "closed"]
