"""Stopping and starting: nothing that has begun is cut, nothing is lost, and the exit code is 0."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from router.testing.vendor import FakeVendor, Hang, Reply
from tests.flow import prepared
from tests.flow.harness import AUTHORIZATION, Daemon, Table, destination, environment, eventually
from tests.flow.test_failures import assert_refused
from tests.patience import HANG_S

OK = Reply(200, json={})
HOOK = destination("hook", "collector", {"base_url": "http://127.0.0.1:9"}, mode="dry-run")


class Tuned(Daemon):
    """A daemon with other waits: `tuning` is run first."""

    tuning = "import router.ingest.graceful_close; router.ingest.graceful_close.QUIET_S = 3.0"

    def spawn(self) -> None:
        words = ["serve", "--config", str(self.config)]
        with self._log.open("ab") as log:
            self.process = prepared.start(words, self.folder, environment(), log.fileno(), first=self.tuning)


class Hasty(Tuned):
    """Cuts after a second what is in flight."""

    tuning = "import router.daemon.shutdown; router.daemon.shutdown.DRAIN_S = 1.0"


def collector(vendor: FakeVendor, timeout: str = "10m") -> Table:
    """A collector, pointed at a vendor of ours that may take its time."""
    return destination("hook", "collector", {"base_url": vendor.url}, delivery={"timeout": timeout})


def ids(vendor: FakeVendor) -> list[str]:
    """The ids the vendor was sent, in order."""
    return [item["id"] for seen in vendor.requests for item in seen.json()]


def tell(daemon: Daemon, number: signal.Signals) -> None:
    """Send a signal and wait for nothing."""
    assert daemon.process is not None
    daemon.process.send_signal(number)


async def stopping(daemon: Daemon, number: signal.Signals = signal.SIGTERM) -> None:
    """Ask it to stop, and wait until it says that it does."""
    before = len(daemon.log("daemon_stopping"))
    tell(daemon, number)

    async def told() -> bool:
        return len(daemon.log("daemon_stopping")) > before

    await eventually(told, what="it says that it stops")


async def ended(daemon: Daemon) -> int:
    """Wait for its end; returns the exit code."""
    process = daemon.process
    assert process is not None

    async def gone() -> bool:
        return process.poll() is not None

    await eventually(gone, what="it ends")
    daemon.process = None
    return process.wait()


async def hanging(daemon: Daemon, vendor: FakeVendor, *message_ids: str) -> None:
    """Accept these events of one user, while the vendor takes the first and does not answer."""
    vendor.script(Hang())
    for n, message_id in enumerate(message_ids):
        await daemon.post("track", userId="u1", event="E", messageId=message_id)
        if n == 0:
            await vendor.received(1)


# ---------------------------------------------------------------- clients


class Client:
    """Sends as fast as it can until nobody listens any more, and keeps what it was told."""

    def __init__(self, daemon: Daemon, name: str, keep_alive: bool) -> None:
        self._url, self._name, self._keep_alive = f"{daemon.url}/v1/track", name, keep_alive
        self.stored: list[str] = []
        self.told: Counter[str] = Counter()

    async def run(self) -> None:
        """Send, one after the other."""
        connector = aiohttp.TCPConnector(force_close=not self._keep_alive)
        async with aiohttp.ClientSession(connector=connector, headers=AUTHORIZATION) as http:
            for n in range(1_000_000):
                try:
                    await self._send(http, f"{self._name}-{n}")
                except aiohttp.ClientConnectorError as error:
                    if isinstance(error.os_error, ConnectionRefusedError):
                        return
                    raise
                except aiohttp.ClientError as error:
                    self.told[type(error).__name__] += 1

    async def _send(self, http: aiohttp.ClientSession, message_id: str) -> None:
        call = {"userId": self._name, "event": "E", "messageId": message_id}
        async with http.post(self._url, json=call) as answer:
            await answer.read()
            self.told[str(answer.status)] += 1
            if answer.status == 200:
                self.stored.append(message_id)
            else:
                assert "Retry-After" in answer.headers


async def test_clients_that_send_while_it_stops_are_answered_or_refused_and_each_200_is_there_after_the_restart(
    tmp_path: Path,
) -> None:
    """Neither those with one connection for all, nor those with one for each request, ever see a reset."""
    async with Tuned(tmp_path, [HOOK]) as daemon:
        for round_ in range(2):
            clients = [Client(daemon, f"c{round_}-{n}", keep_alive=n < 8) for n in range(12)]
            sending = [asyncio.create_task(client.run()) for client in clients]

            async def all_send(clients: list[Client] = clients) -> bool:
                return all(len(client.stored) > 20 for client in clients)

            await eventually(all_send, what="all of them send")
            assert await daemon.terminate() == 0
            await asyncio.gather(*sending)
            told = sum((client.told for client in clients), Counter[str]())
            assert set(told) <= {"200", "503"}, told
            await daemon.restart()
            kept = {row[0] for row in daemon.rows("SELECT message_id FROM log")}
            assert kept >= {message_id for client in clients for message_id in client.stored}


class Connection:
    """A connection of a client that sends byte by byte as the test wants it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message_id: str) -> None:
        self._reader, self._writer = reader, writer
        body = json.dumps({"userId": "u1", "event": "E", "messageId": message_id}).encode()
        head = f"POST /v1/track HTTP/1.1\r\nHost: x\r\nAuthorization: {AUTHORIZATION['Authorization']}\r\n"
        self.request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    async def send(self, data: bytes) -> None:
        """Have these bytes on their way."""
        self._writer.write(data)
        await self._writer.drain()

    async def rest(self) -> bytes:
        """What comes until the other side has closed. A reset raises ConnectionResetError."""
        async with asyncio.timeout(HANG_S):
            answer = await self._reader.read()
        self._writer.close()
        await self._writer.wait_closed()
        return answer


async def connect(daemon: Daemon, message_id: str = "m1") -> Connection:
    """A connection that the daemon has taken on: one request on it is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", daemon.port)
    connection = Connection(reader, writer, message_id)
    await connection.send(b"POST /v1/m HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    assert await reader.readexactly(17) == b'{"success": true}'
    return connection


async def refuses(daemon: Daemon) -> bool:
    """Whether new connections are. It says that it stops before it closes its listeners."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", daemon.port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


@pytest.mark.parametrize(
    ("part", "kind"), [(20, Daemon), (-10, Daemon), (None, Tuned)], ids=["half a head", "half a body", "nothing"]
)
async def test_a_request_that_comes_in_while_it_stops_is_stored_and_its_connection_closed(
    tmp_path: Path, part: int | None, kind: type[Daemon]
) -> None:
    """On a connection that was open; new ones are refused."""
    async with FakeVendor() as vendor, kind(tmp_path, [collector(vendor)]) as daemon:
        connection = await connect(daemon)
        begun = connection.request[:part] if part is not None else b""
        await connection.send(begun)
        await stopping(daemon)
        await eventually(partial(refuses, daemon), what="new connections are refused")
        await connection.send(connection.request[len(begun) :])
        answer = await connection.rest()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"\r\nConnection: close\r\n" in answer
        assert await ended(daemon) == 0
        await daemon.restart()
        await daemon.becomes("m1", "hook", "delivered")


async def test_requests_that_came_in_together_are_all_answered_before_the_connection_is_closed(tmp_path: Path) -> None:
    """Only the last answer ends it."""
    async with Daemon(tmp_path, [HOOK]) as daemon:
        connection = await connect(daemon)
        await connection.send(connection.request[:-10])
        await stopping(daemon)
        await connection.send(connection.request[-10:] + connection.request.replace(b"m1", b"m2"))
        answer = await connection.rest()
        assert (answer.count(b"HTTP/1.1 200 "), answer.count(b"\r\nConnection: close\r\n")) == (2, 1)
        assert await ended(daemon) == 0
        await daemon.restart()
        assert (await daemon.ledger())["accepted"] == 2


async def test_a_connection_without_a_request_is_closed_and_not_reset(tmp_path: Path) -> None:
    """Nor does it keep the daemon alive."""
    async with Daemon(tmp_path, [HOOK]) as daemon:
        reader, writer = await asyncio.open_connection("127.0.0.1", daemon.port)
        new, used = Connection(reader, writer, "m1"), await connect(daemon)
        await stopping(daemon)
        assert (await new.rest(), await used.rest()) == (b"", b"")
        assert await ended(daemon) == 0


async def test_a_client_that_does_not_close_its_end_does_not_keep_the_daemon_alive(tmp_path: Path) -> None:
    """It has the time to."""
    async with Daemon(tmp_path, [HOOK]) as daemon:
        with socket.create_connection(("127.0.0.1", daemon.port)):
            assert await daemon.terminate() == 0
        assert not daemon.log("requests_cut")


async def test_a_request_that_stays_half_sent_gets_a_503_when_stopping_has_to_end(tmp_path: Path) -> None:
    """A clean answer, with the time to come again."""
    async with Daemon(tmp_path, [HOOK]) as daemon:
        connection = await connect(daemon)
        await connection.send(connection.request[:-10])
        await stopping(daemon)
        tell(daemon, signal.SIGTERM)
        answer = await connection.rest()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 5\r\n" in answer
        assert b"\r\nConnection: close\r\n" in answer
        assert await ended(daemon) == 0


# ---------------------------------------------------------------- what is in flight


async def test_an_answer_that_comes_while_it_stops_is_booked_and_no_new_turn_is_taken(tmp_path: Path) -> None:
    """What was answered is not sent again; what was not sent goes out after the start."""
    async with FakeVendor() as vendor, Daemon(tmp_path, [collector(vendor)]) as daemon:
        await hanging(daemon, vendor, "m1", "m2", "m3")
        await stopping(daemon)
        vendor.release()
        assert await ended(daemon) == 0
        assert ids(vendor) == ["m1"]
        await daemon.restart()
        await daemon.settled()
        assert ids(vendor) == ["m1", "m2", "m3"]
        assert not daemon.log("requests_cut")


async def test_a_vendor_that_hangs_delays_the_stop_no_longer_than_its_time_out(tmp_path: Path) -> None:
    """The attempt that failed is booked, and the next one comes after the start."""
    async with FakeVendor() as vendor, Daemon(tmp_path, [collector(vendor, "1s")]) as daemon:
        await hanging(daemon, vendor, "m1", "m2")
        assert await daemon.terminate() == 0
        assert not daemon.log("requests_cut")
        await daemon.restart()
        await daemon.settled()
        assert ids(vendor) == ["m1", "m1", "m2"]
        attempts = (await daemon.message("m1"))["destinations"]["hook"]["attempts"]
        assert [attempt["reason"] for attempt in attempts] == ["timeout", ""]


@pytest.mark.parametrize(
    ("first", "second"),
    [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGINT)],
    ids=lambda number: number.name,
)
async def test_a_second_signal_ends_it_at_once_and_what_it_cuts_is_sent_again_in_order(
    tmp_path: Path, first: signal.Signals, second: signal.Signals
) -> None:
    """A hasty stop is still a clean one."""
    async with FakeVendor() as vendor, Daemon(tmp_path, [collector(vendor)]) as daemon:
        await hanging(daemon, vendor, "m1", "m2", "m3")
        await stopping(daemon, first)
        tell(daemon, second)
        assert await ended(daemon) == 0
        assert [line["reason"] for line in daemon.log("daemon_stopping")] == [first.name]
        assert [(line["reason"], line["in_flight"]) for line in daemon.log("requests_cut")] == [
            (second.name, {"hook": 1})
        ]
        assert len(daemon.log("daemon_stopped")) == 1
        await daemon.restart()
        await daemon.settled()
        assert ids(vendor) == ["m1", "m1", "m2", "m3"]


async def test_what_has_no_answer_at_the_deadline_is_cut_and_sent_again_in_order(tmp_path: Path) -> None:
    """Without a second signal."""
    async with FakeVendor() as vendor, Hasty(tmp_path, [collector(vendor)]) as daemon:
        connection = await connect(daemon, "half")
        await hanging(daemon, vendor, "m1", "m2")
        await connection.send(connection.request[:-10])
        await stopping(daemon)
        assert (await connection.rest()).startswith(b"HTTP/1.1 503 ")
        assert await ended(daemon) == 0
        assert [line["reason"] for line in daemon.log("requests_cut")] == ["deadline"]
        await daemon.restart()
        await daemon.settled()
        assert ids(vendor) == ["m1", "m1", "m2"]


async def test_a_reload_that_waits_for_a_vendor_does_not_outlive_the_stop(tmp_path: Path) -> None:
    """It is ending one worker and about to start the next."""
    async with FakeVendor() as vendor, Daemon(tmp_path, [collector(vendor)]) as daemon:
        await hanging(daemon, vendor, "m1", "m2")
        daemon.destinations = [collector(vendor, "5m"), destination("new", "collector", {"base_url": vendor.url})]
        daemon.write_config()
        tell(daemon, signal.SIGHUP)

        async def drains() -> bool:
            return (await daemon.admin("POST", "/api/destinations/hook/resume"))[0] == 409

        await eventually(drains, what="the reload has begun")
        await stopping(daemon)
        tell(daemon, signal.SIGTERM)
        assert await ended(daemon) == 0
        await daemon.restart()
        await daemon.settled()
        assert ids(vendor) == ["m1", "m1", "m2"]


# ---------------------------------------------------------------- what operators see


async def test_while_it_stops_it_says_so_and_takes_no_more_orders(tmp_path: Path) -> None:
    """The admin listener answers to the end; a balancer that asks /readyz turns away."""
    async with FakeVendor() as vendor, Daemon(tmp_path, [collector(vendor)]) as daemon:
        await hanging(daemon, vendor, "m1")
        await stopping(daemon)
        status, body = await daemon.admin("GET", "/readyz")
        assert (status, body["status"], body["problems"]) == (503, "not ready", ["the daemon is stopping"])
        assert (await daemon.get("/healthz"))["status"] == "ok"
        assert (await daemon.counts("hook"))["queued"] == 1
        for path in ("/api/reload", "/api/destinations/hook/pause"):
            status, body = await daemon.admin("POST", path)
            assert (status, body["code"]) == (409, "stopping")
        tell(daemon, signal.SIGHUP)
        vendor.release()
        assert await ended(daemon) == 0
        assert not daemon.log("config_reloaded")
        assert not daemon.log("config_reload_failed")


async def test_a_second_process_may_start_once_the_first_has_ended_and_not_while_it_stops(tmp_path: Path) -> None:
    """Also when the first one was killed: the lock goes with its process."""
    async with FakeVendor() as vendor, Daemon(tmp_path, [collector(vendor)]) as daemon:
        await hanging(daemon, vendor, "m1")
        await stopping(daemon)
        second = Daemon(tmp_path, [collector(vendor)])
        second.config = tmp_path / "second.toml"
        second.write_config()
        await assert_refused(second, 1, str(daemon.store), "another segment-router process", "stop that one")
        daemon.kill()
        await daemon.restart()
        await daemon.becomes("m1", "hook", "delivered")


async def test_a_port_in_use_leaves_the_store_as_it_is(tmp_path: Path) -> None:
    """The next start has it all."""
    async with Daemon(tmp_path, [HOOK]) as daemon:
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.settled()
        assert await daemon.terminate() == 0
        for port, key in ((daemon.port, "server.listen"), (daemon.admin_port, "admin.listen")):
            with socket.socket() as other:
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                other.bind(("127.0.0.1", port))
                other.listen()
                await assert_refused(daemon, 1, str(port), key, "another process")
        await daemon.restart()
        assert await daemon.fate("m1", "hook") == ("delivered", "dry_run")


# ---------------------------------------------------------------- while it starts


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
async def test_a_stop_while_it_starts_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    """With the store open, or not yet."""
    async with Daemon(tmp_path, [HOOK]) as daemon:
        daemon.kill()
        for n in range(3):
            daemon.spawn()

            async def begun(n: int = n) -> bool:
                return len(daemon.log("daemon_started")) == n + 2

            await eventually(begun, what="it begins")
            tell(daemon, number)
            assert await ended(daemon) == 0
        await daemon.restart()


SIGNALS_ITSELF = """
import os, signal
from tests.flow.plugins import collector

os.kill(os.getpid(), {number})

class Collector(collector.Collector):
    pass
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
async def test_a_stop_while_it_reads_its_configuration_ends_it_before_anything_is_open(
    tmp_path: Path, number: signal.Signals
) -> None:
    """A plugin's module is where the signal finds it."""
    daemon = with_plugin(tmp_path, SIGNALS_ITSELF.format(number=int(number)))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "router", "serve", "--config", str(daemon.config), cwd=tmp_path, env=environment(),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    told, _ = await process.communicate()
    assert (process.returncode, told) == (0, b"")
    assert not daemon.store.exists()


async def test_a_reload_while_it_starts_does_not_kill_it(tmp_path: Path) -> None:
    """The default of SIGHUP would."""
    with_plugin(tmp_path, SIGNALS_ITSELF.format(number=int(signal.SIGHUP)))
    async with OwnPlugins(tmp_path, [HOOK]) as daemon:
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.settled()


class OwnPlugins(Daemon):
    """Its plugins lie in its folder."""

    def write_config(self) -> None:
        super().write_config()
        lines = self.config.read_text().splitlines()
        self.config.write_text("\n".join([f'plugins_dir = "{self.folder}/plugins"', *lines[1:]]) + "\n")


def with_plugin(folder: Path, code: str) -> OwnPlugins:
    """A daemon whose collector is this code."""
    (folder / "plugins").mkdir()
    (folder / "plugins/collector.py").write_text(code)
    daemon = OwnPlugins(folder, [HOOK])
    daemon.write_config()
    return daemon


NEVER_CLOSES = """
import asyncio
from contextlib import asynccontextmanager
from router.plugin import hookimpl
from tests.flow.plugins import collector

class Collector(collector.Collector):
    @hookimpl
    @asynccontextmanager
    async def lifetime(self):
        try:
            yield
        finally:
            await asyncio.Event().wait()
"""


async def test_a_plugin_that_does_not_close_is_cancelled_in_the_end(tmp_path: Path) -> None:
    """The store is closed in good order none the less."""
    with_plugin(tmp_path, NEVER_CLOSES)
    async with OwnPlugins(tmp_path, [HOOK]) as daemon:
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.settled()
        await stopping(daemon)
        tell(daemon, signal.SIGTERM)
        assert await ended(daemon) == 0
        assert len(daemon.log("daemon_stopped")) == 1
        await daemon.restart()
        assert await daemon.fate("m1", "hook") == ("delivered", "dry_run")
        await stopping(daemon)
        tell(daemon, signal.SIGTERM)
        assert await ended(daemon) == 0
