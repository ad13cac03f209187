"""What is said of an event at a destination, from what the store has of it. Pure: each store reads its own rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from router.clock import to_iso
from router.store.rows import Tried
from router.vocabulary import DestinationState, EventState

RELEASED = "released"
"""The reason of an event whose gate has opened, or is being asked again, and that has not gone out yet."""
IN_FLIGHT = "in_flight"
"""The reason of an event that waits for its turn or for the vendor's answer."""
LAST_MS = 253_402_300_799_999
"""The last instant that can be written down, of the year 9999: a plugin may set a timer for it, which is rounded up."""

TOLD_ATTEMPTS = 100
"""Attempts that are told of an event at a destination: the newest."""
TOLD_REQUEST_BYTES = 1_000_000
"""Requests of dry runs that are told with them, the newest first, beside the newest one."""

Fate = dict[str, Any]
"""Its state, its reason, since when."""
AttemptValues = tuple[int, int, int | None, str, str, str]
"""(when, duration in ms, status, error, reason, request)"""


def parked_fate(
    destination_state: str | None, state: str, reason: str, at: int, lane_reason: str | None, need: str | None
) -> dict[str, Any]:
    """What a lane waits for now is said by the lane. A held event of a lane that waits for nothing is on its way out."""
    if reason == IN_FLIGHT:
        return queued_fate(destination_state, at)
    if state == EventState.HELD and need == "":
        return {"state": str(EventState.QUEUED), "reason": RELEASED, "at": to_iso(at)}
    if state == EventState.HELD and lane_reason and lane_reason.startswith("group_"):
        reason = lane_reason
    return {"state": state, "reason": reason, "at": to_iso(at)}


def queued_fate(destination_state: str | None, at: int | None = None) -> dict[str, Any]:
    """The fate of an event that is next, or on its way. Nothing is on its way while its destination sends nothing."""
    stands_still = destination_state and destination_state != DestinationState.RUNNING
    reason = destination_state if stands_still else IN_FLIGHT
    return {"state": str(EventState.QUEUED), "reason": reason, "at": to_iso(at) if at is not None else None}


def with_second(own: Fate | None, second: Fate | None, *, is_older: bool) -> Fate | None:
    """The fate of an event and that of its second sending, where it has one that waits or is dead, as one. `is_older`: it was accepted before
    the destination began, so what a replay made of it is all there is. Any other event keeps its own, and has the other as `replay`."""
    if second is None:
        return own
    return second if own is None or is_older else {**own, "replay": second}


def letter_fate(reason: str, detail: str, at: int) -> Fate:
    """The fate of an event with a dead letter."""
    return {"state": str(EventState.DEAD), "reason": reason, "detail": detail, "at": to_iso(at)}


def states_told(fate: Mapping[str, Any]) -> Fate:
    """What a list of events tells of a fate."""
    told = {"state": fate["state"], "reason": fate["reason"]}
    return {**told, "replay": states_told(fate["replay"])} if "replay" in fate else told


def is_in(fate: Mapping[str, Any], state: str | None, reason: str | None) -> bool:
    """Whether an event, or its second sending, has this state and this reason; None: whatever it is."""
    return any(
        state in (None, one["state"]) and reason in (None, one["reason"])
        for one in (fate, fate.get("replay"))
        if one is not None
    )


def attempts_told(rows: Iterable[AttemptValues], tried: Tried | None) -> list[dict[str, Any]]:
    """Attempts, oldest first: those with a row, which are given newest first, and the one that is packed beside the outcome."""
    attempts, room = [], TOLD_REQUEST_BYTES
    for at, duration_ms, status, error, reason, request in rows:
        attempt = {"at": to_iso(at), "duration_ms": duration_ms, "status": status, "error": error, "reason": reason}
        if request and room > 0:
            attempt["request"] = msgspec.json.decode(request)
            room -= len(request)
        attempts.append(attempt)
    attempts.reverse()
    if tried is not None:
        at, duration_ms, status = tried
        good = {"at": to_iso(at), "duration_ms": duration_ms, "status": status, "error": "", "reason": ""}
        attempts = sorted([*attempts, good], key=lambda one: str(one["at"]))
    return attempts


def state_told(state: str, reason: str, since: int, until: int, detail: str) -> dict[str, Any]:
    """Whether a destination runs, as the ledger says it."""
    return {
        "state": state,
        "state_reason": reason,
        "state_detail": detail,
        "state_since": to_iso(since),
        "state_until": to_iso(until) if until else None,
    }


def timers_told(n: int, due_at: int | None) -> dict[str, Any]:
    """How many timers are set, and when the next is due."""
    return {"timers": n, "next_timer_at": to_iso(min(due_at, LAST_MS)) if due_at else None}
