"""Events whose person or group was forgotten: they are dead (`forgotten`) without a letter, and nothing of them is sent."""

from __future__ import annotations

from router.decide.gate import call_key, group_key
from router.deliver.context import DeliveryState
from router.deliver.lanes.delivery import Delivery
from router.deliver.settle.releases import Releases
from router.store import LogRow, facts_of
from router.vocabulary import FORGOTTEN, EventState


def settle_blank(state: DeliveryState, releases: Releases, row: LogRow) -> None:
    """Settle an event of which the log has nothing but its time and type. A group call told this destination nothing, so what waits for
    its group goes on waiting for another one."""
    state.readiness.read(row.pos, row.type)
    state.work.read(Delivery(row))
    state.work.settle_live([row.pos], (EventState.DEAD, FORGOTTEN))
    facts = facts_of(row.body)
    if facts is None:
        state.readiness.forget(row.pos)
        if row.type == "group":  # its group was forgotten, too
            releases.release([call_key(row.pos)])
        return
    failed = state.readiness.fail(row.pos, "", facts.groupId, facts.traits, is_dead=True)
    state.work.group_calls({row.pos: failed})
    releases.release([call_key(row.pos), group_key(facts.groupId)])
