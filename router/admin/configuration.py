"""The configuration in force: its sources, and putting a changed config.toml in force."""

from __future__ import annotations

from aiohttp import web

from router.admin.answers import Answers
from router.admin.daemon_port import DaemonPort
from router.admin.json_io import json_body, refusal, reply
from router.errors import ConfigError, ConfirmationRequired, RestartRequired


class Configuration:
    """The handlers."""

    def __init__(self, daemon: DaemonPort) -> None:
        self._daemon, self._answers = daemon, Answers(daemon)

    async def sources(self, request: web.Request) -> web.Response:
        """Who may send."""
        return reply({"sources": self._daemon.describe_sources()})

    async def configuration(self, request: web.Request) -> web.Response:
        """The file in force with its secrets masked, the value of each key, and what a reload now would do."""
        values = await self._answers.key_values(request.query.get("key", ""))
        return reply({**await self._answers.configuration(), "values": values})

    async def reload(self, request: web.Request) -> web.Response:
        """Read config.toml again; all or nothing."""
        is_confirmed = (await json_body(request)).get("yes", False)
        if not isinstance(is_confirmed, bool):
            return refusal(400, "invalid_request", "yes: write true or false")
        try:
            done = await self._daemon.reload(is_confirmed=is_confirmed, via="api")
        except ConfigError as error:
            return reply({"error": "config.toml is faulty", "code": "invalid_config", "errors": error.problems}, 409)
        except RestartRequired as error:
            return reply({"error": str(error), "code": "restart_required", "errors": error.problems}, 409)
        except ConfirmationRequired as error:
            return reply({"error": str(error), "code": "confirmation_required", "errors": error.problems}, 409)
        return reply({"reloaded": True, **done._asdict()})
