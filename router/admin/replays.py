"""Dead letters and replays in the admin API: list, drop, send again, see how far it is, stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from router.admin.guard import reply
from router.admin.requests import json_body, page_after
from router.config.units import parse_instant
from router.deliver.commands import Refused
from router.deliver.runner import ReplayOrder, Runner
from router.store import Letters
from router.store.questions import Questions

ONE = "/api/destinations/{name}"
KEYS = {"dead", "reason", "since", "until", "message_id", "source", "count_only"}
FOREVER = 1 << 62


class Replays:
    """The handlers. `runner_of` finds the destination that a request names, or raises; `now_ms` is router time."""

    def __init__(
        self, runner_of: Callable[[web.Request], Runner], questions: Callable[[], Questions], now_ms: Callable[[], int]
    ) -> None:
        self._runner_of, self._questions, self._now_ms = runner_of, questions, now_ms

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Enter the paths."""
        router.add_get(f"{ONE}/dead", self.dead)
        router.add_post(f"{ONE}/dead/drop", self.drop)
        router.add_get(f"{ONE}/replay", self.progress)
        router.add_post(f"{ONE}/replay", self.replay)
        router.add_delete(f"{ONE}/replay", self.stop)

    async def dead(self, request: web.Request) -> web.Response:
        """Dead letters that are kept, a page at a time."""
        runner, after = self._runner_of(request), page_after(request.query.get("after", ""))
        return reply(await self._questions().dead(runner.destination.name, self._letters(request.query), after))

    async def drop(self, request: web.Request) -> web.Response:
        """Drop dead letters for good. Their events stay dead."""
        runner, body = self._runner_of(request), await self._body(request, KEYS - {"dead", "count_only"})
        pos = await self._position(body)
        return reply({"dropped": await runner.drop_letters(self._letters(body), pos)})

    async def progress(self, request: web.Request) -> web.Response:
        """The newest replay, and how far it is."""
        return reply(await self._runner_of(request).describe_replay())

    async def stop(self, request: web.Request) -> web.Response:
        """Feed nothing more; what was fed is on its way."""
        runner = self._runner_of(request)
        await runner.stop_replay()
        return reply(await runner.describe_replay())

    async def replay(self, request: web.Request) -> web.Response:
        """Send again: one message, dead letters, or what was accepted in a time."""
        runner, body = self._runner_of(request), await self._body(request, KEYS)
        count_only = body.get("count_only") is True
        if body.get("message_id") is not None:
            pos = await self._position(body)
            if count_only:
                return reply({"count": 1})
            return reply(await runner.replay(ReplayOrder(pos=pos)))
        if body.get("dead") is True:
            return reply(await runner.replay(ReplayOrder(letters=self._letters(body), count_only=count_only)))
        if body.get("since") is None:
            words = 'say what: {"dead": true}, {"since": "2026-01-31T10:00:00Z"} or {"message_id": "..."}'
            raise Refused("invalid_request", words)
        if body.get("reason") is not None:
            raise Refused("invalid_request", '`reason` chooses among dead letters: add "dead": true')
        which = self._letters(body)
        order = ReplayOrder(since_ms=which.since, until_ms=which.until, count_only=count_only)
        return reply(await runner.replay(order))

    async def _position(self, body: Mapping[str, Any]) -> int | None:
        """Where the named message stands. Raises Refused for one that is not known."""
        message_id = body.get("message_id")
        if message_id is None:
            return None
        pos = await self._questions().position(message_id, body.get("source"))
        if pos is None:
            raise web.HTTPNotFound(text=f"no message {message_id!r} is known")
        return pos

    async def _body(self, request: web.Request, keys: set[str]) -> dict[str, Any]:
        body = await json_body(request)
        if unknown := sorted(set(body) - keys):
            raise Refused("invalid_request", f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(keys))}")
        for key in ("reason", "since", "until", "message_id", "source"):
            if body.get(key) is not None and not (isinstance(body[key], str) and body[key]):
                raise Refused("invalid_request", f"`{key}` must be text")
        return body

    def _letters(self, given: Mapping[str, Any]) -> Letters:
        since, until = (self._instant(key, given.get(key)) for key in ("since", "until"))
        if since is not None and until is not None and until <= since:
            raise Refused("invalid_request", "`until` must be later than `since`")
        return Letters(given.get("reason") or None, since or 0, FOREVER if until is None else until)

    def _instant(self, key: str, text: str | None) -> int | None:
        try:
            return parse_instant(text, self._now_ms()) if text else None
        except ValueError as error:
            raise Refused("invalid_request", f"`{key}`: {error}") from None
