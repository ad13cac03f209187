"""Says of a destination that was removed that it was, and what is kept of it, in place of "no destination"."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

from router.admin.daemon_port import DaemonPort
from router.errors import CommandRefused, StoreError
from router.explain import destination_phrases
from router.explain.command_lines import drop_destination
from router.logger import to_paste

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def names_removed(daemon: DaemonPort) -> Middleware:
    """A middleware: the refusal of a name that is configured no more has the words for that."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except CommandRefused as refused:
            name = request.match_info.get("name", "")
            if refused.code != "not_found" or not name or name in daemon.runners:
                raise
            if words := await removed_words(daemon, name):
                raise CommandRefused(refused.code, words) from None
            raise

    return answer


async def removed_words(daemon: DaemonPort, name: str) -> str | None:
    """What is kept of a destination that config.toml has no more; None where it never had it."""
    try:
        kept = await daemon.store.output_reports.left_over(list(daemon.runners))
    except StoreError:
        return None
    if name not in kept:
        return None
    return destination_phrases.removed({"name": name, **kept[name]}, to_paste(drop_destination(name)))
