"""Forgetting people in the admin API, with the bodies and the status words of Segment's Public API. No answer names a person, but for
the anonymousIds that whoever asks about a userId is shown."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

from aiohttp import web

from router.admin.daemon_port import DaemonPort
from router.admin.json_io import json_body, refusal, reply
from router.clock import to_iso
from router.errors import CommandRefused
from router.event import coerce_id
from router.ingest.limits import MAX_PEOPLE, MAX_REGULATION_BYTES
from router.store import Demand, Regulation, Step

KEYS = {"regulationType", "subjectType", "subjectIds", "anonymousIds", "preview"}
NEWEST = 100
PREFIX = {"USER_ID": "u:", "ANONYMOUS_ID": "a:"}


class Kind(NamedTuple):
    """What a regulationType means here."""

    deletes: bool = False
    suppresses: bool = False
    unsuppresses: bool = False
    asks_tools: bool = False  #: the destinations are asked to delete, too


KINDS = {
    "SUPPRESS_ONLY": Kind(suppresses=True),
    "UNSUPPRESS": Kind(unsuppresses=True),
    "DELETE_ONLY": Kind(deletes=True, asks_tools=True),
    "SUPPRESS_WITH_DELETE": Kind(deletes=True, suppresses=True, asks_tools=True),
    "DELETE_INTERNAL": Kind(deletes=True),
    "DELETE_ARCHIVE_ONLY": Kind(deletes=True),
    "SUPPRESS_WITH_DELETE_INTERNAL": Kind(deletes=True, suppresses=True),
}


class Regulations:
    """The handlers."""

    def __init__(self, daemon: DaemonPort) -> None:
        self._daemon = daemon

    async def create(self, request: web.Request) -> web.Response:
        """Take a regulation. The answer comes when nothing of these people is sent any more."""
        body = await json_body(request, MAX_REGULATION_BYTES)
        demand = _demand_of(body, tuple(self._daemon.runners))
        preview = body.get("preview", False)
        if not isinstance(preview, bool):
            raise web.HTTPBadRequest(text="`preview` must be true or false")
        if preview:
            joined = await self._daemon.store.people.joined(demand.subjects)
            return reply({"data": {"joined": {key[2:]: [one[2:] for one in ids] for key, ids in joined.items()}}})
        regulation = await self._daemon.regulate(demand)
        return reply({"data": {"regulateId": regulation.id}})

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
        """Copies of the store that were made before an upgrade; people who were forgotten since are still in them."""
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


def _demand_of(body: Mapping[str, Any], destinations: tuple[str, ...]) -> Demand:
    """What a body asks for. `destinations`: all there are. Raises CommandRefused for what is wrong with it."""
    if unknown := sorted(set(body) - KEYS):
        raise _invalid(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(KEYS))}")
    kind, subject_type = body.get("regulationType"), body.get("subjectType")
    if not isinstance(kind, str) or kind not in KINDS:
        raise _invalid(f"`regulationType` must be one of {', '.join(KINDS)}")
    if not isinstance(subject_type, str) or subject_type not in PREFIX:
        raise _invalid(f"`subjectType` must be one of {', '.join(PREFIX)}; objects are not kept here")
    prefix = PREFIX[subject_type]
    subjects = [prefix + one for one in _ids(body, "subjectIds")]
    if not 0 < len(subjects) <= MAX_PEOPLE:
        raise _invalid(f"`subjectIds` must have 1 to {MAX_PEOPLE} ids")
    also = ["a:" + one for one in _ids(body, "anonymousIds")]
    if also and (len(subjects) > 1 or prefix != "u:"):
        raise _invalid("`anonymousIds` belong to one person: give one USER_ID with them")
    meant = KINDS[kind]
    return Demand(
        f"reg_{secrets.token_hex(8)}",
        kind,
        subject_type,
        tuple(dict.fromkeys(subjects)),
        tuple(also),
        deletes=meant.deletes,
        suppresses=meant.suppresses,
        unsuppresses=meant.unsuppresses,
        tools=destinations if meant.asks_tools else (),
    )


def _ids(body: Mapping[str, Any], key: str) -> list[str]:
    given = body.get(key, [])
    ids = [coerce_id(one) for one in given] if isinstance(given, list) else [None]
    if None in ids:
        raise _invalid(f"`{key}` must be a list of ids: texts or numbers, none of them empty")
    return [one for one in ids if one is not None]


def _invalid(words: str) -> CommandRefused:
    return CommandRefused("invalid_request", words)
