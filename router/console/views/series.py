"""What the script draws the charts from: `plots.series` as JSON, behind the login of the pages."""

from __future__ import annotations

from aiohttp import web

from router.admin.json_io import reply
from router.console.console import Console
from router.console.guard import HEADERS
from router.console.rendered import Rendered


async def series(console: Console, request: web.Request) -> Rendered | web.StreamResponse:
    """Of a destination, of a source, or of all together. Raises CommandRefused."""
    query = request.query
    answer = reply(
        await console.plots.series(query.get("destination"), query.get("period", "1h"), source=query.get("source"))
    )
    answer.headers.update(HEADERS)
    return answer
