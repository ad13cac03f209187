"""Health: /healthz and /readyz for supervisors and load balancers, /metrics for Prometheus."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from router.admin.daemon_port import DaemonPort
from router.admin.json_io import reply
from router.admin.pauses import pause_of
from router.admin.prometheus import CONTENT_TYPE, exposition


class Health:
    """The handlers."""

    def __init__(self, daemon: DaemonPort) -> None:
        self._daemon = daemon

    async def health(self, request: web.Request) -> web.Response:
        """The process serves."""
        return reply({"status": "ok", "problems": self._problems()})

    async def ready(self, request: web.Request) -> web.Response:
        """Events can be stored. Destinations in trouble are named, and do not make it a 503."""
        health = self._daemon.store.health
        found = {name: pause_of(name, runner.status) for name, runner in self._daemon.runners.items()}
        pauses = {name: pause for name, pause in found.items() if pause is not None}
        told = {
            "problems": self._problems(),
            "destinations": {name: pause["reason"] or pause["state"] for name, pause in pauses.items()},
            "pauses": {name: _without_words(pause) for name, pause in pauses.items()},
            "isolated": dict(self._daemon.isolated),
        }
        if self._daemon.is_stopping or health.broken or not health.may_append():
            return reply({"status": "not ready", **told}, 503)
        return reply({"status": "ready", **told})

    async def metrics(self, request: web.Request) -> web.Response:
        """What Prometheus scrapes."""
        runners, store = self._daemon.runners, self._daemon.store
        ledger = await store.queries.ledger(list(runners))
        states = {name: (runner.status.state, runner.status.reason) for name, runner in runners.items()}
        used = await store.sizes.used_bytes()
        body = exposition(ledger, states, self._daemon.metrics, store, used, self._daemon.last_backup_ms)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    def _problems(self) -> list[str]:
        problems = ["the daemon is stopping"] if self._daemon.is_stopping else []
        problems += [problem.words for problem in self._daemon.store.health.problems()]
        return problems + [words for words in (self._daemon.disk_problem, self._daemon.backup_problem) if words]


def _without_words(pause: dict[str, Any]) -> dict[str, Any]:
    """A pause without the vendor's words: /readyz asks for no token."""
    return {key: value for key, value in pause.items() if key != "detail"}
