"""Health: /healthz and /readyz for supervisors and load balancers, /metrics for Prometheus."""

from __future__ import annotations

from contextlib import suppress

from aiohttp import web

from router.admin import standing
from router.admin.answers import Answers
from router.admin.auth import is_stranger
from router.admin.daemon_port import DaemonPort
from router.admin.json_io import reply
from router.admin.lookups import Lookups
from router.admin.prometheus import CONTENT_TYPE, Stored, exposition
from router.admin.troubles import troubles_now
from router.errors import StoreAway
from router.explain.troubles import Trouble


class Health:
    """The handlers."""

    def __init__(self, daemon: DaemonPort) -> None:
        self._daemon, self._answers, self._lookups = daemon, Answers(daemon), Lookups(daemon)

    async def health(self, request: web.Request) -> web.Response:
        """The process serves. Always 200: to start it again would end no trouble that it can still tell."""
        told = standing.health(self._daemon)
        return reply(standing.for_strangers(told) if is_stranger(request) else told)

    async def ready(self, request: web.Request) -> web.Response:
        """Events can be stored. Destinations in trouble are named, and do not make it a 503."""
        told = standing.readiness(self._daemon)
        body = standing.for_strangers(told) if is_stranger(request) else told
        return reply(body, 200 if told["status"] == "ready" else 503)

    async def troubles(self, request: web.Request) -> web.Response:
        """All that is wrong now, those of the store and of sources included, with the vendor's words."""
        found = await troubles_now(self._daemon, self._answers, self._lookups)
        return reply({"troubles": standing.shown(found)})

    async def metrics(self, request: web.Request) -> web.Response:
        """What Prometheus scrapes. Where the store is away, what is in memory, so that somebody learns of it."""
        daemon, stored, found = self._daemon, None, standing.open_troubles(self._daemon)
        if not any(one.code == "store_away" for one in found):  # to ask would take as long as the database hangs
            with suppress(StoreAway):
                stored, found = await self._stored()
        return web.Response(body=exposition(daemon, found, stored), headers={"Content-Type": CONTENT_TYPE})

    async def _stored(self) -> tuple[Stored, list[Trouble]]:
        """What only the store knows, and all troubles. Raises StoreError where it cannot be read."""
        daemon = self._daemon
        ledger = await daemon.store.queries.ledger(list(daemon.runners))
        found = await troubles_now(daemon, self._answers, self._lookups)
        sizes = daemon.store.sizes
        return Stored(ledger, await sizes.used_bytes(), await sizes.upkeep()), found
