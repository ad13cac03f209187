"""systemd holds the sockets: the daemon restarts under load, and no client sees more than a longer wait.

./test tests/flow/test_socket_activation.py -m slow    # 20 restarts; prints the longest wait
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from router.testing.vendor import FakeVendor, Hang
from tests.flow.harness import AUTHORIZATION, Daemon, environment, eventually, serve_command
from tests.flow.passing_parent import Held
from tests.flow.test_shutdown import HOOK, collector, ended, hanging, stopping, tell

CLIENTS = 16


class Patient:
    """A client that sends one call after the other and takes nothing but a 200 for an answer."""

    def __init__(self, daemon: Daemon, name: str, keep_alive: bool) -> None:
        self._url, self._name, self._keep_alive = f"{daemon.url}/v1/track", name, keep_alive
        self.is_to_end = False
        self.stored: list[str] = []
        self.told: Counter[str] = Counter()
        self.longest_s = 0.0

    async def run(self) -> None:
        """Send until `is_to_end`."""
        connector = aiohttp.TCPConnector(force_close=not self._keep_alive)
        async with aiohttp.ClientSession(connector=connector, headers=AUTHORIZATION) as http:
            while not self.is_to_end:
                await self._send(http, f"{self._name}-{len(self.stored)}")

    async def _send(self, http: aiohttp.ClientSession, message_id: str) -> None:
        call = {"userId": self._name, "event": "E", "messageId": message_id}
        began = time.monotonic()
        try:
            async with http.post(self._url, json=call) as answer:
                await answer.read()
                told = str(answer.status)
        except aiohttp.ClientError as error:
            told = type(error).__name__
        self.longest_s = max(self.longest_s, time.monotonic() - began)
        self.told[told] += 1
        self.stored.append(message_id)


@pytest.mark.parametrize(
    "restarts", [pytest.param(3, marks=pytest.mark.long), pytest.param(20, marks=pytest.mark.slow)]
)
async def test_restarts_under_load_lose_no_request(tmp_path: Path, restarts: int) -> None:
    """Half of the clients keep one connection, half open one for each request."""
    async with Held(tmp_path, [HOOK]) as daemon:
        clients = [Patient(daemon, f"c{n}", keep_alive=n % 2 == 0) for n in range(CLIENTS)]
        sending = [asyncio.create_task(client.run()) for client in clients]

        async def all_go_on() -> None:
            sent = [len(client.stored) for client in clients]

            async def more() -> bool:
                return all(len(client.stored) > before + 20 for client, before in zip(clients, sent, strict=True))

            await eventually(more, what="all of them are answered")

        for _ in range(restarts):
            await all_go_on()
            assert await daemon.terminate() == 0
            await daemon.restart()
        await all_go_on()
        for client in clients:
            client.is_to_end = True
        await asyncio.gather(*sending)
        told = sum((client.told for client in clients), Counter[str]())
        longest_s = max(client.longest_s for client in clients)
        print(f"{restarts} restarts, {told.total()} requests, the longest wait {longest_s:.2f} s")
        assert set(told) == {"200"}, told
        kept = {row[0] for row in daemon.rows("SELECT message_id FROM log")}
        assert kept == {message_id for client in clients for message_id in client.stored}


async def test_who_connects_while_nobody_serves_is_answered_after_the_start(tmp_path: Path) -> None:
    async with Held(tmp_path, [HOOK]) as daemon:
        assert await daemon.terminate() == 0
        posting = asyncio.create_task(daemon.post("track", userId="u1", event="E", messageId="m1"))
        asking = asyncio.create_task(daemon.admin("GET", "/healthz"))
        await daemon.restart()
        await posting
        assert (await asking)[0] == 200
        await daemon.becomes("m1", "hook", "delivered")


async def test_who_connects_after_a_crash_is_answered_after_the_start(tmp_path: Path) -> None:
    async with Held(tmp_path, [HOOK]) as daemon:
        daemon.kill()
        client = Patient(daemon, "c", keep_alive=False)
        sending = asyncio.create_task(client.run())
        await daemon.restart()

        async def answered() -> bool:
            return bool(client.stored)

        await eventually(answered, what="the client is answered")
        client.is_to_end = True
        await sending
        await daemon.becomes("c-0", "hook", "delivered")
        assert set(client.told) == {"200"}


async def test_while_destinations_drain_the_listener_serves_on(tmp_path: Path) -> None:
    """No client waits for a vendor that takes its time."""
    async with FakeVendor() as vendor, Held(tmp_path, [collector(vendor)]) as daemon:
        await hanging(daemon, vendor, "m1")
        await stopping(daemon)
        await daemon.post("track", userId="u2", event="E", messageId="m2")
        assert (await daemon.admin("GET", "/readyz"))[0] == 503
        vendor.release()
        assert await ended(daemon) == 0
        await daemon.restart()
        for message_id in ("m1", "m2"):
            await daemon.becomes(message_id, "hook", "delivered")
        assert not daemon.log("requests_cut")


async def test_a_second_signal_ends_it_at_once_and_the_sockets_stay(tmp_path: Path) -> None:
    async with FakeVendor() as vendor, Held(tmp_path, [collector(vendor)]) as daemon:
        vendor.script(Hang())
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await vendor.received(1)
        await stopping(daemon)
        tell(daemon, signal.SIGTERM)
        assert await ended(daemon) == 0
        vendor.release()
        posting = asyncio.create_task(daemon.post("track", userId="u2", event="E", messageId="m2"))
        await daemon.restart()
        await posting
        for message_id in ("m1", "m2"):
            await daemon.becomes(message_id, "hook", "delivered")


async def test_a_socket_that_listens_elsewhere_than_the_configuration_says_is_refused(tmp_path: Path) -> None:
    daemon = Held(tmp_path, [HOOK])
    daemon.names = "admin:ingest"  # each is where the other one should be
    daemon.write_config()
    with contextlib.closing(daemon):
        daemon.listen()
        daemon.spawn()
        assert await ended(daemon) == 78
    said = (tmp_path / "daemon.log").read_text()
    assert f"systemd passes a socket at 127.0.0.1:{daemon.admin_port}, and this is 127.0.0.1:{daemon.port}" in said


async def test_systemd_itself_passes_both_sockets_by_name(tmp_path: Path) -> None:
    """`systemd-socket-activate` has the code of systemd for it; it starts the daemon with the first connection."""
    program = shutil.which("systemd-socket-activate")
    if program is None:
        pytest.skip("there is no systemd-socket-activate on this machine")

    class Activated(Daemon):
        def spawn(self) -> None:
            listen = [f"--listen=127.0.0.1:{port}" for port in (self.port, self.admin_port)]
            kept = [f"--setenv={name}={value}" for name, value in environment().items()]
            command = [str(program), *listen, "--fdname=ingest:admin", *kept, *serve_command(self.config)]
            with self._log.open("ab") as log:
                self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=subprocess.DEVNULL)

    async with Activated(tmp_path, [HOOK]) as daemon:
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.becomes("m1", "hook", "delivered")
        (ready,) = daemon.log("daemon_ready")
        assert (ready["listen"], ready["admin"]) == (daemon.url, daemon.admin_url)


async def test_a_plugin_that_starts_a_program_does_not_hand_it_the_sockets(tmp_path: Path) -> None:
    """Else that program would keep the port when the unit is stopped."""
    async with Held(tmp_path, [HOOK]) as daemon:
        assert daemon.process is not None
        kept = flags_of(daemon.process.pid, {os.fstat(one.fileno()).st_ino for one in daemon.sockets})
        assert len(kept) >= 2
        assert all(flags & os.O_CLOEXEC for flags in kept)


def flags_of(pid: int, inodes: set[int]) -> list[int]:
    """The flags of each descriptor of a process that leads to one of these."""
    found = []
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # it was closed meanwhile
            if fd.stat().st_ino in inodes:
                words = Path(f"/proc/{pid}/fdinfo/{fd.name}").read_text().split()
                found.append(int(words[words.index("flags:") + 1], 8))
    return found


async def test_without_passed_sockets_it_opens_its_own(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon:
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        assert await daemon.terminate() == 0
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", daemon.port)):
            pass
