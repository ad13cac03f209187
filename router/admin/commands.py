"""What became of a command that was accepted and not done at once (202)."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from router.admin.daemon_port import DaemonPort
from router.admin.json_io import refusal, reply


class Commands:
    """The handlers."""

    def __init__(self, daemon: DaemonPort) -> None:
        self._daemon = daemon

    async def one(self, request: web.Request) -> web.Response:
        """One command, and how far it is. They are kept for a day."""
        id, stored = request.match_info["id"], self._daemon.store.commands
        row = await stored.find(int(id)) if stored is not None and id.isdecimal() and len(id) < 19 else None
        if row is None:
            return refusal(404, "unknown_command", f"there is no command {id!r}")
        told: dict[str, Any] = {"command": row.id, "destination": row.destination, "state": row.state, "answer": None}
        if row.state == "done":
            told["answer"] = msgspec.json.decode(row.answer)
        elif row.state == "refused":
            told["code"], told["error"] = msgspec.json.decode(row.answer)
        return reply(told)
