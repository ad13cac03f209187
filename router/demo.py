"""`segment-router demo`: the whole promise shown to a newcomer on this machine, in a folder of its own, and checked.

Three invented vendors are real HTTP servers; the daemon is a real child process, killed in the middle. Every line that
starts with a tick was looked up at the vendors or in the daemon, not assumed: the exit code is 0 only if all of them hold.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp
import msgspec

from router.clock import SystemClock
from router.errors import RouterError
from router.testing.vendor import FakeVendor, Received, Reply

PATIENCE_S = 30.0
LOOK_AGAIN_S = 0.05
SEVEN = ("delivered", "skipped", "filtered", "held", "retrying", "queued", "dead")

CONFIG = """\
[server]
listen = "127.0.0.1:{ingest}"
[admin]
listen = "127.0.0.1:{admin}"
[store]
url = "sqlite:router.db"
min_free = "10MB"
[[source]]
name = "website"
write_key = "demo"

[[destination]]
name = "clientsuccess"
plugin = "clientsuccess"
settings = {{ project_id = "demo", api_key = "demo-key", base_url = "{clientsuccess}" }}
[[destination]]
name = "freshsuccess"
plugin = "freshsuccess"
[destination.settings]
event_auth_key = "demo-auth"
event_api_key = "demo-send"
account_api_key = "demo-account"
events_base_url = "{freshsuccess}"
api_base_url = "{freshsuccess}"
send_pages = true
[[destination]]
name = "braze"
plugin = "braze"
settings = {{ api_key = "demo-key", base_url = "{braze}", track_all_pages = true }}
"""

EARLY = (
    {"messageId": "ada-1", "type": "track", "userId": "ada", "event": "Signed Up"},
    {"messageId": "ben-1", "type": "track", "userId": "ben", "event": "Invitation Accepted"},
    {"messageId": "ada-2", "type": "page", "userId": "ada", "name": "Pricing"},
    {"messageId": "ben-2", "type": "page", "userId": "ben", "name": "Docs"},
    {"messageId": "ada-3", "type": "track", "userId": "ada", "event": "Report Created"},
)
NAMELESS = (
    {"messageId": "ada-4", "type": "group", "userId": "ada", "groupId": "acme"},
    {"messageId": "ada-5", "type": "track", "userId": "ada", "event": "Report Shared"},
)
NAMED = (
    {"messageId": "ben-3", "type": "group", "userId": "ben", "groupId": "acme", "traits": {"name": "Acme Inc"}},
    {"messageId": "ben-4", "type": "track", "userId": "ben", "event": "Comment Written"},
)
ADA = ["Signed Up", "Viewed Pricing Page", "Report Created", "Report Shared"]
BEN = ["Invitation Accepted", "Viewed Docs Page", "Comment Written"]
EARLY_NAMES = sorted([*ADA[:3], *BEN[:2]])
"""What the events are called at the vendors, per user in order; those of EARLY come first."""


class DemoFailed(RouterError):
    """Something that the demo shows did not happen."""


def run(*, keep: bool = False) -> int:
    """Show it. Returns the exit code: 0 only if everything happened as told. `keep`: leave the folder."""
    folder = Path(tempfile.mkdtemp(prefix="segment-router-demo-"))
    failed = True
    try:
        asyncio.run(_play(folder))
        failed = False
    except DemoFailed as error:
        print(f"  ✗ {error}", flush=True)
    finally:
        if keep or failed:
            print(f"The folder is kept: {folder} (daemon.log, router.db, config.toml)", flush=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return int(failed)


async def _play(folder: Path) -> None:
    tell(f"An empty folder, {folder}, and three invented vendors on this machine.")
    async with (
        FakeVendor(Reply(201, json={"created": True})) as clientsuccess,
        FakeVendor(Reply(200, json={"status_is_ok": True})) as freshsuccess,
        FakeVendor(Reply(201, json={"message": "success"})) as braze,
        aiohttp.ClientSession() as session,
    ):
        ingest, admin = free_ports(2)
        urls = {"clientsuccess": clientsuccess.url, "freshsuccess": freshsuccess.url, "braze": braze.url}
        (folder / "config.toml").write_text(CONFIG.format(ingest=ingest, admin=admin, **urls), encoding="utf-8")
        stage = Stage(folder, f"http://127.0.0.1:{admin}", session, clientsuccess, freshsuccess, braze)
        async with stage.daemon() as first:
            await hold(stage)
            await kill(stage, first)
        async with stage.daemon() as second:
            tell("Started again, from nothing but its folder.")
            await still_held(stage)
            await group_without_a_name(stage)
            await group_with_a_name(stage)
            await add_up(stage)
            await stop(second)
    tell("That is all: nothing lost, nothing out of order, and every event accounted for.")


# ---------------------------------------------------------------- the acts


async def hold(stage: Stage) -> None:
    """Events of two users whose group nobody has told yet."""
    tell("Ada and Ben use the product. Nobody has said which company they belong to.")
    await stage.send("before-the-group.jsonl", EARLY)
    await stage.until(lambda counts: counts["clientsuccess"]["held"] == 5, "ClientSuccess' five events to be held")
    others = ("freshsuccess", "braze")
    await stage.until(lambda counts: all(counts[name]["delivered"] == 5 for name in others), "the other deliveries")
    check(sorted(features(stage.freshsuccess)) == EARLY_NAMES, "Freshsuccess has all five events already")
    check(sorted(braze_events(stage.braze)) == EARLY_NAMES, "Braze has all five events already")
    check(not stage.clientsuccess.requests, "ClientSuccess has got nothing: it would have thrown them away")
    await stage.verb("held", "clientsuccess")


async def kill(stage: Stage, daemon: asyncio.subprocess.Process) -> None:
    """The worst that can happen to the process."""
    tell(f"kill -9 {daemon.pid}: no warning, no clean end. The store can still be asked:")
    daemon.kill()
    check(await daemon.wait() == -signal.SIGKILL, "the daemon is dead")
    await stage.verb("why", "ada-1")


async def still_held(stage: Stage) -> None:
    """Nothing was lost, nothing slipped out."""
    held = await stage.api("/api/destinations/clientsuccess/held")
    found = {row["user"]: (row["events"], row["waiting_for"]) for row in held["users"]}
    expected = {"user:ada": (3, "group_unknown"), "user:ben": (2, "group_unknown")}
    check(found == expected, "the same five events are held: three of Ada, two of Ben")
    check(not stage.clientsuccess.requests, "ClientSuccess still has nothing")


async def group_without_a_name(stage: Stage) -> None:
    """Half of what ClientSuccess needs."""
    tell("Ada's group call comes: company acme, but not what it is called. Ada goes on working.")
    await stage.send("group-without-a-name.jsonl", NAMELESS)
    await stage.until(lambda counts: counts["clientsuccess"]["held"] == 6, "Ada's next event to be held too")
    held = await stage.api("/api/destinations/clientsuccess/held?user=ada")
    waits = [(row["waiting_for"], row["group_id"]) for row in held["users"]]
    check(waits == [("group_name_unknown", "acme")], "Ada's events wait on, now for the name of acme")
    check(not stage.clientsuccess.requests, "ClientSuccess still has nothing")
    await stage.verb("held", "clientsuccess")


async def group_with_a_name(stage: Stage) -> None:
    """What was missing comes, through somebody else's call."""
    tell("Ben's group call names it: acme is Acme Inc. Ben goes on working, too.")
    await stage.send("group-with-a-name.jsonl", NAMED)
    await stage.until(lambda counts: counts["clientsuccess"]["delivered"] == 7, "seven deliveries to ClientSuccess")
    usage = [usage_event(seen) for seen in stage.clientsuccess.requests]
    for number, (user, name, company) in enumerate(usage, 1):
        print(f"    {number}. ClientSuccess got {name!r} of {user} at {company['name']}", flush=True)
    check(len(usage) == 7, "each event came once")
    check(
        [name for user, name, _ in usage if user == "ada"] == ADA, "Ada's in order, what was held before the later one"
    )
    check(
        [name for user, name, _ in usage if user == "ben"] == BEN, "Ben's in order, what was held before the later one"
    )
    everywhere = all(company == {"id": "acme", "name": "Acme Inc"} for _, _, company in usage)
    check(everywhere, "every one with the company's id and name")
    await stage.verb("why", "ada-1")


async def add_up(stage: Stage) -> None:
    """One state for each event at each destination."""
    tell("And the ledger:")
    quiet = ("held", "retrying", "queued")
    await stage.until(lambda counts: not any(c[state] for c in counts.values() for state in quiet), "the last answers")
    await stage.verb("ledger")
    ledger = await stage.api("/api/ledger")
    sent = len(EARLY) + len(NAMELESS) + len(NAMED)
    check(ledger["accepted"] == sent, f"{sent} events were accepted, as many as were sent")
    for name, counts in ledger["destinations"].items():
        numbers = [counts[state] for state in SEVEN]
        check(sum(numbers) == sent and not counts["dead"], f"{name}: {' + '.join(map(str, numbers))} = {sent}")


async def stop(daemon: asyncio.subprocess.Process) -> None:
    """The usual end."""
    daemon.send_signal(signal.SIGTERM)
    with suppress(TimeoutError):
        await asyncio.wait_for(daemon.wait(), PATIENCE_S)
    check(daemon.returncode == 0, "told to stop, the daemon ends in good order")


# ---------------------------------------------------------------- what is on the stage


class Stage:
    """The vendors, and a daemon that can be started, asked and killed."""

    def __init__(
        self,
        folder: Path,
        admin: str,
        session: aiohttp.ClientSession,
        clientsuccess: FakeVendor,
        freshsuccess: FakeVendor,
        braze: FakeVendor,
    ) -> None:
        self.clientsuccess, self.freshsuccess, self.braze = clientsuccess, freshsuccess, braze
        self._folder, self._admin, self._session = folder, admin, session
        self._clock = SystemClock()
        # what systemd gave this process, and what another config.toml needs, is not the demo's
        self._command = os.environ.get("SEGMENT_ROUTER_COMMAND", "segment-router")
        mine = {"SEGMENT_ROUTER_CONFIG": str(folder / "config.toml"), "SEGMENT_ROUTER_COMMAND": self._command}
        taken = ("STATE_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_", "SEGMENT_ROUTER_")
        self._environ = {k: v for k, v in os.environ.items() if not k.startswith(taken)} | mine

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """A daemon of its own process, once it is ready; dead when left, whatever happened."""
        with (self._folder / "daemon.log").open("ab") as log:
            process = await self._child("serve", stdout=log)
        try:
            await self._patiently(lambda: self._ready(process), "the daemon to be ready")
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _ready(self, process: asyncio.subprocess.Process) -> bool:
        check(process.returncode is None, "the daemon runs (daemon.log has its words)", quiet=True)
        try:
            async with self._session.get(f"{self._admin}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def _child(self, *words: str, stdout: Any) -> asyncio.subprocess.Process:
        command = (sys.executable, "-m", "router", *words)
        return await asyncio.create_subprocess_exec(
            *command, stdout=stdout, stderr=asyncio.subprocess.STDOUT, cwd=self._folder, env=self._environ
        )

    async def verb(self, *words: str) -> None:
        """Run a verb of the command line, and show it with what it says."""
        print(f"\n    $ {self._command} {' '.join(words)}", flush=True)
        process = await self._child(*words, stdout=asyncio.subprocess.PIPE)
        said, _ = await process.communicate()
        for line in said.decode("utf-8", "replace").splitlines():
            print(f"    {line}".rstrip(), flush=True)
        check(process.returncode == 0, f"{words[0]} does its work", quiet=True)

    async def send(self, name: str, calls: Iterable[object]) -> None:
        """Send these calls, in order, by a file of one a line."""
        (self._folder / name).write_bytes(b"".join(msgspec.json.encode(call) + b"\n" for call in calls))
        await self.verb("send", name)

    async def api(self, path: str) -> Any:
        """Ask the admin API."""
        async with self._session.get(f"{self._admin}{path}") as answer:
            check(answer.status == 200, f"{path} answers", quiet=True)
            return await answer.json()

    async def until(self, holds: Callable[[dict[str, Any]], bool], words: str) -> None:
        """Wait until something holds of the ledger's destinations."""

        async def look() -> bool:
            return holds((await self.api("/api/ledger"))["destinations"])

        await self._patiently(look, words)

    async def _patiently(self, holds: Callable[[], Awaitable[bool]], words: str) -> None:
        end = self._clock.monotonic() + PATIENCE_S
        while not await holds():
            check(self._clock.monotonic() < end, f"waited {PATIENCE_S:g} s for {words}", quiet=True)
            await self._clock.sleep(LOOK_AGAIN_S)


def tell(words: str) -> None:
    """A line of the story."""
    print(f"\n{words}", flush=True)


def check(holds: bool, words: str, *, quiet: bool = False) -> None:
    """Tick off what was looked up. Raises DemoFailed where it does not hold; `quiet` says nothing otherwise."""
    if not holds:
        raise DemoFailed(words)
    if not quiet:
        print(f"  ✓ {words}", flush=True)


# ---------------------------------------------------------------- what the vendors saw


def usage_event(seen: Received) -> tuple[str, str, Any]:
    """(user, event, company) of a request to ClientSuccess."""
    identity = seen.json()["identity"]
    return identity["user"]["id"], unquote(urlsplit(seen.url).path.rpartition("/")[2]), identity["organization"]


def features(vendor: FakeVendor) -> list[str]:
    """The features in all event lines that Freshsuccess got."""
    lines = [line for seen in vendor.requests if "/v1/" in seen.url for line in seen.body.splitlines()]
    return [body["feature"] for line in lines if "feature" in (body := msgspec.json.decode(line))]


def braze_events(vendor: FakeVendor) -> list[str]:
    """The names of all events that Braze got."""
    return [event["name"] for seen in vendor.requests for event in seen.json().get("events", ())]


def free_ports(n: int) -> list[int]:
    """Ports that nobody uses now, below those that outgoing connections take: they stay free while the daemon is down."""
    found: set[int] = set()
    while len(found) < n:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.add(port)
    return list(found)
