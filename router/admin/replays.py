"""Dead letters and replays in the admin API: list, drop, send again, see how far it is, stop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from router.admin.answers import Answers
from router.admin.daemon_port import DaemonPort
from router.admin.destinations import runner_of
from router.admin.json_io import instant, json_body, page_after, reply
from router.deliver.runner import ReplayOrder
from router.errors import CommandRefused
from router.store import DeadLetterFilter

KEYS = {"dead", "reason", "since", "until", "message_id", "source", "count_only"}
FOREVER = 1 << 62


class Replays:
    """The handlers."""

    def __init__(self, daemon: DaemonPort) -> None:
        self._daemon, self._answers = daemon, Answers(daemon)

    async def dead(self, request: web.Request) -> web.Response:
        """Dead letters that are kept, a page at a time."""
        name, after = request.match_info["name"], page_after(request.query.get("after", ""))
        return reply(await self._answers.dead(name, self._letters(request.query), after))

    async def drop(self, request: web.Request) -> web.Response:
        """Drop dead letters for good. Their events stay dead."""
        runner, body = runner_of(self._daemon, request), await self._body(request, KEYS - {"dead", "count_only"})
        pos = await self._position(body)
        return reply({"dropped": await runner.drop_letters(self._letters(body), pos)})

    async def progress(self, request: web.Request) -> web.Response:
        """The newest replay, and how far it is."""
        return reply(await runner_of(self._daemon, request).describe_replay())

    async def stop(self, request: web.Request) -> web.Response:
        """Queue no more events. Those already queued are still sent."""
        runner = runner_of(self._daemon, request)
        await runner.stop_replay()
        return reply(await runner.describe_replay())

    async def replay(self, request: web.Request) -> web.Response:
        """Send again: one message, dead letters, or a span of time."""
        runner, body = runner_of(self._daemon, request), await self._body(request, KEYS)
        count_only = body.get("count_only") is True
        if body.get("message_id") is not None:
            pos = await self._position(body)
            return reply(await runner.replay(ReplayOrder(pos=pos, count_only=count_only)))
        if body.get("dead") is True:
            return reply(await runner.replay(ReplayOrder(letters=self._letters(body), count_only=count_only)))
        if body.get("since") is None:
            words = 'say what: {"dead": true}, {"since": "2026-01-31T10:00:00Z"} or {"message_id": "..."}'
            raise CommandRefused("invalid_request", words)
        if body.get("reason") is not None:
            raise CommandRefused("invalid_request", '`reason` chooses among dead letters: add "dead": true')
        which = self._letters(body)
        order = ReplayOrder(since_ms=which.since, until_ms=which.until, count_only=count_only)
        return reply(await runner.replay(order))

    async def _position(self, body: Mapping[str, Any]) -> int | None:
        """The position of the named message; None where none is named. Raises HTTPNotFound for an unknown one."""
        message_id = body.get("message_id")
        if message_id is None:
            return None
        pos = await self._daemon.store.queries.position(message_id, body.get("source"))
        if pos is None:
            raise web.HTTPNotFound(text=f"no message {message_id!r} is known")
        return pos

    async def _body(self, request: web.Request, keys: set[str]) -> dict[str, Any]:
        body = await json_body(request)
        if unknown := sorted(set(body) - keys):
            raise CommandRefused("invalid_request", f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(keys))}")
        for key in ("reason", "since", "until", "message_id", "source"):
            if body.get(key) is not None and not (isinstance(body[key], str) and body[key]):
                raise CommandRefused("invalid_request", f"`{key}` must be text")
        return body

    def _letters(self, given: Mapping[str, Any]) -> DeadLetterFilter:
        since, until = (instant(key, given.get(key), self._daemon.now_ms) for key in ("since", "until"))
        if since is not None and until is not None and until <= since:
            raise CommandRefused("invalid_request", "`until` must be later than `since`")
        return DeadLetterFilter(given.get("reason") or None, since or 0, FOREVER if until is None else until)
