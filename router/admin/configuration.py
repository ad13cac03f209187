"""The configuration in force: its sources, putting a changed config.toml in force, and the nodes that share the store."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from router.admin.answers import Answers
from router.admin.cluster import cluster
from router.admin.daemon_port import DaemonPort, ReloadedAt
from router.admin.json_io import json_body, refusal, reply
from router.errors import ConfigError, ConfirmationRequired, RestartRequired


class Configuration:
    """The handlers."""

    def __init__(self, daemon: DaemonPort) -> None:
        self._daemon, self._answers = daemon, Answers(daemon)

    async def sources(self, request: web.Request) -> web.Response:
        """Who may send."""
        return reply({"sources": self._daemon.describe_sources()})

    async def cluster(self, request: web.Request) -> web.Response:
        """The nodes that share the store, and who has what."""
        return reply(await cluster(self._daemon, self._answers))

    async def configuration(self, request: web.Request) -> web.Response:
        """The file in force with its secrets masked, the value of each key, and what a reload now would do."""
        values = await self._answers.key_values(request.query.get("key", ""))
        return reply({**await self._answers.configuration(), "values": values})

    async def reload(self, request: web.Request) -> web.Response:
        """Read config.toml again; all or nothing."""
        is_confirmed = (await json_body(request)).get("yes", False)
        if not isinstance(is_confirmed, bool):
            return refusal(400, "invalid_request", "yes: write true or false")
        if request.query.get("everywhere") == "true":
            return await self._reload_everywhere(is_confirmed)
        try:
            done = await self._daemon.reload(is_confirmed=is_confirmed, via="api")
        except ConfigError as error:
            return reply({"error": "config.toml is faulty", "code": "invalid_config", "errors": error.problems}, 409)
        except RestartRequired as error:
            return reply({"error": str(error), "code": "restart_required", "errors": error.problems}, 409)
        except ConfirmationRequired as error:
            return reply({"error": str(error), "code": "confirmation_required", "errors": error.problems}, 409)
        return reply({"reloaded": True, **done._asdict()})

    async def _reload_everywhere(self, is_confirmed: bool) -> web.Response:
        found = await self._daemon.reload_everywhere(is_confirmed=is_confirmed, via="api")
        nodes = [_at(one) for one in found]
        if failed := [one.node for one in found if one.done is None]:
            words = f"not reloaded: {', '.join(failed)}"
            return reply({"error": words, "code": "not_everywhere", "nodes": nodes}, 409)
        return reply({"reloaded": True, "nodes": nodes})


def _at(one: ReloadedAt) -> dict[str, Any]:
    """What a reload came to at one node."""
    node = {"node": one.node, "id": one.id}
    if one.done is not None:
        return {**node, "reloaded": True, **one.done._asdict()}
    return {**node, "reloaded": False, "code": one.code, "errors": list(one.problems), "command": one.command or None}
