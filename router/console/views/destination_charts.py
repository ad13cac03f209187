"""The charts of one destination, on a page of their own: what a period came to."""

from __future__ import annotations

from aiohttp import web

from router.console import charts
from router.console.console import Console
from router.console.rendered import Rendered


async def destination_charts(console: Console, request: web.Request) -> Rendered | web.StreamResponse:
    """`?period=`. Raises CommandRefused for a destination that is not configured."""
    name = request.match_info["name"]
    values = await charts.of_destination(console, name, request.query.get("period", "1h"))
    row = await console.answers.destination(name)
    return Rendered(
        "destination_charts.html",
        f"{name}: charts",
        {"name": name, "row": row, **values},
        is_live=True,
        has_charts=True,
    )
