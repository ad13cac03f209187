"""The stored calls of the last days, one after the other, straight from the store: also beside a running daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from router.cli.endpoint import NOT_YET, Failed, locate, store_file
from router.cli.lazy import lazy
from router.cli.output import warn
from router.clock import SystemClock

if TYPE_CHECKING:
    from router.config import units
    from router.event import Call
    from router.store.sqlite import queries
else:
    queries = lazy("router.store.sqlite.queries")
    units = lazy("router.config.units")

TOLD_EVERY = 100_000


def walk(config: Path, source: str | None, since: str, take: Callable[[Call], None]) -> None:
    """Hand each stored call to `take`, the oldest first. How far it is, is told on standard error.

    Args:
        source: only calls of this source; None: all.
        since: a time, or how long ago.

    Raises:
        Failed: there is no store.
    """
    store = store_file(locate(config), NOT_YET)
    if not store.exists():
        raise Failed(
            f"there is no store at {store}, so no event to look at; name the config.toml of the daemon with --config"
        )
    since_ms = units.parse_instant(since, SystemClock().now_ms())

    async def ask() -> None:
        async with queries.open_queries(store) as questions:
            after, seen = 0, 0
            while True:
                calls, after = await questions.calls(after, source, since_ms)
                for call in calls:
                    take(call)
                if (seen + len(calls)) // TOLD_EVERY > seen // TOLD_EVERY:
                    warn(f"{seen + len(calls):,} events so far")
                seen += len(calls)
                if not after:
                    return

    asyncio.run(ask())
