"""What the buttons of a destination's page do: pause, resume, test, drop what is kept of one that was removed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from router.console.console import Console, View
from router.console.done import done
from router.console.guard import checked_form
from router.console.rendered import Rendered, refused
from router.console.words import path
from router.errors import CommandRefused


def form_of_destination(
    work: Callable[[Console, str, dict[str, str]], Awaitable[Rendered | web.StreamResponse]], *back: str
) -> View:
    """A view for a form that belongs to a destination: it is checked, and what is refused leads back to the page below it."""

    async def view(console: Console, request: web.Request) -> Rendered | web.StreamResponse:
        fields, name = await checked_form(console, request), request.match_info["name"]
        try:
            return await work(console, name, fields)
        except CommandRefused as error:
            return refused(str(error), path("destinations", name, *back))

    return view


async def _pause(console: Console, name: str, fields: dict[str, str]) -> web.Response:
    await console.actions.pause(name, fields.get("reason", ""))
    return done(path("destinations", name), "paused")


async def _resume(console: Console, name: str, fields: dict[str, str]) -> web.Response:
    await console.actions.resume(name)
    return done(path("destinations", name), "resumed")


async def _test(console: Console, name: str, fields: dict[str, str]) -> web.Response:
    await console.actions.test(name)
    return done(path("destinations", name), "tested")


async def _drop_all(console: Console, name: str, fields: dict[str, str]) -> web.Response:
    must_name(name, fields)
    dropped = await console.actions.drop_destination(name)
    return done("/replays", "dropped_destination", sum(dropped.values()))


def must_name(name: str, fields: dict[str, str]) -> None:
    """Raises CommandRefused where the name of the destination was not typed: what follows cannot be undone."""
    if fields.get("name", "").strip() != name:
        raise CommandRefused("invalid_request", f"type {name} to confirm; nothing was dropped")


pause, resume, test, drop_all = (form_of_destination(work) for work in (_pause, _resume, _test, _drop_all))
