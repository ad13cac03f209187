"""The last 100 events through today's mapping, filter and consent of a destination. Nothing is sent and nothing is stored."""

from __future__ import annotations

from aiohttp import web

from router.console.console import Console
from router.console.recent import compared
from router.console.rendered import Rendered
from router.console.views.destination_actions import form_of_destination

LAST = 100


async def _recent(console: Console, name: str, fields: dict[str, str]) -> Rendered | web.StreamResponse:
    events, tried = await console.actions.try_recent(name, LAST)
    return Rendered(
        "recent.html", f"The last events at {name}", {"name": name, "recent": compared(events, tried), "last": LAST}
    )


recent = form_of_destination(_recent)
