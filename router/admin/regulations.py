"""Forgetting people and groups in the admin API, with the bodies and the status words of Segment's Public API. No answer names a person,
but for the anonymousIds that whoever asks about a userId is shown, and the name of a group."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from router.admin.actions import Actions
from router.admin.daemon_port import DaemonPort
from router.admin.demands import demand_of
from router.admin.json_io import json_body, refusal, reply
from router.clock import to_iso
from router.ingest.limits import MAX_REGULATION_BYTES
from router.store import Regulation, Step

NEWEST = 100


class Regulations:
    """The handlers."""

    def __init__(self, daemon: DaemonPort, actions: Actions) -> None:
        self._daemon, self._actions = daemon, actions

    async def create(self, request: web.Request) -> web.Response:
        """Take a regulation. The answer comes when nothing of these people or groups is sent any more."""
        body = await json_body(request, MAX_REGULATION_BYTES)
        preview = body.get("preview", False)
        if not isinstance(preview, bool):
            raise web.HTTPBadRequest(text="`preview` must be true or false")
        if preview:
            demand = demand_of(body, tuple(self._daemon.runners))
            if demand.subject_type == "GROUP_ID":
                return reply({"data": {"names": {key[2:]: await self._name_of(key[2:]) for key in demand.subjects}}})
            joined = await self._daemon.store.people.joined(demand.subjects)
            return reply({"data": {"joined": {key[2:]: [one[2:] for one in ids] for key, ids in joined.items()}}})
        regulation = await self._actions.forget(body)
        return reply({"data": {"regulateId": regulation.id}})

    async def _name_of(self, group_id: str) -> str | None:
        found = await self._daemon.store.lookups.group(group_id, [])
        name = found["traits"].get("name") if found else None
        return name if isinstance(name, str) else None

    async def one(self, request: web.Request) -> web.Response:
        """One regulation, and how far it is."""
        regulation_id = request.match_info["id"]
        regulation = await self._daemon.store.people.find(regulation_id)
        if regulation is None:
            return refusal(404, "unknown_regulation", f"there is no regulation {regulation_id!r}")
        return reply({"data": {"regulation": described(regulation)}})

    async def newest(self, request: web.Request) -> web.Response:
        """The newest regulations."""
        found = await self._daemon.store.people.newest(NEWEST)
        return reply({"data": {"regulations": [described(one) for one in found]}})

    async def suppressions(self, request: web.Request) -> web.Response:
        """How many people are suppressed."""
        return reply({"suppressed": len(self._daemon.store.people.suppressions)})

    async def copies(self, request: web.Request) -> web.Response:
        """Copies of the store from before an upgrade or a restore; who was forgotten since is still in them."""
        return reply({"copies": await self._daemon.store.people.copies()})

    async def drop_copies(self, request: web.Request) -> web.Response:
        """Delete them."""
        return reply({"removed": await self._daemon.store.people.copies(remove=True)})


def described(regulation: Regulation) -> dict[str, Any]:
    """A regulation as Segment shows one, and beside that what it has erased here."""
    tools = [
        {
            "id": name,
            "name": name,
            "status": tool.status or "INITIALIZED",
            "errString": tool.words,
            "finishedAt": to_iso(tool.finished_at) if tool.finished_at else None,
        }
        for name, tool in regulation.tools.items()
    ]
    return {
        "id": regulation.id,
        "workspaceId": "",
        "overallStatus": _status_of(regulation),
        "createdAt": to_iso(regulation.created_at),
        "finishedAt": to_iso(regulation.finished_at) if regulation.finished_at else None,
        "streamStatus": [{"id": "segment-router", "destinationStatus": tools}] if tools else [],
        "regulationType": regulation.kind,
        "subjectType": regulation.subject_type,
        "subjects": regulation.subjects,
        "erased": regulation.counts,
        "note": regulation.note,
    }


def _status_of(regulation: Regulation) -> str:
    if regulation.step == Step.ROWS:
        return "INITIALIZED"
    if regulation.is_under_way:
        return "RUNNING"
    return "FINISHED" if all(tool.status == "FINISHED" for tool in regulation.tools.values()) else "PARTIAL_SUCCESS"
