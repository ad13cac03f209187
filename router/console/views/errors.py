"""What the vendor of a destination answers where it does not say yes, like with like."""

from __future__ import annotations

from aiohttp import web

from router.console.console import Console
from router.console.rendered import Rendered
from router.explain.destination_phrases import trouble_of
from router.explain.failures import NEWEST
from router.personal_data.mask import words_masked


async def errors(console: Console, request: web.Request) -> Rendered:
    """The page. It looks at the newest failures each time, so it does not keep itself fresh."""
    name = request.match_info["name"]
    row = await console.answers.destination(name)
    found = await console.answers.errors(name)
    stopped = words_masked(trouble_of(name, row) or "", console.settings.mask)
    values = {"name": name, "row": row, "errors": found, "most": NEWEST, "stopped": stopped}
    return Rendered("errors.html", f"Errors at {name}", values)
