"""A plugin's own lifetime around the worker's."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from router.errors import CommandRefused
from router.logger import make_log
from router.plugin import hookimpl
from tests.contract.rig import Plain, open_rig
from tests.patience import HANG_S

pytestmark = pytest.mark.usefixtures("backend")


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
        with pytest.raises(CommandRefused, match="could not open"):
            await rig.runner.pause()
        await rig.call("track", "t", userId="u1", event="E")
        rig.clock.advance(61)
        await rig.runner.opened()
        await rig.quiet()
        assert rig.vendor.ids() == ["t"]
        await rig.stop()
    assert tries == ["open", "open", "closed"]


Manner = Callable[[], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def loses_a_task() -> AsyncIterator[None]:
    async def fail() -> None:
        raise ConnectionError("lost")

    async with asyncio.TaskGroup() as group:
        group.create_task(fail())
        yield


@asynccontextmanager
async def exits() -> AsyncIterator[None]:
    yield
    sys.exit(3)


@asynccontextmanager
async def never_closes() -> AsyncIterator[None]:
    yield
    await asyncio.Event().wait()


@asynccontextmanager
async def raises_at_its_end() -> AsyncIterator[None]:
    yield
    raise OSError("too late")


@asynccontextmanager
async def never_opens() -> AsyncIterator[None]:
    await asyncio.Event().wait()
    yield


@pytest.mark.parametrize(
    ("manner", "limit", "words"),
    [
        (loses_a_task, "", "ConnectionError: lost"),
        (exits, "", "SystemExit: 3"),
        (never_closes, "CLOSE_S", "took longer than 0.05 s to close"),
        (raises_at_its_end, "", "OSError: too late"),
        (never_opens, "OPEN_S", "took longer than 0.05 s to open"),
    ],
)
async def test_a_lifetime_that_fails_is_the_plugins_fault_and_ends_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manner: Manner, limit: str, words: str
) -> None:
    for name in ("OPEN_S", "CLOSE_S"):
        monkeypatch.setattr(f"router.plugin_host.lifetime.{name}", 0.05 if name == limit else HANG_S)

    class Odd(Plain):
        @hookimpl
        def lifetime(self) -> AbstractAsyncContextManager[None]:
            return manner()

    lines = io.StringIO()
    async with open_rig(tmp_path) as rig:
        rig.log = make_log("error", "json", stream=lines, clock=rig.clock)
        rig.start(Odd)
        opened = asyncio.create_task(rig.runner.opened())
        while not rig.runner.status.reason and not opened.done():
            await rig.vendor_moves()
        await rig.stop()
        await opened
    [told] = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert (told["event"], told["plugin"], told["hook"]) == ("plugin_failed", "test", "lifetime")
    assert words in told["detail"]
