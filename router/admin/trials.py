"""`POST /api/try`: what would become of events. Nothing is sent and nothing is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from router.admin.daemon_port import DaemonPort
from router.admin.json_io import json_body, refusal, reply
from router.admin.trying import Ask, Trying
from router.errors import ConfigError
from router.trial import ANSWERS, MAX_EVENTS, NOTHING_KNOWN, SAMPLE_KNOWN, Known

KEYS = {"events", "source", "destination", "plugin", "user_known", "group", "answer", "settings"}


class Trials:
    """The handler."""

    def __init__(self, daemon: DaemonPort) -> None:
        self._trying = Trying(daemon)

    async def run(self, request: web.Request) -> web.Response:
        """Try `events`, a list of calls, at one destination or at all."""
        body = await json_body(request)
        if unknown := sorted(body.keys() - KEYS):
            raise web.HTTPBadRequest(text=f"unknown key {unknown[0]!r}; known are {', '.join(sorted(KEYS))}")
        source, destination, plugin = body.get("source"), body.get("destination"), body.get("plugin")
        answer, settings = body.get("answer", ""), body.get("settings")
        if not isinstance(answer, str) or (answer and answer not in ANSWERS):
            raise web.HTTPBadRequest(text=f"`answer` must be one of {', '.join(ANSWERS)}")
        if settings is not None and not isinstance(settings, dict):
            raise web.HTTPBadRequest(text="`settings` must be an object")
        ask = Ask(
            _events(body.get("events")),
            None if source is None else str(source),
            None if destination is None else str(destination),
            _known(body),
            answer,
            settings,
            None if plugin is None else str(plugin),
        )
        try:
            return reply(await self._trying.run(ask, await self._trying.destinations(ask)))
        except ConfigError as error:
            return refusal(400, "invalid_settings", "; ".join(error.problems))


def _events(events: Any) -> list[bytes]:
    if not isinstance(events, list) or not 0 < len(events) <= MAX_EVENTS:
        raise web.HTTPBadRequest(text=f"`events` must be a list of 1 to {MAX_EVENTS} calls")
    return [msgspec.json.encode(event) for event in events]


def _known(body: Mapping[str, Any]) -> Known:
    """What the caller says is known of the user and the group."""
    group, is_known = body.get("group"), body.get("user_known", False)
    if not isinstance(is_known, bool):
        raise web.HTTPBadRequest(text="`user_known` must be true or false")
    known = SAMPLE_KNOWN if is_known else NOTHING_KNOWN
    if group is None:
        return known
    if not isinstance(group, dict) or not isinstance(group.get("id"), str) or not group["id"]:
        raise web.HTTPBadRequest(
            text='`group` must be an object with an `id`, such as {"id": "acme", "name": "Acme Inc"}'
        )
    return msgspec.structs.replace(
        known, group_id=group["id"], group_traits={key: value for key, value in group.items() if key != "id"}
    )
