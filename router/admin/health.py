"""Health: /healthz and /readyz for supervisors and load balancers, /metrics for Prometheus."""

from __future__ import annotations

from aiohttp import web

from router.admin.answers import Answers
from router.admin.daemon_port import DaemonPort
from router.admin.json_io import reply
from router.admin.prometheus import CONTENT_TYPE, exposition


class Health:
    """The handlers."""

    def __init__(self, daemon: DaemonPort) -> None:
        self._daemon, self._answers = daemon, Answers(daemon)

    async def health(self, request: web.Request) -> web.Response:
        """The process serves."""
        return reply({"status": "ok", "problems": self._answers.problems()})

    async def ready(self, request: web.Request) -> web.Response:
        """Events can be stored. Destinations in trouble are named, and do not make it a 503."""
        told = self._answers.readiness()
        return reply(told, 200 if told["status"] == "ready" else 503)

    async def metrics(self, request: web.Request) -> web.Response:
        """What Prometheus scrapes."""
        runners, store = self._daemon.runners, self._daemon.store
        ledger = await store.queries.ledger(list(runners))
        states = {name: (runner.status.state, runner.status.reason) for name, runner in runners.items()}
        used = await store.sizes.used_bytes()
        body = exposition(ledger, states, self._daemon.metrics, store, used, self._daemon.last_backup_ms)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})
