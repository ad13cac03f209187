"""The design page: every component of the console in every state, with the style sheet, the macros and the templates of the pages.

    python -m tests.browser.design        # says where it is; whoever loads it again sees what was edited

It is part of the checkout and not of the router: no router has a page `/design`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web

from router import __version__
from router.admin.series import PERIODS, Bucket, series
from router.config import ConsoleConfig
from router.console import charts
from router.console.assets import Assets
from router.console.guard import HEADERS
from router.console.templating import Templates
from router.console.words import clock
from router.counts import Counted, Counts
from router.explain.reasons import Actor
from router.explain.troubles import Trouble
from router.explain.whereabouts import Said, Whereabouts

NOW = 1_767_700_830_000
SINCE, UNTIL = "2026-01-06T11:40:00.000Z", "2026-01-06T12:05:00.000Z"
SOURCE, DESTINATION = Counted("source", "website"), Counted("destination", "crm")

TROUBLES = (
    Trouble("credentials", "crm", "paused because the vendor refused our key (status 401: `bad key`)", "correct the key and reload",
            Actor.OPERATOR, SINCE, UNTIL, 412, "/design"),
    Trouble("dead", "billing", "1 dead event in the last hour: the vendor refused it", "read the vendor's words", Actor.VENDOR, waiting=1,
            page="/design"),
    Trouble("clock_jump", "router", "the clock of this machine jumped forward by 2 h", "check its time service", Actor.OPERATOR),
    Trouble("breaker_open", "mail", "not sending for a moment, since 10 events in a row failed", "it tries again by itself", Actor.NOBODY, SINCE, UNTIL),
)  # fmt: skip
PLACES = (
    Whereabouts("clientsuccess", False, "Nothing was sent.", "held", (
        Said("held", "group_name_unknown", 38, "38 events wait for a group call with `traits.name`.", Actor.SENDER, "", "", "hello-1", "user:ann"),
    ), Actor.SENDER, "send the group call with `traits.name`"),
    Whereabouts("freshsuccess", False, "38 of 38 delivered, the last 2026-01-06 11:58 UTC.", "delivered", (), Actor.NOBODY, "look there"),
    Whereabouts("braze", True, "36 are recorded.", "delivered", (
        Said("filtered", "consent", 2, "2 left out: no consent for marketing.", Actor.NOBODY, "nothing to do"),
    ), Actor.NOBODY, "nothing to do"),
)  # fmt: skip
ALIKE = (
    {"count": 12, "state": "retrying", "status": 503, "meaning": "the vendor failed", "words": "upstream … is busy", "who_acts": "the vendor",
     "next_step": "it is tried again", "first": SINCE, "last": SINCE, "message_id": "hello-1"},
    {"count": 1, "state": "dead", "status": None, "meaning": "refused", "words": "", "who_acts": "nobody", "next_step": "nothing to do",
     "first": SINCE, "last": SINCE, "message_id": ""},
)  # fmt: skip
REPLAY: dict[str, Any] = {"state": "done", "started_at": SINCE, "ended_at": SINCE, "dead": True, "reason": "rejected", "since": None,
    "total": 40, "fed": 40, "remaining": 0, "per_second": 12}  # fmt: skip
REPLAYS = (
    {"state": "none"}, {"refused": "the store cannot be read", "state": "none"}, REPLAY, {**REPLAY, "state": "stopped", "left_out": 3},
    {**REPLAY, "state": "running", "fed": 10, "remaining": 30, "dead": False, "since": SINCE},
)  # fmt: skip
EVENT: dict[str, Any] = {"position": 2, "received_at": SINCE, "source": "website", "type": "track", "name": "Report Opened", "message_id": "hello-1",
    "user": "user:ann", "group_id": "acme"}  # fmt: skip
FATES = {"crm": {"state": "held", "reason": "group_unknown"}, "mail": {"state": "delivered", "reason": "dry_run"}}
DISCARD = {
    "at": SINCE,
    "source": "website",
    "type": "track",
    "message_id": "",
    "code": "event_not_defined",
    "message": "a track call needs event",
    "is_duplicate": False,
}


def page() -> web.Response:
    """The page, from the files as they are now."""
    assets = Assets()
    templates = Templates(assets, jinja2.FileSystemLoader(Path(__file__).parent))
    modes = {"crm": "live", "mail": "dry-run"}
    row, discarded = (templates.macro(f"live_{one}.html", "row") for one in ("row", "discard"))
    rows = [
        row({**EVENT, "destinations": FATES}, modes),
        row({**EVENT, "position": 1, "message_id": "", "user": "", "destinations": {}}, modes),
        discarded(DISCARD, 2),
    ]
    values = {
        **_frame(), **_charts(), "troubles": TROUBLES, "places": PLACES, "whose": {"user": "user:ann"}, "alike_rows": ALIKE, "replays": REPLAYS,
        "live_rows": rows, "traits": [("email", "a••@example.com"), ("plan", "pro")], "is_masked": True,
    }  # fmt: skip
    html = templates.render("frame.html", values)
    return web.Response(text=html, content_type="text/html", headers=HEADERS)


def _frame() -> dict[str, Any]:
    return {
        "main": "design.html", "title": "Design", "instance": "prod-1", "version": __version__, "settings": ConsoleConfig(edit=True),
        "here": "/design", "query": {}, "is_live": False, "has_charts": False, "is_logged_in": True, "is_shared": True, "can_log_out": True,
        "trouble_count": len(TROUBLES), "now_ms": NOW, "as_of": clock(NOW), "form_token": "",
    }  # fmt: skip


def _charts() -> dict[str, Any]:
    """An hour of which the first third is missing."""
    minute = NOW - NOW % 60_000
    buckets: list[Bucket] = []
    for ago in range(40):
        n = 20 + 7 * (ago % 5) + ago // 3
        of_source, of_destination = (
            Counts({"accepted": n}),
            Counts({"delivered": n - 3, "dead": ago % 4}, peak={"oldest_s": 60.0 * ago}),
        )
        of_destination.took(300 + 90 * ago, n)
        buckets += [(minute - 60_000 * ago, SOURCE, of_source), (minute - 60_000 * ago, DESTINATION, of_destination)]
    found = series(buckets, PERIODS["1h"], NOW)
    about = {
        "period": "1h",
        "periods": charts.LABELS,
        "step": "minute",
        "begin": "11:01",
        "end": "12:00",
        "address": "/series.json",
    }
    drawn = [charts.drawn(chart, found) for chart in charts.OF_DESTINATION]
    return {
        "hour_charts": [charts.drawn(chart, found) for chart in charts.HOUR],
        "charts": {**about, "drawn": drawn, "is_empty": False},
    }


@asynccontextmanager
async def served(port: int = 0) -> AsyncIterator[str]:
    """The page on this port, any where it is 0. Gives its address."""

    async def design(_: web.Request) -> web.Response:
        return page()

    async def static(request: web.Request) -> web.Response:
        return await Assets().serve(request)

    app = web.Application()
    app.router.add_get("/design", design)
    app.router.add_get("/static/{tag}/{name}", static)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/design"
    finally:
        await runner.cleanup()


async def main() -> None:
    """Until Ctrl-C."""
    async with served(8082) as address:
        print(address)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
