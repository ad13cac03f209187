"""What looks personal in the log, as counts."""

from __future__ import annotations

from aiohttp import web

from router.admin.daemon_port import DaemonPort
from router.admin.json_io import instant, page_after, refusal, reply

PARAMETERS = ("source", "since", "before")


class Privacy:
    """The handlers."""

    def __init__(self, daemon: DaemonPort) -> None:
        self._daemon = daemon

    async def scan(self, request: web.Request) -> web.Response:
        """Counts of what looks personal, a page of events at a time."""
        query = request.query
        if unknown := sorted(set(query) - set(PARAMETERS)):
            words = f"unknown: {', '.join(unknown)}; known: {', '.join(PARAMETERS)}"
            return refusal(400, "invalid_request", words)
        since = instant("since", query.get("since"), self._daemon.now_ms)
        before = page_after(query.get("before", ""))
        return reply(
            await self._daemon.store.input_reports.personal_data(query.get("source") or None, since or 0, before)
        )
