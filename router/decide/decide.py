"""One decision: (event, destination, directory as of the event) -> outcome with its reason. Pure.

Order: destination enabled; source connected; the event's `integrations` object; call type supported; a user id where the
plugin needs one; requirements (the gate). Standing behind a blocked lane comes after all of these and is the lane's affair.
"""

from __future__ import annotations

from typing import Any

import msgspec

from router.decide.gate import Closed, Supplies, ask
from router.destinations import Destination
from router.plugin import Event, Group, UserId
from router.store import Known


class Deliver(msgspec.Struct, frozen=True):
    """Map it and send it."""


class Settled(msgspec.Struct, frozen=True):
    """Nothing is sent: `state` is filtered or skipped."""

    state: str
    reason: str


class Held(msgspec.Struct, frozen=True):
    """It waits on disk for what the gate asks."""

    closed: Closed


DELIVER = Deliver()
Decision = Deliver | Settled | Held


def decide_unopened(source: str, destination: Destination) -> Settled | None:
    """What can be said without opening the event's body."""
    if not destination.config.enabled:
        return Settled("filtered", "disabled")
    sources = destination.config.sources
    if "*" not in sources and source not in sources:
        return Settled("filtered", "source")
    return None


def decide_unlooked(event: Event, destination: Destination) -> Settled | None:
    """What can be said without asking the directory."""
    if not wanted(event.payload.get("integrations"), destination.names):
        return Settled("filtered", "integrations")
    if event.type not in destination.hooks:
        return Settled("skipped", "unsupported")
    for requirement in destination.requires.get(event.type, ()):
        if isinstance(requirement, UserId) and event.user_id is None:
            return Settled("skipped", "no_user_id")
    return None


def decide_gate(
    event: Event, lane_key: str, pos: int, destination: Destination, known: Known, supplies: Supplies
) -> Deliver | Held:
    """The last question: is what the plugin must know first known here?"""
    requirements = gated_by(event.type, destination)
    if not requirements:
        return DELIVER
    told_as = destination.mapping.told_as if destination.mapping else {}
    answer = ask(requirements, event, lane_key, pos, known, supplies, told_as)
    return Held(answer) if isinstance(answer, Closed) else DELIVER


def gated_by(type: str, destination: Destination) -> list[Group]:
    """The group requirements of a call type."""
    return [r for r in destination.requires.get(type, ()) if isinstance(r, Group)]


def wanted(integrations: Any, names: frozenset[str]) -> bool:
    """Whether an `integrations` object lets an event through to a destination with these lower-case names.

    A name's own entry beats `All`; absent means true; an object counts as true.
    """
    if not isinstance(integrations, dict):
        return True
    verdict = True
    for name, value in integrations.items():
        lowered = name.lower()
        if lowered in names:
            return value is not False
        if lowered == "all":
            verdict = value is not False
    return verdict
