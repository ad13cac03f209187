"""The destinations: how they are, what they have counted, what they hold; pause, resume, release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from router.admin.answers import Answers
from router.admin.daemon_port import DaemonPort
from router.admin.json_io import json_body, refusal, reply
from router.deliver.runner_port import DestinationRunner
from router.event import parse_user


class Destinations:
    """The handlers."""

    def __init__(self, daemon: DaemonPort) -> None:
        self._daemon, self._answers = daemon, Answers(daemon)

    async def ledger(self, request: web.Request) -> web.Response:
        """Counts that add up."""
        return reply(await self._answers.ledger())

    async def series(self, request: web.Request) -> web.Response:
        """What was counted in a period, as columns for a plot."""
        query = request.query
        return reply(
            await self._answers.series(query.get("destination"), query.get("period", "1h"), source=query.get("source"))
        )

    async def line(self, request: web.Request) -> web.Response:
        """What came to an end at a destination in a period."""
        return reply(await self._answers.line(request.match_info["name"], request.query.get("period", "1h")))

    async def destinations(self, request: web.Request) -> web.Response:
        """What is configured and how it is."""
        return reply(await self._answers.destinations())

    async def one(self, request: web.Request) -> web.Response:
        """One destination, with the last request that went well and the last that did not."""
        return reply(await self._answers.destination(request.match_info["name"]))

    async def forget(self, request: web.Request) -> web.Response:
        """Drop all that is kept of a destination that is no longer configured."""
        return reply({"dropped": await self._daemon.forget(request.match_info["name"])})

    async def held(self, request: web.Request) -> web.Response:
        """Who waits for which group."""
        name, query = request.match_info["name"], request.query
        return reply(await self._answers.held(name, query.get("user"), query.get("after", "")))

    async def release(self, request: web.Request) -> web.Response:
        """Let a user's held events go, by hand on behalf of a group, or drop them."""
        runner, body = runner_of(self._daemon, request), await json_body(request)
        user, group = body.get("user"), body.get("group")
        if not isinstance(user, str) or not user:
            return refusal(400, "invalid_request", 'name the user: {"user": "u1"}')
        if group is not None and not _is_group(group):
            return refusal(400, "invalid_request", 'a group is {"id": "...", "name": "..."}')
        key = parse_user(user)
        if body.get("drop") is True:
            return reply({"dropped": await runner.drop(key)})
        return reply({"released": await runner.release(key, group)})

    async def pause(self, request: web.Request) -> web.Response:
        """Send nothing until resumed."""
        runner = runner_of(self._daemon, request)
        await runner.pause()
        return _state(runner)

    async def resume(self, request: web.Request) -> web.Response:
        """End a pause of any reason."""
        runner = runner_of(self._daemon, request)
        self._daemon.unmark(runner.destination.name)
        await runner.resume()
        return _state(runner)


def runner_of(daemon: DaemonPort, request: web.Request) -> DestinationRunner:
    """The destination that the path names. Raises CommandRefused `unknown_destination`."""
    return Answers(daemon).runner(request.match_info["name"])


def _is_group(value: Any) -> bool:
    if not isinstance(value, Mapping) or not isinstance(value.get("id"), str) or not value["id"]:
        return False
    return value.get("name") is None or isinstance(value["name"], str)


def _state(runner: DestinationRunner) -> web.Response:
    return reply({"state": runner.status.state, "state_reason": runner.status.reason})
