"""The troubles that the pages show, from the answers that the admin API gives."""

from __future__ import annotations

from router.clock import to_iso
from router.console.console import Console
from router.explain.troubles import Notices, Trouble, troubles


async def troubles_of(console: Console) -> list[Trouble]:
    """What somebody should know of now, gravest first."""
    recent = await console.patience.ask("recent", console.lookups.recent) or {"destinations": {}}
    told = await console.patience.ask("destinations", console.answers.destinations) or {"destinations": []}
    return troubles(
        console.answers.coded_problems(),
        told["destinations"],
        console.lookups.sources(),
        recent["destinations"],
        notices_of(console),
    )


def notices_of(console: Console) -> Notices:
    """What happened to the router itself."""
    refused, jump = console.daemon.last_refused, console.daemon.clock_jump
    return Notices(
        to_iso(refused.at_ms) if refused else None,
        refused.problems if refused else (),
        to_iso(jump.at_ms) if jump else None,
        jump.seconds if jump else 0.0,
        to_iso(console.daemon.in_force.since_ms) if refused else None,
    )
