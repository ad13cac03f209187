"""What became of a message, the newest ones, and the calls that never became one."""

from __future__ import annotations

from aiohttp import web

from router.admin.answers import Answers
from router.admin.daemon_port import DaemonPort
from router.admin.json_io import page_after, refusal, reply
from router.admin.lookups import Lookups
from router.event_search import KEYS, parse_limit, parse_since

MAX_WORD = 200


class Messages:
    """The handlers."""

    def __init__(self, daemon: DaemonPort) -> None:
        self._daemon, self._answers = daemon, Answers(daemon)

    async def message(self, request: web.Request) -> web.Response:
        """The fate of one message at each destination."""
        message_id = request.match_info["message_id"]
        answer = await self._answers.message(message_id, request.query.get("source"))
        if answer is None:
            words = f"no message {message_id!r} is known; `discards` tells of calls that could not be used"
            return refusal(404, "unknown_message", words)
        return reply(answer)

    async def events(self, request: web.Request) -> web.Response:
        """The newest events of a kind, with their states."""
        query = request.query
        if unknown := sorted(set(query) - {*KEYS, "before", "limit"}):
            return refusal(
                400, "invalid_request", f"unknown: {', '.join(unknown)}; known: {', '.join(KEYS)}, before, limit"
            )
        before = page_after(query.get("before", ""))
        try:
            return reply(await self._answers.events(query, before, parse_limit(query.get("limit", ""))))
        except ValueError as error:
            return refusal(400, "invalid_request", str(error))

    async def find(self, request: web.Request) -> web.Response:
        """What a word may be: an event, a person, a group, a name of events."""
        word = request.query.get("q", "").strip()
        if not word or len(word) > MAX_WORD:
            return refusal(400, "invalid_request", f"q: what to find, up to {MAX_WORD} characters")
        with_traits = self._daemon.config.console.search_traits
        return reply(await Lookups(self._daemon).find(word, with_traits=with_traits))

    async def discards(self, request: web.Request) -> web.Response:
        """Calls that got a 200 and could not be used: why their events are nowhere."""
        query = request.query
        if unknown := sorted(set(query) - {"source", "since"}):
            return refusal(400, "invalid_request", f"unknown: {', '.join(unknown)}; known: source, since")
        try:
            since = parse_since(query.get("since", ""), self._daemon.now_ms)
        except ValueError as error:
            return refusal(400, "invalid_request", str(error))
        reports, source = self._daemon.store.input_reports, query.get("source")
        found = await reports.discards(source, since)
        return reply({**found, "days": await reports.discards_by_day(source, since)})
