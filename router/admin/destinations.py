"""The destinations: how they are, what they have counted, what they hold; pause, resume, release."""

from __future__ import annotations

from aiohttp import web

from router.admin.actions import Actions
from router.admin.answers import Answers
from router.admin.daemon_port import DaemonPort
from router.admin.json_io import json_body, reply
from router.admin.plots import Plots
from router.store import Status


class Destinations:
    """The handlers."""

    def __init__(self, daemon: DaemonPort, actions: Actions) -> None:
        self._actions, self._answers = actions, Answers(daemon)
        self._plots = Plots(daemon, self._answers)

    async def ledger(self, request: web.Request) -> web.Response:
        """Counts that add up."""
        return reply(await self._answers.ledger())

    async def series(self, request: web.Request) -> web.Response:
        """What was counted in a period, as columns for a plot."""
        query = request.query
        return reply(
            await self._plots.series(query.get("destination"), query.get("period", "1h"), source=query.get("source"))
        )

    async def line(self, request: web.Request) -> web.Response:
        """What came to an end at a destination in a period."""
        return reply(await self._plots.line(request.match_info["name"], request.query.get("period", "1h")))

    async def destinations(self, request: web.Request) -> web.Response:
        """What is configured and how it is."""
        return reply(await self._answers.destinations())

    async def one(self, request: web.Request) -> web.Response:
        """One destination, with the last request that went well and the last that did not."""
        return reply(await self._answers.destination(request.match_info["name"]))

    async def forget(self, request: web.Request) -> web.Response:
        """Drop all that is kept of a destination that is no longer configured."""
        return reply({"dropped": await self._actions.drop_destination(request.match_info["name"])})

    async def held(self, request: web.Request) -> web.Response:
        """Who waits for which group."""
        name, query = request.match_info["name"], request.query
        return reply(await self._answers.held(name, query.get("user"), query.get("after", "")))

    async def release(self, request: web.Request) -> web.Response:
        """Let a user's held events go, by hand on behalf of a group, or drop them."""
        name, body = request.match_info["name"], await json_body(request)
        if body.get("drop") is True:
            return reply({"dropped": await self._actions.drop_held(name, body.get("user"))})
        return reply({"released": await self._actions.release(name, body.get("user"), body.get("group"))})

    async def pause(self, request: web.Request) -> web.Response:
        """Send nothing until resumed. The body may say why: `{"reason": "..."}`."""
        name, body = request.match_info["name"], await json_body(request)
        return _state(await self._actions.pause(name, body.get("reason")))

    async def resume(self, request: web.Request) -> web.Response:
        """End a pause of any reason, or close the breaker. `was`: the state before."""
        name = request.match_info["name"]
        was, status = await self._actions.resume(name)
        return reply({"state": status.state, "state_reason": status.reason, "was": was.state})

    async def test(self, request: web.Request) -> web.Response:
        """Try the credentials. No event is sent."""
        return reply((await self._actions.test(request.match_info["name"]))._asdict())

    async def errors(self, request: web.Request) -> web.Response:
        """Why events are dead or retrying, like with like."""
        return reply(await self._answers.errors(request.match_info["name"]))


def _state(status: Status) -> web.Response:
    return reply({"state": status.state, "state_reason": status.reason})
