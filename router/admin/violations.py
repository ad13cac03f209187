"""What violates the tracking plans of the sources."""

from __future__ import annotations

from aiohttp import web

from router.admin.daemon_port import DaemonPort
from router.admin.json_io import instant, refusal, reply

KEYS = ("source", "event", "since")


class Violations:
    """The handler."""

    def __init__(self, daemon: DaemonPort) -> None:
        self._daemon = daemon

    async def violations(self, request: web.Request) -> web.Response:
        """The kinds of violations, the most frequent first."""
        query = request.query
        if unknown := sorted(set(query) - set(KEYS)):
            return refusal(400, "invalid_request", f"unknown: {', '.join(unknown)}; known: {', '.join(KEYS)}")
        since = instant("since", query.get("since"), self._daemon.now_ms)
        found = self._daemon.store.input_reports.violations(query.get("source"), query.get("event"), since or 0)
        return reply(await found)
