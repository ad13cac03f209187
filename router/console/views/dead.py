"""The dead letters of a destination: chosen by reason and time, sent again or dropped, with their number first."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from router.admin.json_io import page_after
from router.admin.orders import letters_of
from router.clock import to_iso
from router.console.console import Console
from router.console.done import done, told
from router.console.rendered import Rendered
from router.console.views.destination_actions import form_of_destination, must_name
from router.console.words import path
from router.errors import CommandRefused

CHOICE = ("reason", "since", "until")


def chosen(given: Mapping[str, str]) -> dict[str, str]:
    """Which dead letters a page or a form asks for."""
    return {key: value for key in CHOICE if (value := given.get(key, "").strip())}


def as_of(given: Mapping[str, str], now_ms: int) -> dict[str, str]:
    """The same choice as it is now, for the form behind a page: what dies or is accepted later was not counted, and is not meant."""
    which, meant = letters_of(given, now_ms), {**given, "until": to_iso(now_ms)}
    if given.get("since"):
        meant["since"] = to_iso(which.since)
    if which.until < now_ms:
        meant["until"] = to_iso(which.until)
    return meant


async def dead(console: Console, request: web.Request) -> Rendered:
    """The page: 100 letters at a time."""
    name, query, choice = request.match_info["name"], request.query, chosen(request.query)
    wrong = ""
    try:
        which = letters_of(choice, console.daemon.now_ms)
    except CommandRefused as error:  # of what was typed: it is told at its field
        which, wrong = letters_of({}, console.daemon.now_ms), str(error)
    return Rendered(
        "dead.html",
        f"Dead at {name}",
        {
            "name": name,
            "row": await console.answers.destination(name),
            "dead": await console.answers.dead(name, which, page_after(query.get("after", ""))),
            "reasons": await console.answers.dead_reasons(name),
            "choice": choice,
            "wrong": wrong,
            "told": told(query),
        },
        422 if wrong else 200,
    )


async def drop_page(console: Console, request: web.Request) -> Rendered:
    """How many letters would be dropped, and the name to type."""
    name, choice = request.match_info["name"], chosen(request.query)
    meant = as_of(choice, console.daemon.now_ms)
    answer = await console.actions.replay(name, {"dead": True, "count_only": True, **meant})
    values = {"name": name, "choice": choice, "meant": meant, "n": answer["count"]}
    return Rendered("dead_drop.html", "Drop dead letters", values)


async def _drop(console: Console, name: str, fields: dict[str, str]) -> web.Response:
    must_name(name, fields)
    dropped = await console.actions.drop_dead(name, chosen(fields))
    return done(path("destinations", name, "dead"), "dropped_dead", dropped)


drop = form_of_destination(_drop, "dead")
