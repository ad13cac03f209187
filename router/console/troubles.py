"""The troubles that the pages show, from the answers that the admin API gives."""

from __future__ import annotations

from router.console.console import Console
from router.explain.troubles import Trouble, troubles


async def troubles_of(console: Console) -> list[Trouble]:
    """What somebody should know of now, gravest first."""
    return troubles(console.answers.problems(), (await console.answers.destinations())["destinations"])
