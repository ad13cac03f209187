"""One destination: how it is, the Line, what waits for what, what the vendor answers, its settings, and what can be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web

from router.admin.answers import COUNTED_LETTERS
from router.config import DestinationConfig
from router.console import charts
from router.console.console import Console
from router.console.done import told
from router.console.line import per_cent, the_line
from router.console.rendered import Rendered
from router.console.troubles import troubles_of
from router.console.words import plain
from router.errors import CommandRefused
from router.explain import destination_phrases, trial_phrases
from router.explain.figures import count, span
from router.explain.usual_reasons import usual_reasons
from router.personal_data.mask import words_masked
from router.plugin_host import Destination
from router.plugin_host.shown_settings import shown_settings
from router.trial import Checked

EXTRA = {"dry_run": "in a dry run: not sent", "replayed": "sent once more by a replay"}
"""Counts of the ledger that are told beside `delivered`."""
ALL = "all"
PERIODS_OF_LINE = {"10m": "10 min", "1h": "1 h", "24h": "24 h", "7d": "7 d", ALL: "all"}
SHOWN_ERRORS, LOOKED_AT = 5, 200
"""Kinds of errors on this page, and how many of the newest failures it looks at for them."""


async def destination(console: Console, request: web.Request) -> Rendered | web.StreamResponse:
    """The page. One that config.toml names no more has another, with what is kept of it."""
    name, answers = request.match_info["name"], console.answers
    try:
        row = await answers.destination(name)
    except CommandRefused:
        return await _removed(console, request, name)
    counts = (await answers.ledger())["destinations"].get(name, {})
    loaded, table = answers.runner(name).destination, _table(console, name)
    reasons = await answers.dead_reasons(name)
    return Rendered(
        "destination.html",
        name,
        {
            "name": name,
            "row": row,
            "counts": counts,
            "told": told(request.query),
            "troubles": [trouble for trouble in (await troubles_of(console)).troubles if trouble.subject == name],
            "more": _more(console, name, row),
            **await _line(
                console, name, request.query.get("period", ALL), _parts(console, name, row, counts, reasons), counts
            ),
            "as_percent": request.query.get("as") == "percent",
            "per_cent": per_cent,
            "errors": await answers.errors(name, LOOKED_AT),
            "shown_errors": SHOWN_ERRORS,
            "check": _check(console, name),
            "check_lines": trial_phrases.checked,
            "config": shown_settings(loaded, table),
            "conditions": _conditions(loaded, table),
            "usual": usual_reasons(table.mode, getattr(loaded.instance, "shown_after", "")),
            "span": span,
        },
        is_live=True,
    )


def _check(console: Console, name: str) -> tuple[int, Checked] | None:
    """The newest test of the credentials. The vendor may have answered with addresses."""
    if (last := console.actions.checks.get(name)) is None:
        return None
    at, checked = last
    return at, checked._replace(detail=words_masked(checked.detail, console.settings.mask))


async def _line(
    console: Console, name: str, period: str, parts: Mapping[str, Sequence[str]], counts: Mapping[str, Any]
) -> dict[str, Any]:
    """The Line of all that was ever accepted, or of a period: what came to an end in it, and what waits now."""
    shown = {"period": period, "line_periods": PERIODS_OF_LINE}
    if period not in PERIODS_OF_LINE or period == ALL:
        return {**shown, "period": ALL, "line": the_line(name, counts, parts)}
    found = await console.plots.line(name, period)
    of_period = {
        state: [f"{plain(reason)} {n:,}" for reason, n in told.items()] for state, told in found["reasons"].items()
    }
    if found["latency_p50_s"] is not None:
        of_period["delivered"] = [
            f"p50 {charts.written(found['latency_p50_s'], 's')} p95 {charts.written(found['latency_p95_s'], 's')}"
        ]
    waiting = {state: parts[state] for state in ("held", "queued") if state in parts}
    return {**shown, "line": the_line(name, {**found, **found["now"]}, {**of_period, **waiting})}


async def _removed(console: Console, request: web.Request, name: str) -> Rendered:
    """A destination that the store knows and config.toml does not. Raises CommandRefused where neither does."""
    kept = {row.pop("name"): row for row in (await console.answers.destinations())["removed"]}
    if name not in kept:
        console.answers.runner(name)
    return Rendered(
        "destination_removed.html", name, {"name": name, "kept": kept[name], "told": told(request.query)}, is_live=True
    )


def _table(console: Console, name: str) -> DestinationConfig:
    """Its table in force. While a reload exchanges it, the one it still runs with."""
    tables = {table.name: table for table in console.daemon.config.destinations}
    return tables.get(name) or console.answers.runner(name).destination.config


def _more(console: Console, name: str, row: Mapping[str, Any]) -> list[str]:
    """What is to be said of how it runs, beside its troubles."""
    isolated = console.daemon.isolated.get(name)
    warned = [f"its plugin warned {count(n, 'time')}: {plain(code)}" for code, n in row["warnings"].items()]
    timers = destination_phrases.timers_of(row, name)
    found = [
        *destination_phrases.slow_hooks(row),
        *([destination_phrases.isolated(name, isolated)] if isolated else []),
        *warned,
    ]
    if row["restart_required"]:
        found.append("another version of its plugin is installed: restart the router to use it")
    return [*found, *([timers] if timers else [])]


def _parts(
    console: Console, name: str, row: Mapping[str, Any], counts: Mapping[str, Any], reasons: Sequence[Mapping[str, Any]]
) -> dict[str, list[str]]:
    """What the numbers of the Line are made of."""
    filtered = console.daemon.metrics.meter(name).filtered
    held = [
        f"{plain(reason)}: {count(n['events'], 'event')} of {_people(n['users'])}"
        for reason, n in row["waiting"].items()
    ]
    dead = [f"{plain(one['reason'])} {one['count']:,}" for one in reasons]
    if sum(one["count"] for one in reasons) >= COUNTED_LETTERS:
        dead.insert(0, f"of the first {COUNTED_LETTERS:,}:")
    oldest = counts.get("oldest_queued_s", 0)
    delivered = [f"{counts[key]:,} {words}" for key, words in EXTRA.items() if counts.get(key)]
    return {
        "filtered": ["since the start:", *(f"{plain(reason)} {n:,}" for reason, n in filtered.most_common())]
        if filtered
        else [],
        "held": held,
        "queued": [f"oldest {span(oldest)}"] if oldest else [],
        "dead": dead,
        "delivered": delivered,
    }


def _people(n: float) -> str:
    return "1 person" if n == 1 else f"{int(n):,} people"


def _conditions(loaded: Destination, table: DestinationConfig) -> list[tuple[str, str]]:
    """What decides and changes events here, as config.toml says it: title and text."""
    mapping = table.mapping.model_dump(mode="json", exclude_defaults=True)
    filters = [one.model_dump(mode="json", exclude_defaults=True) for one in table.filters]
    parts = (
        ("Sources", ", ".join(table.sources)),
        ("Consent", _consent(table)),
        ("Filter", " ".join(table.filter.split())),
        ("Filters", _json(filters) if filters else ""),
        ("Mapping", _json(mapping) if mapping else ""),
    )
    return [(title, loaded.redact(text)) for title, text in parts if text]


def _consent(table: DestinationConfig) -> str:
    """What an event must give; empty where nothing is asked."""
    if table.consent is None:
        return ""
    needed = ", ".join(table.consent.ids)
    missing = " An event that says nothing of consent is " + (
        "filtered." if table.consent_missing == "block" else "sent."
    )
    return f"Needs {'one of' if table.consent.is_any else 'all of'}: {needed}.{missing}"


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode()
