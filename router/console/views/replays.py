"""Replays: all destinations with their newest one, and of one destination the count, the start, the progress and the stop."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from router.console.console import Console
from router.console.done import done, told
from router.console.rendered import Rendered
from router.console.views.dead import CHOICE, as_of, chosen
from router.console.views.destination_actions import form_of_destination
from router.console.words import path
from router.errors import CommandRefused

NONE = {"state": "none"}


async def replays(console: Console, request: web.Request) -> Rendered:
    """The newest replay of each destination, and what can be sent again."""
    rows = [
        {"name": row["name"], "dead": row["dead"], "enabled": row["enabled"], "job": await _job(console, row["name"])}
        for row in (await console.answers.destinations())["destinations"]
    ]
    rows.sort(key=lambda row: row["job"]["state"] != "running")
    return Rendered("replays.html", "Replays", {"rows": rows, "told": told(request.query)}, is_live=True)


async def replay_page(console: Console, request: web.Request) -> Rendered:
    """Of one destination. Where the address says what, the number of events and a button to begin; else the newest replay. A choice
    that cannot be is told in the form, which keeps what was typed."""
    name, query = request.match_info["name"], request.query
    row = await console.answers.destination(name)
    meant: dict[str, str] = {}
    order, wrong = None, ""
    try:
        meant = as_of(chosen(query), console.daemon.now_ms)
        order = _order(query.get("what", ""), meant)
    except CommandRefused as error:  # of what was typed: it is told at its field
        wrong = str(error)
    n = (await console.actions.replay(name, {**order, "count_only": True}))["count"] if order else None
    values = {"name": name, "row": row, "order": order, "n": n, "choice": chosen(query), "meant": meant}
    return Rendered(
        "replay.html",
        f"Replay to {name}",
        {**values, "wrong": wrong, "job": await _job(console, name), "told": told(query)},
        422 if wrong else 200,
        is_live=order is None and not wrong,
    )


async def _job(console: Console, name: str) -> dict[str, Any]:
    try:
        return await console.answers.replay(name)
    except CommandRefused as error:  # its plugin could not open, or holds its thread
        return {**NONE, "refused": str(error)}


def _order(what: str, choice: dict[str, str]) -> dict[str, Any] | None:
    """The words of an order; None where nothing was chosen. Raises CommandRefused for a choice that lacks its time."""
    if what == "dead":
        return {"dead": True, **choice}
    if what == "span":
        if "since" not in choice:
            raise CommandRefused("invalid_request", "say since when: 24h for so long ago, or 2026-01-31T10:00:00Z")
        return {key: value for key, value in choice.items() if key != "reason"}
    return None


async def _start(console: Console, name: str, fields: dict[str, str]) -> web.Response:
    order = _order(fields.get("what", ""), chosen({key: fields.get(key, "") for key in CHOICE}))
    if order is None:
        raise CommandRefused("invalid_request", "say what is to be sent again")
    answer = await console.actions.replay(name, order)
    return done(path("destinations", name, "replay"), "replaying", answer["count"])


async def _stop(console: Console, name: str, fields: dict[str, str]) -> web.Response:
    await console.actions.stop_replay(name)
    return done(path("destinations", name, "replay"), "stopped")


start, stop = form_of_destination(_start, "replay"), form_of_destination(_stop, "replay")
