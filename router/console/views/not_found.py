"""What is not there."""

from __future__ import annotations

from aiohttp import web

from router.console.console import Console
from router.console.rendered import Rendered


def not_found(words: str) -> Rendered:
    """The page about something that is not there, with what was looked for."""
    return Rendered("not_found.html", "Not found", {"words": words}, 404)


async def no_page(console: Console, request: web.Request) -> Rendered:
    """The answer to an address that no page has."""
    return not_found(f"there is no page at {request.path[:200]}")
