"""The first page: how the router is, what troubles there are, what comes in, and where it went."""

from __future__ import annotations

from aiohttp import web

from router.console import charts
from router.console.console import Console
from router.console.rendered import Rendered
from router.console.troubles import troubles_of


async def overview(console: Console, request: web.Request) -> Rendered | web.StreamResponse:
    """All of it on one screen."""
    ledger = await console.answers.ledger()
    return Rendered(
        "overview.html",
        "Overview",
        {
            "ledger": ledger,
            "readiness": console.answers.readiness(),
            "troubles": await troubles_of(console),
            "sources": console.daemon.describe_sources(),
            **await charts.hour(console),
            "rows": [{"name": name, **counts} for name, counts in ledger["destinations"].items()],
        },
        is_live=True,
    )
