"""One router with everything in it: a destination in each state, people who wait, refused calls, and text that attacks pages.

    async with world(tmp_path) as daemon:
        ...  # all that is in it has happened; nothing changes any more

Each state is really caused: by a vendor that refuses the key, asks to wait, fails or rejects, and by a plugin that raises.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from router.testing.vendor import FakeVendor, Received, Reply
from tests.flow.harness import Daemon, Table, destination, eventually

SCRIPT = "<script>alert(1)</script>"
LONG = "w" * 30 * 1024
"""About the longest name that an event may have, without a place to break the line."""
RIGHT_TO_LEFT = "\u202eمرحبا بالعالم\u202c"
EMOJI = "👩‍👩‍👧‍👦 🎈"
ODD_USER = f'u/"odd" <b>{EMOJI}</b>'
ODD_GROUP = "g/<img src=x onerror=alert(1)>"

PAUSED = {"crm": "paused", "mail": "paused", "warehouse": "breaker_open"}
LIBRARY = {"library": {"name": "analytics.js", "version": "5.2.0"}}

PAGES = {
    "overview": "/",
    "live": "/events",
    "live with discards": "/events?show=discards",
    "live, filtered": "/events?type=track&state=held@clientsuccess",
    "live, paused": "/events?pause=1",
    "live, nothing": "/events?name=Nobody+did+this",
    "live, faulty filter": "/events?since=yesterday",
    "find, none": "/find?q=nobody",
    "find, empty": "/find",
    "find, several": "/find?q=Initech",
    "person, held": "/users/user:ann",
    "person, delivered": "/users/user:bob",
    "person, odd": f"/users/{quote('user:' + ODD_USER, safe='')}",
    "person, unknown": "/users/user:nobody",
    "person, forget": "/users/user:ann/forget",
    "group, without a name": "/groups/acme",
    "group, named": "/groups/globex",
    "group, odd": f"/groups/{quote(ODD_GROUP, safe='')}",
    "group, unknown": "/groups/nobody",
    "event, held": "/events/ann-1",
    "event, its request": "/events/ann-1?view=request",
    "event, by plugin": "/events/bob-1?view=plugin",
    "event, answer": "/events/bob-1?view=answer",
    "event, raw": "/events/bob-1?view=stored&raw=1",
    "event, script": "/events/odd-script",
    "event, long name": "/events/odd-long",
    "event, plugin raised": "/events/raises",
    "event, discarded": "/events/no-event",
    "event, unknown": "/events/nobody",
    "destination, holding": "/destinations/clientsuccess",
    "destination, of an hour": "/destinations/clientsuccess?period=1h&as=percent",
    "destination, running": "/destinations/freshsuccess",
    "destination, dry run": "/destinations/braze",
    "destination, key refused": "/destinations/crm",
    "destination, asked to wait": "/destinations/mail",
    "destination, breaker open": "/destinations/warehouse",
    "destination, disabled": "/destinations/legacy",
    "destination, dead letters": "/destinations/billing",
    "destination, plugin raises": "/destinations/scoring",
    "destination, removed": "/destinations/gone",
    "destination, unknown": "/destinations/nobody",
    "charts": "/destinations/freshsuccess/charts",
    "held": "/destinations/clientsuccess/held",
    "release": "/destinations/clientsuccess/release?user=user:ann",
    "release, its number": "/destinations/clientsuccess/release?user=user:cid&group=umbrella&group_name=Umbrella",
    "drop of held": "/destinations/clientsuccess/drop?user=user:ann",
    "dead": "/destinations/billing/dead",
    "dead, with traceback": "/destinations/scoring/dead",
    "drop of dead": "/destinations/billing/dead/drop",
    "errors": "/destinations/billing/errors",
    "replay": "/destinations/billing/replay",
    "replay, its number": "/destinations/billing/replay?what=dead",
    "replays": "/replays",
    "source": "/sources/website",
    "source, unknown": "/sources/nobody",
    "try": "/try",
    "try, from the log": "/try?sample=track&destination=clientsuccess",
    "settings": "/settings",
    "edit": "/destinations/clientsuccess/edit",
    "new destination": "/destinations/new",
    "new destination, its plugin": "/destinations/new?plugin=webhook",
    "remove destination": "/destinations/legacy/remove",
    "not found": "/nothing-here",
}
"""Every page of the console and every state of it that the world has, by what it shows."""


def tables(urls: dict[str, str]) -> list[Table]:
    """A destination in each state, at these vendors."""
    yes = urls["well"]
    cs = {"project_id": "PID", "api_key": "CSKEY", "base_url": yes}
    fs = {"event_auth_key": "FSAUTH", "event_api_key": "FSKEY", "account_api_key": "FSACC"}
    return [
        destination("clientsuccess", "clientsuccess", cs),
        destination("freshsuccess", "freshsuccess", {**fs, "events_base_url": yes, "api_base_url": yes}),
        destination("braze", "braze", {"api_key": "BZKEY", "base_url": yes}, mode="dry-run", consent=["marketing"]),
        destination("crm", "collector", {"base_url": urls["locked"]}),
        destination("mail", "collector", {"base_url": urls["busy"]}),
        destination("warehouse", "collector", {"base_url": urls["down"]}),
        destination("legacy", "collector", {"base_url": yes}, enabled=False),
        destination("billing", "collector", {"base_url": urls["picky"]}, filter="type = 'track'"),
        destination("scoring", "saboteur", {"base_url": yes}, filter="type = 'track'"),
        destination("gone", "collector", {"base_url": yes, "gated": True}),
    ]


def calls() -> list[dict[str, Any]]:
    """What the sources send, in order."""
    odd = {"name": f"<b>{RIGHT_TO_LEFT}</b>", "email": "<i>odd@example.com", "<u>key": {"deep": [SCRIPT]}, "bio": LONG}
    return [
        {"type": "identify", "userId": "ann", "messageId": "ann-0", "traits": {"name": "Ann Smith", "email": "ann@example.com"}},
        *({"type": "track", "userId": "ann", "event": "Report Opened", "messageId": f"ann-{n}"} for n in range(1, 6)),
        {"type": "group", "userId": "ann", "groupId": "acme", "messageId": "acme-1"},
        {"type": "group", "userId": "bob", "groupId": "globex", "messageId": "globex-1", "traits": {"name": "Globex"}},
        *({"type": "track", "userId": "bob", "event": "Invoice Paid", "messageId": f"bob-{n}"} for n in range(1, 4)),
        *({"type": "track", "userId": "cid", "event": "Report Opened", "messageId": f"cid-{n}"} for n in range(1, 4)),
        *({"type": "page", "userId": "dan", "name": "Docs", "messageId": f"dan-{n}"} for n in range(1, 3)),
        {"type": "track", "userId": "bob", "event": "hook raises its own", "messageId": "raises"},
        {"type": "identify", "userId": ODD_USER, "messageId": "odd-traits", "traits": odd},
        {"type": "group", "userId": ODD_USER, "groupId": ODD_GROUP, "messageId": "odd-group", "traits": {"industry": SCRIPT}},
        {"type": "track", "userId": ODD_USER, "event": SCRIPT, "messageId": "odd-script", "properties": {SCRIPT: SCRIPT}},
        {"type": "track", "userId": ODD_USER, "event": LONG, "messageId": "odd-long"},
        {"type": "track", "userId": ODD_USER, "event": f"{RIGHT_TO_LEFT} {EMOJI}", "messageId": "odd-words"},
        {"type": "track", "userId": ODD_USER, "event": "E", "messageId": f"<b>{'m' * 90}"},
        *({"type": "group", "userId": f"i{n}", "groupId": f"init-{n}", "messageId": f"init-{n}", "traits": {"name": "Initech"}} for n in range(2)),
        {"type": "track", "userId": "ann", "messageId": "no-event"},
        {"type": "track", "event": "Nobody", "messageId": "no-user"},
    ]  # fmt: skip


@asynccontextmanager
async def world(folder: Path, **console: Any) -> AsyncIterator[Daemon]:
    """The router, at rest. `console`: further keys of the section."""
    async with AsyncExitStack() as stack:
        vendors = {
            n: await stack.enter_async_context(FakeVendor()) for n in ("well", "locked", "busy", "down", "picky")
        }
        vendors["well"].answer = _yes
        vendors["locked"].default = Reply(401, body=b'{"error": "invalid api key"}')
        vendors["busy"].default = Reply(429, headers={"Retry-After": "3000"})
        vendors["down"].default = Reply(503, body=b"upstream 17 is busy")
        vendors["picky"].default = Reply(422, body=b"ann@example.com has no account here " + SCRIPT.encode())
        section = {"instance": "prod-1", "search_traits": True, "edit": True, **console}
        daemon = Daemon(folder, tables({name: vendor.url for name, vendor in vendors.items()}), console=section)
        async with daemon:
            for call in calls():
                type = call.pop("type")
                await daemon.post(type, **{"context": LIBRARY, **call})
            await _at_rest(daemon)
            yield daemon


def _yes(seen: Received) -> Reply:
    if seen.url.startswith("/api/"):
        return Reply(200, json={"status_is_ok": True})
    return Reply(201, json={"created": True})


async def _at_rest(daemon: Daemon) -> None:
    for name, state in PAUSED.items():
        await eventually(lambda name=name, state=state: _is_in(daemon, name, state), what=f"{name} is {state}")  # type: ignore[misc]
    await daemon.settled("clientsuccess", "freshsuccess", "braze", "billing", "scoring", "gone")
    daemon.destinations = [table for table in daemon.destinations if table["name"] != "gone"]
    await daemon.reload()


async def _is_in(daemon: Daemon, name: str, state: str) -> bool:
    return bool((await daemon.get(f"/api/destinations/{name}"))["state"] == state)
