"""The destinations: how they are, what they have counted, what they hold; pause, resume, release."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from router.admin.daemon_port import DaemonPort
from router.admin.json_io import json_body, refusal, reply
from router.admin.pauses import pause_of
from router.deliver.runner import state_of
from router.deliver.runner_port import DestinationRunner
from router.event import parse_user

COUNTS = ("held", "retrying", "queued", "dead", "oldest_queued_s", "timers")
"""What `/api/destinations` repeats of the ledger."""


class Destinations:
    """The handlers."""

    def __init__(self, daemon: DaemonPort) -> None:
        self._daemon = daemon

    async def ledger(self, request: web.Request) -> web.Response:
        """Counts that add up."""
        runners = self._daemon.runners
        answer = await self._daemon.store.queries.ledger(list(runners))
        for name, counts in answer["destinations"].items():
            table = runners[name].destination.config
            counts["mode"] = table.mode
            if not table.enabled:
                counts["state"] = "disabled"
            elif (status := runners[name].status).state != "running":  # the store does not know of all that stops one
                counts |= state_of(status)
        return reply(answer)

    async def destinations(self, request: web.Request) -> web.Response:
        """What is configured and how it is."""
        runners, questions = self._daemon.runners, self._daemon.store.queries
        counts = (await questions.ledger(list(runners)))["destinations"]
        described = [await _described(name, runner, counts) for name, runner in runners.items()]
        removed = await questions.left_over(list(runners))
        return reply({"destinations": described, "removed": [{"name": n, **kept} for n, kept in removed.items()]})

    async def one(self, request: web.Request) -> web.Response:
        """One destination, with the last request that went well and the last that did not."""
        runner = runner_of(self._daemon, request)
        name = runner.destination.name
        counts = (await self._daemon.store.queries.ledger([name]))["destinations"]
        return reply({**await _described(name, runner, counts), "last": runner.last_exchanges})

    async def forget(self, request: web.Request) -> web.Response:
        """Drop all that is kept of a destination that is no longer configured."""
        return reply({"dropped": await self._daemon.forget(request.match_info["name"])})

    async def held(self, request: web.Request) -> web.Response:
        """Who waits for which group."""
        runner = runner_of(self._daemon, request)
        user = request.query.get("user")
        key = parse_user(user) if user else None
        answer = await self._daemon.store.queries.held(runner.destination.name, key, request.query.get("after", ""))
        return reply(with_expiry(answer, runner.destination.config.hold.max_age_s))

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


async def _described(name: str, runner: DestinationRunner, counts: Mapping[str, Any]) -> dict[str, Any]:
    """How a destination is configured, how it is, and what waits there."""
    own = counts.get(name, {})
    return {
        **runner.describe(),
        **{count: own.get(count, 0) for count in COUNTS},
        "next_timer_at": own.get("next_timer_at"),
        "waiting": await runner.describe_waiting(),
        "pause": pause_of(name, runner.status),
    }


def runner_of(daemon: DaemonPort, request: web.Request) -> DestinationRunner:
    """The destination that the path names. Raises HTTPNotFound."""
    name = request.match_info["name"]
    runner = daemon.runners.get(name)
    if runner is None:
        known = ", ".join(sorted(daemon.runners)) or "none"
        raise web.HTTPNotFound(text=f"no destination {name!r}; configured: {known}")
    return runner


def with_expiry(held: dict[str, Any], max_age_s: float) -> dict[str, Any]:
    """Add when each user's oldest held event is given up."""
    max_age = timedelta(milliseconds=int(max_age_s * 1000))
    for user in held["users"]:
        expires = datetime.fromisoformat(user["since"]) + max_age
        user["expires_at"] = expires.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return held


def _is_group(value: Any) -> bool:
    if not isinstance(value, Mapping) or not isinstance(value.get("id"), str) or not value["id"]:
        return False
    return value.get("name") is None or isinstance(value["name"], str)


def _state(runner: DestinationRunner) -> web.Response:
    return reply({"state": runner.status.state, "state_reason": runner.status.reason})
