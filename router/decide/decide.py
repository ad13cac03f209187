"""One decision: (event, destination, directory as of the event, its lane) -> outcome with its reason. Pure.

Order: destination enabled; source connected; the tracking plan of its source; the event's `integrations` object; call type supported; a user id where the
plugin needs one; requirements (the gate); behind a blocked lane.
"""

from __future__ import annotations

from typing import Any

import msgspec

from router.decide.gate import Closed, ask
from router.decide.group_readiness import GroupReadiness
from router.event import is_blocked
from router.plugin import Event, Group, UserId
from router.plugin_host import Destination
from router.store import DirectorySnapshot


class Deliver(msgspec.Struct, frozen=True):
    """Map it and send it."""


class Settled(msgspec.Struct, frozen=True):
    """Nothing is sent: `state` is filtered or skipped."""

    state: str
    reason: str


class Held(msgspec.Struct, frozen=True):
    """It waits on disk for what the gate asks."""

    closed: Closed


class Blocked(msgspec.Struct, frozen=True):
    """It may go out, but stands behind a blocked lane."""


class Undecided(msgspec.Struct, frozen=True):
    """The gate must be asked, and the directory was not looked up yet."""


DELIVER, BLOCKED, UNDECIDED = Deliver(), Blocked(), Undecided()
DISABLED, OTHER_SOURCE = Settled("filtered", "disabled"), Settled("filtered", "source")
BLOCKED_BY_PLAN = Settled("filtered", "plan")
OPTED_OUT, UNSUPPORTED, NO_USER_ID = (
    Settled("filtered", "integrations"),
    Settled("skipped", "unsupported"),
    Settled("skipped", "no_user_id"),
)
Decision = Deliver | Settled | Held | Blocked | Undecided


class Standing(msgspec.Struct, frozen=True):
    """How an event stands in its lane."""

    user_key: str
    pos: int  #: the position by which the directory is asked
    is_released: bool = False  #: an operator released it with a group: its gate is not asked
    behind: Closed | None = None  #: it stands behind a held event, whose gate answered this
    must_park: bool = False  #: it has no row, and its lane is blocked


class GateView(msgspec.Struct, frozen=True):
    """What the gate may look at."""

    known: DirectorySnapshot
    readiness: GroupReadiness


def decide(
    event: Event, destination: Destination, standing: Standing | None = None, gate: GateView | None = None
) -> Decision:
    """What becomes of an event. Without `standing` nothing of its user waits; without `gate` the answer may be UNDECIDED."""
    return decide_source(event.source, destination) or decide_opened(event, destination, standing, gate)


def decide_opened(
    event: Event, destination: Destination, standing: Standing | None = None, gate: GateView | None = None
) -> Decision:
    """The same of an event whose source is connected to an enabled destination."""
    settled = _decide_alone(event, destination)
    if settled is not None:
        return settled
    requirements = gated_by(event.type, destination) if event.type in destination.requires else None
    if requirements and not (standing is not None and standing.is_released):
        if standing is not None and standing.behind is not None:
            return Held(standing.behind)
        if standing is None or gate is None:
            return UNDECIDED
        told_as = destination.mapping.told_as if destination.mapping else {}
        answer = ask(requirements, event, standing.user_key, standing.pos, gate.known, gate.readiness, told_as)
        if isinstance(answer, Closed):
            return Held(answer)
    return BLOCKED if standing is not None and standing.must_park else DELIVER


def decide_source(source: str, destination: Destination) -> Settled | None:
    """What can be said from its source alone."""
    if not destination.config.enabled:
        return DISABLED
    sources = destination.config.sources
    return None if "*" in sources or source in sources else OTHER_SOURCE


def decide_unopened(source: str, body: bytes, destination: Destination) -> Settled | None:
    """What can be said without opening the event."""
    return decide_source(source, destination) or (BLOCKED_BY_PLAN if is_blocked(body) else None)


def _decide_alone(event: Event, destination: Destination) -> Settled | None:
    """What can be said without asking the directory."""
    integrations = event.payload.get("integrations")
    if integrations and not wanted(integrations, destination.names):
        return OPTED_OUT
    if event.type not in destination.hooks:
        return UNSUPPORTED
    if event.user_id is None:
        for requirement in destination.requires.get(event.type, ()):
            if isinstance(requirement, UserId):
                return NO_USER_ID
    return None


def gated_by(type: str, destination: Destination) -> list[Group]:
    """The group requirements of a call type."""
    requires = destination.requires.get(type)
    return [r for r in requires if isinstance(r, Group)] if requires else []


def wanted(integrations: Any, names: frozenset[str]) -> bool:
    """Whether an `integrations` object lets an event through to a destination with these lower-case names.

    A name's own entry beats `All`; absent means true; an object counts as true. Of several own entries false beats all others.
    """
    if not isinstance(integrations, dict):
        return True
    verdict, is_named = True, False
    for name, value in integrations.items():
        lowered = name.lower()
        if lowered in names:
            if value is False:
                return False
            is_named = True
        elif lowered == "all":
            verdict = value is not False
    return is_named or verdict
