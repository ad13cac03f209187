"""The first page: how the router is, what troubles there are, what comes in, and where it went."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, TypeVar

from aiohttp import web

from router.admin import standing
from router.clock import to_iso
from router.console import charts
from router.console.console import Console
from router.console.rendered import Rendered
from router.console.troubles import troubles_of
from router.errors import StoreError
from router.logger import to_paste

T = TypeVar("T")
SEVEN = ("delivered", "held", "retrying", "queued", "filtered", "skipped", "dead")


async def overview(console: Console, request: web.Request) -> Rendered | web.StreamResponse:
    """All of it on one screen. What takes too long is left out for now, and the page says so."""
    daemon, ask = console.daemon, console.patience.ask
    ledger, told, recent, known, charted, disk = await asyncio.gather(
        _if_read(ask("ledger", console.answers.ledger)),
        _if_read(ask("destinations", console.answers.destinations)),
        _if_read(ask("recent", console.lookups.recent)),
        troubles_of(console),
        _if_read(charts.hour(console)),
        _if_read(_disk(console)),
    )
    recent = recent or {}
    readiness = standing.readiness(daemon)
    return Rendered(
        "overview.html",
        "Overview",
        {
            "ledger": ledger,
            "started_at": to_iso(daemon.started_ms),
            "readiness": readiness,
            "refusing": [one.words for one in standing.coded_problems(daemon) if one.code in standing.UNREADY],
            "refused_503": daemon.metrics.answered(503) if readiness["status"] != "ready" else 0,
            "troubles": known.troubles,
            "knows_all_troubles": known.is_all,
            "notices": standing.notices_of(daemon),
            "sources": _sources(console, recent),
            "rows": _rows(ledger, recent),
            "removed": [one["name"] for one in told["removed"]] if told else [],
            **(charted or {"hour_charts": []}),
            "disk": disk,
            "is_store_away": any(one.code == "store_away" for one in known.troubles),
            "is_stopping": daemon.is_stopping,
            **({"first_steps": _first_steps(console)} if _is_unused(console, ledger) else {}),
        },
        is_live=True,
    )


async def _if_read(answer: Awaitable[T]) -> T | None:
    """None where the store cannot be read; its trouble says so."""
    try:
        return await answer
    except StoreError:
        return None


def _sources(console: Console, recent: Mapping[str, Any]) -> list[dict[str, Any]]:
    today = recent.get("discarded_today", {})
    return [{**source, "discarded_today": today.get(source["name"], 0)} for source in console.lookups.sources()]


def _rows(ledger: Mapping[str, Any] | None, recent: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """A row a destination: its name, what it was given since it began, and when it delivered last."""
    lately = recent.get("destinations", {})
    return [
        {
            "name": name,
            **counts,
            "accepted": sum(counts[state] for state in SEVEN),
            "last_delivered_at": lately.get(name, {}).get("last_delivered_at"),
        }
        for name, counts in (ledger or {"destinations": {}})["destinations"].items()
    ]


async def _disk(console: Console) -> dict[str, Any] | None:
    """What the store takes, what it may still take, and in how many days it will have (None: not known; 0: it does not grow). None where
    a database keeps it, whose disk nobody here knows."""
    sizes, ask = console.daemon.store.sizes, console.patience.ask
    if sizes.left_bytes() is None:
        return None
    used, growth = await asyncio.gather(ask("disk", sizes.used_bytes), ask("growth", console.plots.growth))
    if used is None:
        return None
    left = sizes.left_bytes() or 0
    days = None if growth is None else int(left / growth) if growth > 0 else 0
    return {"used": used, "left": left, "grows": growth, "days": days}


def _is_unused(console: Console, ledger: Mapping[str, Any] | None) -> bool:
    """Whether nothing has come yet, though something could."""
    return ledger is not None and not ledger["accepted"] and bool(console.daemon.config.sources)


def _first_steps(console: Console) -> dict[str, Any]:
    """What to do while nothing has come: the commands of the README, for this router."""
    verbs = (
        "send track --user u1 --event Hello --message-id hello-1",
        "why hello-1",
        'send group --user u1 --group acme --name "Acme Inc"',
    )
    return {"listens": console.daemon.listens, "commands": [to_paste(verb) for verb in verbs]}
