"""systemd hears that the daemon is ready when it is, that it gets on while it does, and nothing else."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from router.daemon import service_manager as module
from router.daemon.notify_socket import NotifySocket
from router.daemon.progress import Stalled
from router.daemon.service_manager import ServiceManager, service_manager
from router.errors import ConfigError, StoreError
from router.logger import make_log
from router.testing.clock import FakeClock
from tests.unit.daemon.manager import Manager

WATCHDOG_S = 90.0


class Rig:
    """The daemon's side, on a clock that stands still."""

    def __init__(self, manager: Manager, watchdog_s: float) -> None:
        self.manager, self.clock = manager, FakeClock()
        self.work = 0
        self.stuck: list[Stalled] = []
        self.gist = "5 accepted"
        self.said = io.StringIO()
        self.service = ServiceManager(
            NotifySocket(manager.address), watchdog_s, self.clock.sleep, lambda: 7_000_000, lambda: self.work
        )

    async def look(self) -> str:
        if self.gist == "closed":
            raise StoreError("closed")
        if self.gist == "broken":
            raise RuntimeError("a fault")
        return self.gist

    def ready(self) -> None:
        self.service.ready(self.look, lambda: self.stuck, make_log("info", "json", stream=self.said))

    async def told(self, after_s: float = 0.0) -> list[str]:
        """What the manager hears while this time passes, a second at a time."""
        await turns()
        for _ in range(int(after_s)):
            self.clock.advance(1)
            await turns()
        return self.manager.told()

    def logged(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.said.getvalue().splitlines()]


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    with Manager(tmp_path) as manager:
        yield manager


@asynccontextmanager
async def started(manager: Manager, watchdog_s: float = 0.0) -> AsyncIterator[Rig]:
    rig = Rig(manager, watchdog_s)
    with rig.service.informed():
        async with rig.service.running():
            yield rig


async def test_it_is_ready_once_and_not_before(manager: Manager) -> None:
    async with started(manager) as rig:
        assert await rig.told() == ["STATUS=opening the store"]
        rig.ready()
        assert await rig.told() == ["READY=1", "STATUS=5 accepted"]
        assert await rig.told(60) == []


async def test_a_start_that_works_gets_more_time_and_one_that_hangs_does_not(manager: Manager) -> None:
    async with started(manager) as rig:
        await rig.told()
        for work, told in [
            (500, ["EXTEND_TIMEOUT_USEC=60000000"]),
            (504, []),
            (2000, ["EXTEND_TIMEOUT_USEC=60000000"]),
        ]:
            rig.work = work
            assert await rig.told(module.EXTEND_EVERY_S) == told
        rig.ready()
        await rig.told()
        rig.work = 9000
        assert await rig.told(60) == []


async def test_the_status_line_is_sent_again_only_when_it_has_changed(manager: Manager) -> None:
    async with started(manager) as rig:
        rig.ready()
        await rig.told()
        assert await rig.told(module.STATUS_EVERY_S) == []
        rig.gist = "6 accepted"
        assert await rig.told(module.STATUS_EVERY_S) == ["STATUS=6 accepted"]


async def test_a_store_that_closes_and_a_fault_in_the_status_line_cost_nothing_but_the_line(manager: Manager) -> None:
    async with started(manager, WATCHDOG_S) as rig:
        rig.ready()
        await rig.told()
        for gist in ("closed", "broken"):
            rig.gist = gist
            assert await rig.told(module.STATUS_EVERY_S) == []
        assert [line["reason"] for line in rig.logged()] == ["service_status"]
        rig.gist = "6 accepted"
        assert "STATUS=6 accepted" in await rig.told(module.STATUS_EVERY_S)


async def test_signs_of_life_stop_while_something_is_stuck_and_come_again_with_it(manager: Manager) -> None:
    async with started(manager, WATCHDOG_S) as rig:
        assert "WATCHDOG=1" not in await rig.told(60)
        rig.ready()
        assert (await rig.told()).count("WATCHDOG=1") == 1
        assert (await rig.told(WATCHDOG_S)).count("WATCHDOG=1") == module.PINGS
        rig.stuck = [Stalled("crm", 61.0), Stalled("store", 75.0)]
        assert await rig.told(2 * WATCHDOG_S) == []
        words = "destination crm has been at one piece of work for 61 s; the store's writer has been at one piece of work for 75 s"
        assert [(line["event"], line["detail"]) for line in rig.logged()] == [("progress_stalled", words)]
        rig.stuck = []
        assert (await rig.told(WATCHDOG_S)).count("WATCHDOG=1") == module.PINGS


async def test_where_no_watchdog_is_wanted_no_sign_of_life_is_given(manager: Manager) -> None:
    async with started(manager) as rig:
        rig.ready()
        assert "WATCHDOG=1" not in await rig.told(200)


async def test_signs_of_life_go_on_while_it_stops(manager: Manager) -> None:
    async with started(manager, WATCHDOG_S) as rig:
        rig.ready()
        await rig.told()
        rig.service.stopping("SIGTERM")
        assert await rig.told() == ["STOPPING=1\nSTATUS=stopping: SIGTERM"]
        rig.gist = "6 accepted"
        assert set(await rig.told(60)) == {"WATCHDOG=1"}
    assert await rig.told(200) == []


async def test_nothing_is_looked_up_any_more_once_it_stops(manager: Manager) -> None:
    async with started(manager) as rig:
        rig.ready()
        await rig.told()
        rig.service.stopping("SIGTERM")
        rig.gist = "broken"
        await rig.told(3 * module.STATUS_EVERY_S)
        assert rig.logged() == []


async def test_a_reload_is_told_from_its_begin_to_its_end_and_of_several_the_last_one_ends_it(manager: Manager) -> None:
    async with started(manager) as rig:
        rig.ready()
        await rig.told()
        with rig.service.reloading():
            assert await rig.told() == ["RELOADING=1\nMONOTONIC_USEC=7000"]
            with pytest.raises(ConfigError), rig.service.reloading():
                raise ConfigError(["faulty"])
            assert await rig.told() == []
        assert await rig.told() == ["READY=1"]


async def test_a_reload_that_the_stop_overtakes_does_not_say_ready(manager: Manager) -> None:
    async with started(manager) as rig:
        rig.ready()
        await rig.told()
        with rig.service.reloading():
            rig.service.stopping("SIGTERM")
        assert "READY=1" not in await rig.told()
        with rig.service.reloading():
            pass
        assert await rig.told() == []


def test_why_it_cannot_start_is_the_status(manager: Manager) -> None:
    service = service_manager({"NOTIFY_SOCKET": manager.address})
    with pytest.raises(ConfigError), service.informed():
        raise ConfigError(["server.listen: not an address"])
    assert manager.told() == ["STATUS=server.listen: not an address"]


async def test_without_a_manager_nothing_is_told_and_nothing_runs() -> None:
    service = service_manager({"WATCHDOG_USEC": "1000000"})
    before = asyncio.all_tasks()
    async with service.running():
        with service.reloading():
            pass
        service.ready(lambda: pytest.fail("nobody asks"), list, make_log("info", "json", stream=io.StringIO()))
        service.stopping("SIGTERM")
        assert asyncio.all_tasks() == before
