"""What systemd hears of a real daemon, from its start to its end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flow import prepared
from tests.flow.harness import Daemon, environment, eventually
from tests.flow.test_shutdown import HOOK, ended, stopping, tell
from tests.unit.daemon.manager import Manager

WATCHDOG_S = 0.3
STUCK = """
from router.daemon import progress, service_manager
from router.deliver.worker import Worker
progress.STALL_S, service_manager.STATUS_EVERY_S = 0.2, 0.05
async def run_commands(self):
    import asyncio, pathlib
    while pathlib.Path("stuck").exists():
        await asyncio.sleep(0.01)
Worker._run_commands = run_commands
"""
"""A build with a fault: a worker is stuck for as long as there is a file of that name."""

LARGE = """
from router.daemon import service_manager
from router.store.sqlite import store
service_manager.EXTEND_EVERY_S = 0.1
def migrate(*args, migrate=store.migrate):
    import pathlib
    while not pathlib.Path("go").exists():
        sum(range(100_000))
    return migrate(*args)
store.migrate = migrate
"""
"""A store that is upgraded for as long as there is no file of that name."""


class Managed(Daemon):
    """A daemon with a manager that wants signs of life."""

    def __init__(self, folder: Path, manager: Manager, first: str = "") -> None:
        super().__init__(folder, [HOOK])
        self._manager, self._first = manager, first
        self.heard: list[str] = []

    def spawn(self) -> None:
        theirs = {"NOTIFY_SOCKET": self._manager.address, "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6))}
        words = ["serve", "--config", str(self.config)]
        with self._log.open("ab") as log:
            self.process = prepared.start(
                words, self.folder, {**environment(), **theirs}, log.fileno(), first=self._first
            )

    def hear(self) -> list[str]:
        """What was told so far, but for signs of life."""
        self.heard += self._manager.told()
        return [line for line in self.heard if line != "WATCHDOG=1"]

    async def hears(self, message: str, times: int = 1) -> None:
        """Wait until the manager was told this so often."""

        async def told() -> bool:
            self.hear()
            return self.heard.count(message) >= times

        await eventually(told, what=f"{message} is told")


class Faulty(Managed):
    """One whose fault is ours."""

    fault = "progress_stalled"

    def assert_no_fault(self) -> None:
        assert {line["event"] for line in self.log() if line["level"] == "error"} == {self.fault}


class Refusing(Faulty):
    """One that is given a faulty file."""

    fault = "config_reload_failed"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    with Manager(tmp_path) as manager:
        yield manager


async def test_it_says_that_it_is_ready_reloads_and_stops(tmp_path: Path, manager: Manager) -> None:
    async with Managed(tmp_path, manager) as daemon:
        await daemon.hears("WATCHDOG=1", times=3)
        await daemon.hears("STATUS=0 accepted; 0 held, 0 retrying, 0 queued, 0 dead")
        assert daemon.hear()[:2] == ["STATUS=opening the store", "READY=1"]
        tell(daemon, signal.SIGHUP)
        await daemon.hears("READY=1", times=2)
        reloading, ready = [line for line in daemon.hear() if not line.startswith("STATUS=")][1:]
        assert reloading.startswith("RELOADING=1\nMONOTONIC_USEC=")
        assert int(reloading.rpartition("=")[2]) > 0
        assert ready == "READY=1"
        await stopping(daemon)
        assert await ended(daemon) == 0
        assert daemon.hear()[-1] == "STOPPING=1\nSTATUS=stopping: SIGTERM"


async def test_a_reload_that_is_refused_ends_as_well_and_is_seen_in_the_status(
    tmp_path: Path, manager: Manager
) -> None:
    async with Refusing(
        tmp_path, manager, "import router.daemon.service_manager as m; m.STATUS_EVERY_S = 0.05"
    ) as daemon:
        daemon.config.write_text("faulty")
        tell(daemon, signal.SIGHUP)
        await daemon.hears("READY=1", times=2)
        await daemon.hears("STATUS=0 accepted; 0 held, 0 retrying, 0 queued, 0 dead; the last reload was refused")


async def test_why_it_did_not_start_is_the_last_status(tmp_path: Path, manager: Manager) -> None:
    daemon = Managed(tmp_path, manager)
    daemon.config.write_text("faulty")
    daemon.spawn()
    assert await ended(daemon) == 78
    (status,) = daemon.hear()
    assert status.startswith("STATUS=")
    assert "config.toml" in status


async def test_no_sign_of_life_is_given_while_a_worker_is_stuck(tmp_path: Path, manager: Manager) -> None:
    """The loop itself goes round: events are accepted, and the status line is told."""
    stuck = tmp_path / "stuck"
    async with Faulty(tmp_path, manager, STUCK) as daemon:
        await daemon.hears("WATCHDOG=1", times=3)
        stuck.touch()
        await daemon.post("track", userId="u1", event="E", messageId="m0")
        (line,) = await daemon.logged("progress_stalled")
        assert line["detail"].startswith("destination hook has been at one piece of work for ")
        daemon.hear()
        daemon.heard.clear()
        for n in range(1, 11):  # each takes a round of the status, and all of them more than a sign of life would
            await daemon.post("track", userId="u1", event="E", messageId=f"m{n}")
            await daemon.hears(f"STATUS={n + 1} accepted; 0 held, 0 retrying, {n + 1} queued, 0 dead")
        assert "WATCHDOG=1" not in daemon.heard
        stuck.unlink()
        await daemon.hears("WATCHDOG=1", times=3)
        await daemon.settled()


async def test_a_store_that_takes_long_to_open_gets_more_time_and_is_not_ready_before(
    tmp_path: Path, manager: Manager
) -> None:
    class Slow(Managed):
        async def start(self) -> None:
            self.spawn()
            await self.hears("EXTEND_TIMEOUT_USEC=60000000", times=2)
            assert "READY=1" not in self.heard
            (self.folder / "go").touch()
            await self.ready()

    async with Slow(tmp_path, manager, LARGE) as daemon:
        await daemon.hears("READY=1")
