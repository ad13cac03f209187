"""The troubles that the pages show. An answer that takes long is left out for now."""

from __future__ import annotations

from router.admin.troubles import troubles_in
from router.console.console import Console
from router.explain.troubles import Trouble


async def troubles_of(console: Console) -> list[Trouble]:
    """What somebody should know of now, gravest first."""
    recent = await console.patience.ask("recent", console.lookups.recent) or {"destinations": {}}
    told = await console.patience.ask("destinations", console.answers.destinations) or {"destinations": []}
    return troubles_in(console.daemon, told["destinations"], recent["destinations"])
