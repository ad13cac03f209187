"""What an operator may ask of a destination's lanes: release, drop. Runs between two steps of its worker's loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from router.deliver.lanes import Entry, Lane
from router.deliver.worker import Worker
from router.event import show_user_key
from router.store import HELD

DROP_SLICE = 200


class Refused(Exception):
    """The command cannot be carried out now: `code` says why to programs, the message to people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


async def release(worker: Worker, key: str, group: Mapping[str, Any] | None) -> int:
    """Let a user's held events go: if their gate is open by now, or on behalf of `group` ({"id", "name", ...}).

    Returns how many events were held. Raises Refused `requirements_missing`, `not_held`.
    """
    async with worker.turnstile.lane(key) as lane:
        held = _held(lane)
        if group is not None:
            traits = {name: value for name, value in group.items() if name != "id"}
            given = msgspec.json.encode({"id": str(group["id"]), "traits": traits}).decode()
            worker.book.give(lane, given)
        elif not await worker.turnstile.gate_is_open(lane):
            raise Refused("requirements_missing", f"still waiting for {_waited_for(lane)}")
        worker.settlement.ask_again(lane)
        return held


async def drop(worker: Worker, key: str) -> int:
    """Make a user's held events dead letters (`dropped`). Returns how many."""
    async with worker.turnstile.lane(key) as lane:
        dropped, after, held = 0, -1, _held(lane)
        while dropped < held:
            rows = (await worker.turnstile.parked([(key, HELD, after)], DROP_SLICE))[0]
            if not rows:
                break
            for row in rows:
                worker.settlement.bury(Entry(row, lane), "dropped", "dropped by hand")
                after = row.place
                dropped += 1
        lane.rewind(HELD, 0)
        if not lane.rows:
            worker.turnstile.free(lane)
        return dropped


def _held(lane: Lane) -> int:
    if not lane.held:
        raise Refused("not_held", f"nothing is held for {show_user_key(lane.key)}; see `held` for who waits")
    return lane.held


def _waited_for(lane: Lane) -> str:
    """What would open the gate of this lane."""
    if lane.group_id:
        trait = lane.reason.removeprefix("group_").removesuffix("_unknown")
        return f"the {trait} of group {lane.group_id}"
    return f"a group call for {show_user_key(lane.key)}"
