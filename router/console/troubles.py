"""The troubles that the pages show. Where an answer takes long, those that the router knows of without the store."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from router.admin.standing import open_troubles
from router.admin.troubles import troubles_in
from router.console.console import Console
from router.errors import StoreError
from router.explain.troubles import Trouble


class Known(NamedTuple):
    """What somebody should know of now, gravest first."""

    troubles: list[Trouble]
    is_all: bool  #: False: the store takes its time or cannot be read, so there may be more


async def troubles_of(console: Console) -> Known:
    """As far as it is known in time."""
    ask = console.patience.ask
    try:
        recent, told = await asyncio.gather(
            ask("recent", console.lookups.recent), ask("destinations", console.answers.destinations)
        )
    except StoreError:  # each page shows the number of troubles, also the page that says that the store is away
        recent = told = None
    if told is None:
        return Known(open_troubles(console.daemon), False)
    lately = recent["destinations"] if recent is not None else {}
    found = troubles_in(console.daemon, console.answers, console.lookups, told["destinations"], lately)
    return Known(found, recent is not None)
