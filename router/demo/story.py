"""The acts of the demo. Each line with a tick was looked up at the vendors or in the daemon."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp
import msgspec

from router.demo.stage import CONFIG, PATIENCE_S, Stage, check, tell
from router.testing.ports import HeldPort
from router.testing.vendor import FakeVendor, Received, Reply

STATES = ("delivered", "skipped", "filtered", "held", "retrying", "queued", "dead")
COMPANY = {"id": "acme", "name": "Acme Inc"}

BEFORE = (
    {"messageId": "ada-1", "type": "track", "userId": "ada", "event": "Signed Up"},
    {"messageId": "ben-1", "type": "track", "userId": "ben", "event": "Invitation Accepted"},
    {"messageId": "ada-2", "type": "page", "userId": "ada", "name": "Pricing"},
    {"messageId": "ben-2", "type": "page", "userId": "ben", "name": "Docs"},
    {"messageId": "ada-3", "type": "track", "userId": "ada", "event": "Report Created"},
)
GROUPS = (
    {"messageId": "ada-4", "type": "group", "userId": "ada", "groupId": "acme", "traits": {"name": "Acme Inc"}},
    {"messageId": "ada-5", "type": "track", "userId": "ada", "event": "Report Shared"},
    {"messageId": "ben-3", "type": "group", "userId": "ben", "groupId": "acme"},
    {"messageId": "ben-4", "type": "track", "userId": "ben", "event": "Comment Written"},
)
IN_ORDER = {
    "ada": ["Signed Up", "Viewed Pricing Page", "Report Created", "Report Shared"],
    "ben": ["Invitation Accepted", "Viewed Docs Page", "Comment Written"],
}
"""What the events are called at the vendors, in order; those of BEFORE come first."""
EARLY = sorted([*IN_ORDER["ada"][:3], *IN_ORDER["ben"][:2]])


async def play(folder: Path) -> None:
    """Play all acts in an empty folder. Raises DemoFailed."""
    async with (
        FakeVendor(Reply(201, json={"created": True})) as clientsuccess,
        FakeVendor(Reply(200, json={"status_is_ok": True})) as freshsuccess,
        FakeVendor(Reply(201, json={"message": "success"})) as braze,
        aiohttp.ClientSession() as session,
    ):
        ingest, admin = HeldPort(), HeldPort()  # until the end: the daemon is down in between
        urls = {"clientsuccess": clientsuccess.url, "freshsuccess": freshsuccess.url, "braze": braze.url}
        (folder / "config.toml").write_text(
            CONFIG.format(ingest=ingest.number, admin=admin.number, **urls), encoding="utf-8"
        )
        stage = Stage(folder, f"http://127.0.0.1:{admin.number}", session)
        async with stage.daemon() as first:
            await hold(stage, clientsuccess, freshsuccess, braze)
            tell("kill -9: the daemon ends without warning. It starts again from its folder.")
            first.kill()
            await first.wait()
        async with stage.daemon() as second:
            await still_held(stage, clientsuccess)
            await release(stage, clientsuccess)
            await add_up(stage)
            await stop(second)


async def hold(stage: Stage, clientsuccess: FakeVendor, freshsuccess: FakeVendor, braze: FakeVendor) -> None:
    """Events of two users whose group is unknown."""
    tell("Ada and Ben use the product. The router does not know their company yet.")
    await stage.send("before.jsonl", BEFORE)
    await stage.until(lambda counts: counts["clientsuccess"]["held"] == len(BEFORE), "ClientSuccess' events to be held")
    others = ("freshsuccess", "braze")
    await stage.until(lambda counts: all(counts[n]["delivered"] == len(BEFORE) for n in others), "the other deliveries")
    everywhere = sorted(features(freshsuccess)) == EARLY == sorted(braze_events(braze))
    check(everywhere, "Freshsuccess and Braze have all five events")
    check(not clientsuccess.requests, "ClientSuccess has none: it would discard them. They are held on disk")
    await stage.verb("held", "clientsuccess")


async def still_held(stage: Stage, clientsuccess: FakeVendor) -> None:
    """After the kill."""
    held = await stage.api("/api/destinations/clientsuccess/held")
    found = {row["user"]: (row["events"], row["waiting_for"]) for row in held["users"]}
    expected = {"user:ada": (3, "group_unknown"), "user:ben": (2, "group_unknown")}
    check(found == expected and not clientsuccess.requests, "the same five events are still held")


async def release(stage: Stage, clientsuccess: FakeVendor) -> None:
    """The group calls, and one more event of each user."""
    tell("Group calls arrive: Ada and Ben are at Acme Inc.")
    await stage.send("groups.jsonl", GROUPS)
    await stage.until(lambda counts: counts["clientsuccess"]["delivered"] == 7, "seven deliveries to ClientSuccess")
    usage = [usage_event(seen) for seen in clientsuccess.requests]
    for user, name, _ in usage:
        print(f"    ClientSuccess got: {user}  {name}", flush=True)
    check(len(usage) == 7 and all(company == COMPANY for *_, company in usage), "each event once, with its company")
    came = {user: [name for who, name, _ in usage if who == user] for user in IN_ORDER}
    check(came == IN_ORDER, "each user's events in order, held ones first")


async def add_up(stage: Stage) -> None:
    """One state for each event at each destination."""
    sent = len(BEFORE) + len(GROUPS)
    tell(f"Nothing is lost: each of the {sent} events has one state at each destination.")
    quiet = ("held", "retrying", "queued")
    await stage.until(lambda counts: not any(c[state] for c in counts.values() for state in quiet), "the last answers")
    await stage.verb("ledger")
    ledger = await stage.api("/api/ledger")
    sums = [sum(counts[state] for state in STATES) for counts in ledger["destinations"].values()]
    lost_none = [ledger["accepted"], *sums] == [sent] * 4
    check(lost_none and not any(c["dead"] for c in ledger["destinations"].values()), f"every row adds up to {sent}")


async def stop(daemon: asyncio.subprocess.Process) -> None:
    """The usual end."""
    daemon.send_signal(signal.SIGTERM)
    with suppress(TimeoutError):
        await asyncio.wait_for(daemon.wait(), PATIENCE_S)
    check(daemon.returncode == 0, "SIGTERM ends the daemon with exit code 0")


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
