"""The configuration in force: its sources, and putting a changed config.toml in force."""

from __future__ import annotations

from aiohttp import web

from router.admin.daemon_port import DaemonPort
from router.admin.json_io import reply
from router.errors import ConfigError, RestartRequired


class Configuration:
    """The handlers."""

    def __init__(self, daemon: DaemonPort) -> None:
        self._daemon = daemon

    async def sources(self, request: web.Request) -> web.Response:
        """Who may send."""
        return reply({"sources": self._daemon.describe_sources()})

    async def reload(self, request: web.Request) -> web.Response:
        """Read config.toml again; all or nothing."""
        try:
            done = await self._daemon.reload()
        except ConfigError as error:
            return reply({"error": "config.toml is faulty", "code": "invalid_config", "errors": error.problems}, 409)
        except RestartRequired as error:
            return reply({"error": str(error), "code": "restart_required", "errors": error.problems}, 409)
        return reply({"reloaded": True, **done._asdict()})
