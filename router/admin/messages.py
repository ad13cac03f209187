"""What became of a message, the newest ones, and the calls that never became one."""

from __future__ import annotations

from aiohttp import web

from router.admin.daemon_port import DaemonPort
from router.admin.json_io import page_after, refusal, reply
from router.admin.pauses import pause_of
from router.event_search import KEYS, parse_filter, parse_limit, parse_since
from router.plugin_host import add_details, is_asked_for

UNSETTLED = ("held", "retrying", "queued")
"""States of an event that a pause of its destination concerns."""


class Messages:
    """The handlers."""

    def __init__(self, daemon: DaemonPort) -> None:
        self._daemon = daemon

    async def message(self, request: web.Request) -> web.Response:
        """The fate of one message at each destination."""
        message_id = request.match_info["message_id"]
        questions = self._daemon.store.queries
        source, runners = request.query.get("source"), self._daemon.runners
        answer = await questions.message(message_id, source, list(runners))
        if answer is None:
            words = f"no message {message_id!r} is known; `discards` tells of calls that could not be used"
            return refusal(404, "unknown_message", words)
        fates = answer["destinations"]
        for name, told in fates.items():
            runner = runners.get(name)
            pause = pause_of(name, runner.status) if runner is not None else None
            if pause is not None and told["state"] in UNSETTLED:
                told["pause"] = pause
        if is_asked_for(fates):
            call = await questions.stored_call(message_id, source)
            add_details(fates, call, {name: runner.destination.conditions for name, runner in runners.items()})
        return reply(answer)

    async def events(self, request: web.Request) -> web.Response:
        """The newest events of a kind, with their states."""
        query, destinations = request.query, list(self._daemon.runners)
        if unknown := sorted(set(query) - {*KEYS, "before", "limit"}):
            return refusal(
                400, "invalid_request", f"unknown: {', '.join(unknown)}; known: {', '.join(KEYS)}, before, limit"
            )
        try:
            which = parse_filter(query, destinations, self._daemon.now_ms)
            limit = parse_limit(query.get("limit", ""))
        except ValueError as error:
            return refusal(400, "invalid_request", str(error))
        before = page_after(query.get("before", ""))
        return reply(await self._daemon.store.queries.events(which, destinations, before, limit))

    async def discards(self, request: web.Request) -> web.Response:
        """Calls that got a 200 and could not be used: why their events are nowhere."""
        query = request.query
        if unknown := sorted(set(query) - {"source", "since"}):
            return refusal(400, "invalid_request", f"unknown: {', '.join(unknown)}; known: source, since")
        try:
            since = parse_since(query.get("since", ""), self._daemon.now_ms)
        except ValueError as error:
            return refusal(400, "invalid_request", str(error))
        return reply(await self._daemon.store.input_reports.discards(query.get("source"), since))
