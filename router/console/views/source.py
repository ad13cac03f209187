"""One source: what it sends with which libraries, what could not be used and why, what it was answered, its keys and its plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from router.console.console import Console
from router.console.rendered import Rendered
from router.errors import CommandRefused
from router.explain.discards import discard_of
from router.explain.mended import mended_in
from router.judge.drafting import Drafting

NEWEST = 2_000
"""Events of all sources that are looked at for clients and the last event."""
SHOWN, UNPLANNED = 100, 20
"""Kinds of violations on the page, and unknown events of which the plan's JSON is shown."""
REFUSALS = {
    "401": "the write key is missing or wrong",
    "403": "a page of another origin",
    "413": "the request was too large",
    "429": "more than `rate` allows; the library sends it again",
    "503": "the store took nothing; the library sends it again",
}
"""What the answers mean that a library may get instead of 200."""


async def source(console: Console, request: web.Request) -> Rendered:
    """The page. It looks at the newest events each time, so it does not keep itself fresh."""
    name = request.match_info["name"]
    rows = {row["name"]: row for row in console.daemon.describe_sources()}
    if name not in rows:
        raise CommandRefused("not_found", f"no source {name!r}; configured: {', '.join(rows) or 'none'}")
    reports = console.daemon.store.input_reports
    discards = await reports.discards(name, 0)
    violations = await reports.violations(name, None, 0)
    plan = console.daemon.plan_of(name)
    unplanned = [one for one in violations["items"] if one["type"] == "Unplanned Event"]
    return Rendered(
        "source.html",
        name,
        {
            "name": name,
            "row": rows[name],
            "mended": mended_in(rows[name]),
            "clients": await reports.clients(name, NEWEST),
            "codes": _codes(discards, name),
            "has_plan": plan is not None,
            "violations": [one for one in violations["items"] if one not in unplanned][:SHOWN],
            "left_out": max(0, len(violations["items"]) - len(unplanned) - SHOWN) + violations["left_out"],
            "unplanned": unplanned[:SHOWN],
            "draft": await _draft(console, name, unplanned) if unplanned else None,
            "pace": await console.plots.pace(name),
            "activity": console.daemon.activity_of(name),
            "strangers": console.daemon.metrics.answers().get("", {}),
            "refusals": REFUSALS,
        },
    )


def _codes(discards: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The codes with their numbers, what they mean, and the newest excerpt of each that is kept."""
    newest: dict[str, Mapping[str, Any]] = {}
    for one in discards["items"]:
        newest.setdefault(one["code"], one)
    counts = sorted(discards["counts"].get(name, {}).items(), key=lambda pair: -pair[1])
    return [{"code": code, "n": n, "meaning": discard_of(code), "newest": newest.get(code)} for code, n in counts]


async def _draft(console: Console, name: str, unplanned: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rules for the unknown events, made from the few of each that are remembered and stored."""
    draft, questions = Drafting(), console.daemon.store.queries
    for one in unplanned[:UNPLANNED]:
        for message_id in one["message_ids"]:
            if (call := await questions.stored_call(message_id, name)) is not None:
                draft.add(call)
    rules: list[dict[str, Any]] = draft.plan(name)["rules"]
    return rules
