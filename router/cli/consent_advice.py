"""What `check` says of consent: ids that no stored event names, and ids that events name and no destination has."""

from __future__ import annotations

import asyncio
import difflib
import sqlite3
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from router.cli.lazy import lazy
from router.errors import StoreError, StoreNewer

if TYPE_CHECKING:
    from router import config as configuration
    from router import directory
    from router.config import Config, ConfigWarning
    from router.store.sqlite import queries
else:
    queries = lazy("router.store.sqlite.queries")
    configuration = lazy("router.config")
    directory = lazy("router.directory")

MOST_EVENTS = 100_000
"""How many of the newest events are looked through. Measured: 0.9 s of processor time, 2.9 s where all of them carry consent."""
SHOWN = 20


def consent_advice(config: Config) -> list[ConfigWarning]:
    """Warnings about the ids under `consent`, held against what the store retains. Nothing where no consent is configured, or
    where nothing is stored yet."""
    needs = {table.name: table.consent.ids for table in config.destinations if table.consent is not None}
    warnings = list(_followed(config))
    if not needs or not config.store.path.exists():
        return warnings
    try:
        events, named = asyncio.run(_named(config))
    except (StoreError, StoreNewer, OSError, sqlite3.Error) as error:
        return [*warnings, configuration.ConfigWarning("", "consent", f"not compared with stored events: {error}")]
    if not events:
        return warnings
    return warnings + [configuration.ConfigWarning(*told) for told in _compared(needs, events, named)]


def _followed(config: Config) -> Iterator[ConfigWarning]:
    """Where more is needed than is stored of a user."""
    n = len(config.consent_categories)
    if config.consent.follow and n > directory.MAX_CATEGORIES:
        words = f"destinations need {n} categories, and {directory.MAX_CATEGORIES} are stored of a user: not each can be withdrawn"
        yield configuration.ConfigWarning("", "consent.follow", words)


async def _named(config: Config) -> tuple[int, set[str]]:
    async with queries.open_queries(config.store.path) as questions:
        found = await questions.consent_ids(MOST_EVENTS)
        return found.events, found.named


def _compared(needs: dict[str, tuple[str, ...]], events: int, named: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """(destination, key, words) of each."""
    for destination, ids in needs.items():
        for id in ids:
            if id not in named:
                words = f'none of the newest {events:,} events names "{id}"'
                yield destination, "consent", words + _nearest(id, named)
    needed = {id for ids in needs.values() for id in ids}
    unused = sorted(set(named) - needed)
    if unused:
        shown = ", ".join(f'"{id}"' for id in unused[:SHOWN]) + (", ..." if len(unused) > SHOWN else "")
        yield "", "consent", f"events name categories that no destination has: {shown}"


def _nearest(id: str, named: Collection[str]) -> str:
    """The id that was probably meant, if one is like it."""
    folded = {other.casefold(): other for other in sorted(named)}
    near = difflib.get_close_matches(id.casefold(), folded, n=1, cutoff=0.8)
    return f'; they name "{folded[near[0]]}", and ids are compared exactly' if near else ""
