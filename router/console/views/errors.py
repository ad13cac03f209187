"""What the vendor of a destination answers where it does not say yes, like with like."""

from __future__ import annotations

from aiohttp import web

from router.console.console import Console
from router.console.rendered import Rendered
from router.explain.failures import NEWEST


async def errors(console: Console, request: web.Request) -> Rendered:
    """The page. It looks at the newest failures each time, so it does not keep itself fresh."""
    name = request.match_info["name"]
    row = await console.answers.destination(name)
    found = await console.answers.errors(name)
    return Rendered("errors.html", f"Errors at {name}", {"name": name, "row": row, "errors": found, "most": NEWEST})
