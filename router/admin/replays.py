"""Dead letters and replays in the admin API: list, drop, send again, see how far it is, stop."""

from __future__ import annotations

from aiohttp import web

from router.admin import orders
from router.admin.actions import Actions
from router.admin.answers import Answers
from router.admin.daemon_port import DaemonPort
from router.admin.json_io import json_body, page_after, reply


class Replays:
    """The handlers."""

    def __init__(self, daemon: DaemonPort, actions: Actions) -> None:
        self._daemon, self._actions, self._answers = daemon, actions, Answers(daemon)

    async def dead(self, request: web.Request) -> web.Response:
        """Dead letters that are kept, a page at a time."""
        after = page_after(request.query.get("after", ""))
        which = orders.letters_of(request.query, self._daemon.now_ms)
        return reply(await self._answers.dead(request.match_info["name"], which, after))

    async def drop(self, request: web.Request) -> web.Response:
        """Drop dead letters for good. Their events stay dead."""
        return reply({"dropped": await self._actions.drop_dead(request.match_info["name"], await json_body(request))})

    async def progress(self, request: web.Request) -> web.Response:
        """The newest replay, and how far it is."""
        return reply(await self._answers.replay(request.match_info["name"]))

    async def stop(self, request: web.Request) -> web.Response:
        """Queue no more events. Those already queued are still sent."""
        return reply(await self._actions.stop_replay(request.match_info["name"]))

    async def replay(self, request: web.Request) -> web.Response:
        """Send again: one message, dead letters, or a span of time."""
        return reply(await self._actions.replay(request.match_info["name"], await json_body(request)))
