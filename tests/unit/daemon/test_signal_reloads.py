"""Reloads that SIGHUP asks for wait for the start, are merged, end before the end, and their faults are in the log."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from router.daemon.service_manager import ServiceManager, service_manager
from router.daemon.signal_reloads import SignalReloads
from router.errors import ConfigError, StoreAway
from router.logger import make_log
from tests.unit.daemon.manager import Manager


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@contextmanager
def of_manager(manager: Manager) -> Iterator[ServiceManager]:
    service = service_manager({"NOTIFY_SOCKET": manager.address})
    with service.informed():
        yield service


def of(
    reload: Callable[[], Awaitable[object]],
    said: io.StringIO | None = None,
    told: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> SignalReloads:
    return SignalReloads(reload, told, make_log("info", "json", stream=said or io.StringIO()))


async def test_one_that_is_asked_for_during_the_start_waits_for_its_end() -> None:
    done: list[str] = []

    async def reload() -> None:
        done.append("reload")

    reloads = of(reload)
    reloads.ask()
    await turns()
    assert done == []
    async with reloads.running():
        await turns()
        assert done == ["reload"]
        reloads.ask()
        await turns()
    assert done == ["reload"] * 2


async def test_none_is_under_way_behind_it_and_none_begins() -> None:
    done: list[str] = []

    async def reload() -> None:
        done.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            done.append("ended")

    reloads = of(reload)
    async with reloads.running():
        reloads.ask()
        await turns()
    assert done == ["begun", "ended"]
    reloads.ask()
    await turns()
    assert done == ["begun", "ended"]


async def test_a_thousand_signals_during_a_reload_ask_for_one_more() -> None:
    done: list[str] = []
    may_end = asyncio.Event()

    async def reload() -> None:
        done.append("begun")
        await may_end.wait()
        done.append("ended")

    reloads = of(reload)
    async with reloads.running():
        reloads.ask()
        await turns()
        for _ in range(1000):
            reloads.ask()
            await asyncio.sleep(0)
        assert done == ["begun"]
        may_end.set()
        await turns()
        assert done == ["begun", "ended"] * 2
        reloads.ask()
        await turns()
    assert done == ["begun", "ended"] * 3


async def test_the_manager_is_told_at_the_signal_and_of_the_end_when_nobody_waits_for_a_reload(
    tmp_path: Path,
) -> None:
    """Of a signal during a reload, too: its `systemctl reload` would return at the end of the first one, which read the old file."""
    may_end = asyncio.Event()

    async def reload() -> None:
        with service.reloading():
            await may_end.wait()

    with Manager(tmp_path) as manager, of_manager(manager) as service:
        reloads = of(reload, told=service.reloading)
        reloads.ask()
        assert manager.told() == [], "it has not said yet that it is ready"
        may_end.set()
        async with reloads.running():
            await turns()
            manager.told()
            may_end.clear()
            reloads.ask()
            assert [told.split("=")[0] for told in manager.told()] == ["RELOADING"]
            await turns()
            reloads.ask()
            may_end.set()
            may_end.clear()
            await turns()
            assert manager.told() == []
            may_end.set()
            await turns()
            assert manager.told() == ["READY=1"]


async def test_a_fault_is_in_the_log_and_a_refusal_tells_of_itself() -> None:
    said, errors = io.StringIO(), [ConfigError(["wrong"]), StoreAway(), KeyError("odd")]

    async def reload() -> None:
        raise errors.pop(0)

    reloads = of(reload, said)
    async with reloads.running():
        for _ in range(3):
            reloads.ask()
            await turns()
    [line] = [json.loads(line) for line in said.getvalue().splitlines()]
    assert (line["event"], line["reason"], "KeyError: 'odd'" in line["detail"]) == ("internal_error", "reload", True)
