"""`POST /api/try`: what would become of events. Nothing is sent and nothing is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web

from router.admin.daemon_port import DaemonPort
from router.admin.json_io import json_body, reply
from router.plugin_host import Destination
from router.trial import MAX_EVENTS, NOTHING_KNOWN, SAMPLE_KNOWN, Intake, Known, TrialThread

KEYS = {"events", "source", "destination", "user_known", "group"}


class Trials:
    """The handler."""

    def __init__(self, daemon: DaemonPort) -> None:
        self._daemon = daemon
        self._thread = TrialThread()

    async def run(self, request: web.Request) -> web.Response:
        """Try `events`, a list of calls, at one destination or at all."""
        body = await json_body(request)
        if unknown := sorted(body.keys() - KEYS):
            raise web.HTTPBadRequest(text=f"unknown key {unknown[0]!r}; known are {', '.join(sorted(KEYS))}")
        source, destinations = self._source(body.get("source")), self._destinations(body.get("destination"))
        daemon = self._daemon
        suppressions = daemon.store.people.suppressions
        intake = Intake(source, daemon.privacy_of(source), daemon.plan_of(source), suppressions)
        events = _events(body.get("events"))
        found = await self._thread.run(events, intake, destinations, _known(body), daemon.now_ms)
        return reply({"source": source, "events": found})

    def _source(self, name: Any) -> str:
        names = [source["name"] for source in self._daemon.describe_sources()]
        if name is None and names:
            return str(names[0])
        if name not in names:
            raise web.HTTPNotFound(text=f"there is no source {str(name)[:80]!r}; configured are {', '.join(names)}")
        return str(name)

    def _destinations(self, name: Any) -> Sequence[Destination]:
        runners = self._daemon.runners
        if name is None:
            return [runner.destination for runner in runners.values()]
        if not isinstance(name, str) or name not in runners:
            words = f"there is no destination {str(name)[:80]!r}; running are {', '.join(runners)}"
            raise web.HTTPNotFound(text=words)
        return [runners[name].destination]


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
