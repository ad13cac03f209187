"""Script in every field that an event can carry, one field at a time, and in a stream: it is text wherever it is shown."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import pytest_asyncio

from tests.console.pages import Visitor
from tests.console.test_attacks import ATTACK, SHORT, Elements
from tests.flow.harness import WRITE_KEY, Daemon, destination
from tests.patience import HANG_S

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOBODY = {"base_url": "http://127.0.0.1:9"}
FIELDS: dict[str, tuple[str, ...]] = {
    "track": (
        "type", "userId", "anonymousId", "event", "timestamp", "sentAt", "originalTimestamp", "receivedAt", "channel", "version", "projectId",
        "integrations", "integrations.All", "integrations.hook", "integrations.hook.key", "properties", "properties.total", "properties.url",
        "properties.products", "context", "context.active", "context.ip", "context.locale", "context.timezone", "context.userAgent",
        "context.userAgentData.brand", "context.groupId", "context.channel", "context.sessionId", "context.traits.email", "context.app.name",
        "context.app.version", "context.campaign.name", "context.campaign.source", "context.device.id", "context.device.model",
        "context.library.name", "context.library.version", "context.location.city", "context.network.carrier", "context.os.name",
        "context.page.path", "context.page.referrer", "context.page.search", "context.page.title", "context.page.url",
        "context.referrer.type", "context.referrer.url", "context.screen.density", "context.consent.categoryPreferences",
        "context.consent.categoryPreferences.marketing", "context.protocols.sourceId", "_metadata.bundled", "nobody knows this field",
    ),
    "identify": ("traits", "traits.email", "traits.name", "traits.address.city", "traits.avatar", "traits.website"),
    "group": ("groupId", "traits.name", "traits.industry", "traits.website"),
    "page": ("name", "category", "properties.title", "properties.url", "properties.referrer"),
    "screen": ("name", "category"),
    "alias": ("previousId", "userId"),
}  # fmt: skip
"""By type, what Segment's spec and its libraries put into a call."""
GOOD: dict[str, Any] = {"userId": "u1", "event": "E", "groupId": "acme", "name": "N", "previousId": "before"}
VIEWS = ("received", "stored", "plugin", "request", "answer")


def attacking(type: str, field: str, n: int) -> dict[str, Any]:
    """A call that is good but for this field, where it has the attack as a value and as a key."""
    call: dict[str, Any] = {"type": type, **GOOD, "messageId": f"m{n}"}
    *above, last = field.split(".")
    place = call
    for name in above:
        place = place.setdefault(name, {})
    place[last] = ATTACK
    if above:
        place[ATTACK] = ATTACK
    return call


CALLS = [
    attacking(type, field, n) for n, (type, field) in enumerate((t, f) for t, fields in FIELDS.items() for f in fields)
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def attacked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    """One with a tracking plan, to which each field was sent with an attack."""
    folder = tmp_path_factory.mktemp("fields")
    schema = {"properties": {"properties": {"type": "object", "properties": {"total": {"type": "number"}}}}}
    plan = {"name": "p", "rules": [{"type": "TRACK", "key": "E", "version": 1, "jsonSchema": schema}]}
    (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    tables = [
        destination("hook", "collector", NOBODY, mode="dry-run"),
        destination("gated", "collector", {**NOBODY, "gated": True}, mode="dry-run"),
    ]
    daemon = Daemon(folder, tables, console={"search_traits": True, "mask": "none"})
    daemon.source = {"plan": "plan.json"}
    async with daemon:
        for call in CALLS:
            await daemon.batch([call])
        more: list[dict[str, Any]] = [
            {"type": "track", "userId": "u1", "event": ATTACK, "messageId": "unplanned", "properties": {ATTACK: 1}},
            {"type": "track", "userId": "u2", "event": "E\n\ndata: " + SHORT, "messageId": "lines"},
            {"type": "track", "userId": "u2", "event": "E", "messageId": SHORT},
        ]
        await daemon.batch(more)
        await daemon.settled()
        yield daemon


async def looked_at(daemon: Daemon, paths: list[str]) -> list[tuple[str, object]]:
    """What on these pages could run a script, or load something."""
    found: list[tuple[str, object]] = []
    async with Visitor(daemon.admin_url) as visitor:
        for path in paths:
            page = await visitor.open(path)
            assert page.status < 500, path
            elements = Elements()
            elements.feed(page.html)
            found += [(path, one) for one in elements.dangerous]
    return found


@pytest.mark.parametrize("n", range(len(CALLS)), ids=lambda n: f"{CALLS[n]['type']}-{n}")
async def test_a_field_with_a_script_in_it_is_text_on_the_page_of_its_event(attacked: Daemon, n: int) -> None:
    assert (
        await looked_at(attacked, [f"/events/m{n}", *(f"/events/m{n}?view={view}&raw={n % 2}" for view in VIEWS)]) == []
    )


async def test_it_is_text_on_every_other_page_that_shows_it(attacked: Daemon) -> None:
    of, group = quote(f"user:{ATTACK}", safe=""), quote(ATTACK, safe="")
    paths = [
        "/",
        "/events",
        "/events?show=discards",
        "/sources/website",
        "/users/user:u1",
        f"/users/{of}",
        f"/groups/{group}",
        "/groups/acme",
    ]
    paths += [
        f"/find?q={group}",
        f"/events/{quote(SHORT, safe='')}",
        "/destinations/hook",
        "/destinations/gated/held",
        "/events/unplanned",
    ]
    assert await looked_at(attacked, paths) == []
    async with Visitor(attacked.admin_url) as visitor:
        page = await visitor.open("/sources/website")
    assert page.text.count("<script>alert(1)</script>") >= 3, (
        "as an unknown event, as a library, and in the excerpt of a discard"
    )


async def test_a_stream_sends_it_as_text_and_no_name_ends_a_message_of_it(attacked: Daemon) -> None:
    async with (
        asyncio.timeout(HANG_S),
        aiohttp.ClientSession() as http,
        http.get(f"{attacked.admin_url}/events?stream=1", headers={"Accept-Encoding": "identity"}) as stream,
    ):
        seen = b""
        while b"\n\n" not in seen.replace(b"\r\n", b"\n"):
            seen += await stream.content.readany()
    lines = seen.decode().replace("\r\n", "\n").partition("\n\n")[0].split("\n")
    assert all(line.startswith(("data: ", "data:", "id:", "event:", ":")) for line in lines), lines[:3]
    elements = Elements()
    elements.feed("\n".join(line.removeprefix("data:").removeprefix(" ") for line in lines))
    assert elements.dangerous == []
    assert "alert(1)" in seen.decode()


async def test_a_key_with_a_script_in_it_is_refused_and_shown_nowhere(attacked: Daemon) -> None:
    async with aiohttp.ClientSession() as http:
        body = {"batch": [{"type": "track", **GOOD}], "writeKey": WRITE_KEY + ATTACK}
        async with http.post(f"{attacked.url}/v1/batch", json=body) as answer:
            assert answer.status == 401
            assert "text/html" not in answer.headers["Content-Type"]
    assert await looked_at(attacked, ["/", "/sources/website"]) == []
