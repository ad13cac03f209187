"""The source that a trial takes its events from, as config.toml and the store have it. Asks no daemon."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from router.cli.lazy import lazy
from router.cli.output import warn
from router.errors import StoreError, StoreNewer

if TYPE_CHECKING:
    from router import trial
    from router.config import PrivacyConfig, SourceConfig
    from router.plans import Plan
    from router.store import Suppressions
    from router.store.sqlite import queries
    from router.trial import Intake
else:
    queries = lazy("router.store.sqlite.queries")
    trial = lazy("router.trial")


def intake_of(source: SourceConfig, plan: Plan | None, privacy: PrivacyConfig, store: Path | None) -> Intake:
    """What this source does with a call. Who is suppressed is read from the store, if there is one."""
    return trial.Intake.of(source, plan, privacy, _suppressed(store))


def _suppressed(store: Path | None) -> Suppressions:
    if store is None or not store.exists():
        return trial.NOBODY
    try:
        return asyncio.run(_ask(store))
    except (StoreError, StoreNewer, OSError, sqlite3.Error) as error:
        warn(f"warning: who is suppressed is not known: {error}")
        return trial.NOBODY


async def _ask(store: Path) -> Suppressions:
    async with queries.open_queries(store) as questions:
        return await questions.suppressions()
