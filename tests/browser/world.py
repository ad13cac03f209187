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
from tests.browser.state import Seen, take_from_the_log
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

PAGES: dict[str, Seen] = {
    "overview": Seen("/", "on which its plugin failed in the last hour"),
    "live": Seen("/events", "Report Opened"),
    "live with discards": Seen("/events?show=discards", "discarded:"),
    "live, filtered": Seen("/events?type=track&state=held@clientsuccess", "user:cid"),
    "live, paused": Seen("/events?pause=1", "The router goes on."),
    "live, discards of a person": Seen("/events?show=discards&user=ann", "no-event"),
    "live, nothing": Seen("/events?name=Nobody+did+this", "No event passes these filters"),
    "live, faulty filter": Seen("/events?since=yesterday", "since:"),
    "find, none": Seen("/find?q=nobody", "The three usual causes"),
    "find, empty": Seen("/find", "Write the id of a user"),
    "find, discarded": Seen("/find?q=no-event", "A call with this message id was discarded"),
    "find, several": Seen("/find?q=Initech", "2 companies"),
    "person, held": Seen("/users/user:ann", "wait since"),
    "person, delivered": Seen("/users/user:bob", "If the tool shows nothing …"),
    "person, odd": Seen(f"/users/{quote('user:' + ODD_USER, safe='')}", "<u>key"),
    "person, unknown": Seen("/users/user:nobody", "Nobody is known as"),
    "person, forget": Seen("/users/user:ann/forget", "It cannot be undone."),
    "group, without a name": Seen("/groups/acme", "no group call has told its name"),
    "group, named": Seen("/groups/globex", "Globex"),
    "group, odd": Seen(f"/groups/{quote(ODD_GROUP, safe='')}", "industry"),
    "group, unknown": Seen("/groups/nobody", "No company is known as"),
    "event, held": Seen("/events/ann-1", "What would be sent"),
    "event, its request": Seen("/events/ann-1?view=request", "copy as curl"),
    "event, by plugin": Seen("/events/bob-1?view=plugin", "The event, normalised and mapped"),
    "event, answer": Seen("/events/bob-1?view=answer", "422"),
    "event, raw": Seen("/events/bob-1?view=stored&raw=1", "Invoice Paid"),
    "event, script": Seen("/events/odd-script", "<script>alert(1)</script>"),
    "event, long name": Seen("/events/odd-long", "wwwwwwwwwwwwwwww"),
    "event, plugin raised": Seen("/events/raises", "Traceback"),
    "event, discarded": Seen("/events/no-event", "The sender got a 200"),
    "event, unknown": Seen("/events/nobody", "No event with this message id is known"),
    "destination, holding": Seen("/destinations/clientsuccess", "What it waits for"),
    "destination, of an hour": Seen(
        "/destinations/clientsuccess?period=1h&as=percent", "What came to an end in this time"
    ),
    "destination, running": Seen("/destinations/freshsuccess", "The seven add up."),
    "destination, dry run": Seen("/destinations/braze", "Dry run: events are decided"),
    "destination, key refused": Seen("/destinations/crm", "paused because the vendor refused our key"),
    "destination, asked to wait": Seen("/destinations/mail", "paused because the vendor asked for it"),
    "destination, breaker open": Seen("/destinations/warehouse", "fails again and again"),
    "destination, disabled": Seen("/destinations/legacy", "It is disabled in config.toml"),
    "destination, dead letters": Seen("/destinations/billing", "has no account here"),
    "destination, plugin raises": Seen("/destinations/scoring", "on which its plugin failed in the last hour"),
    "destination, removed": Seen("/destinations/gone", "config.toml names gone no more"),
    "destination, unknown": Seen("/destinations/nobody", "Not found"),
    "charts": Seen("/destinations/freshsuccess/charts", "One point per minute"),
    "held": Seen("/destinations/clientsuccess/held", "drop …"),
    "release, for a name": Seen("/destinations/clientsuccess/release?user=user:ann", "The tool needs the name"),
    "release, without a group": Seen("/destinations/clientsuccess/release?user=user:cid", "Or ask once more"),
    "held, let go": Seen("/destinations/clientsuccess/held?done=released&n=3", "3 events may go now"),
    "drop of held": Seen("/destinations/clientsuccess/drop?user=user:ann", "become dead letters of clientsuccess"),
    "dead": Seen("/destinations/billing/dead", "letters kept"),
    "dead, with traceback": Seen("/destinations/scoring/dead", "saboteur"),
    "drop of dead": Seen("/destinations/billing/dead/drop", "They are deleted for good"),
    "errors": Seen("/destinations/billing/errors", "Ids, numbers and addresses are cut out"),
    "replay": Seen("/destinations/billing/replay", "First you see how many events that would be"),
    "replay, its number": Seen("/destinations/billing/replay?what=dead", "would be sent to billing again"),
    "replays": Seen("/replays", "Never replayed"),
    "source": Seen("/sources/website", "analytics.js"),
    "source, unknown": Seen("/sources/nobody", "Not found"),
    "try": Seen("/try", "What would become of the event is shown here"),
    "try, a sample for one destination": Seen(
        "/try?sample=track&destination=clientsuccess", "What would become of the event is shown here"
    ),
    "try, from the log": Seen("/try", "bob-1", take_from_the_log("bob-1")),
    "settings": Seen("/settings", "The active config.toml"),
    "edit": Seen("/destinations/clientsuccess/edit", "Nothing is written before you have seen the difference"),
    "new destination": Seen("/destinations/new", "Which tool shall get events?"),
    "new destination, its plugin": Seen("/destinations/new?plugin=webhook", "It begins in dry-run"),
    "remove destination": Seen("/destinations/legacy/remove", "What it leaves behind"),
    "not found": Seen("/nothing-here", "There is no page at"),
}
"""Every page of the console and every state of it that the world has, by what it shows; and words that say so."""


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
        (folder / "plugins").symlink_to(daemon.plugins)
        daemon.plugins = Path("plugins")  # pages show config.toml
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
