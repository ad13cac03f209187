"""What is wrong now, from the answers that operators get: one list for the pages and for whoever is notified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from router.admin.answers import Answers
from router.admin.daemon_port import DaemonPort
from router.admin.lookups import Lookups
from router.clock import to_iso
from router.explain.troubles import Notices, Trouble, troubles


async def troubles_now(daemon: DaemonPort, answers: Answers, lookups: Lookups) -> list[Trouble]:
    """What somebody should know of now, gravest first. Raises StoreError where the store cannot be read."""
    rows, recent = (await answers.destinations())["destinations"], await lookups.recent()
    return troubles_in(daemon, rows, recent["destinations"])


def troubles_in(
    daemon: DaemonPort, destinations: Sequence[Mapping[str, Any]], recent: Mapping[str, Mapping[str, Any]]
) -> list[Trouble]:
    """The same from answers that are there already: rows of `/api/destinations`, and what was done of late, by destination."""
    problems, sources = Answers(daemon).coded_problems(), Lookups(daemon).sources()
    return troubles(problems, destinations, sources, recent, notices_of(daemon))


def notices_of(daemon: DaemonPort) -> Notices:
    """What happened to the router itself."""
    refused, jump = daemon.last_refused, daemon.clock_jump
    return Notices(
        to_iso(refused.at_ms) if refused else None,
        refused.problems if refused else (),
        to_iso(jump.at_ms) if jump else None,
        jump.seconds if jump else 0.0,
        to_iso(daemon.in_force.since_ms) if refused else None,
    )
