"""What looks personal in the log, as counts."""

from __future__ import annotations

from aiohttp import web

from router.admin.daemon_port import DaemonPort
from router.admin.json_io import page_after, refusal, reply
from router.config.units import parse_instant

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
        try:
            since = query.get("since", "")
            since_ms = max(0, min(parse_instant(since, self._daemon.now_ms), 1 << 62)) if since else 0
        except (ValueError, OverflowError) as error:
            return refusal(400, "invalid_request", f"since: {error}")
        before = page_after(query.get("before", ""))
        return reply(
            await self._daemon.store.input_reports.personal_data(query.get("source") or None, since_ms, before)
        )
