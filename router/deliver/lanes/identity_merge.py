"""What is held for an anonymousId joins the lane of the user to whom it belongs.

A browser may belong to several users, one after the other. What is held for it belongs to the user it was linked to as of
each event, else to the first one it is linked to afterwards. All that its lane holds belongs to one user at any time: it
joins that user's lane at the turn of a call that links them, or before the first event of the next user is held there.
"""

from __future__ import annotations

from collections.abc import Iterable

from router.decide.decide import gated_by
from router.deliver.context import DeliveryContext, DeliveryState
from router.deliver.lanes.delivery import Delivery
from router.deliver.lanes.lane import Lane
from router.deliver.settle.event_outcomes import EventOutcomes
from router.deliver.settle.releases import Releases
from router.directory import owner
from router.plugin import Event
from router.store import ORDER_KEY_STEP, DirectorySnapshot


class IdentityMerge:
    """Asked before each turn, with what the directory said for the batch."""

    def __init__(
        self, context: DeliveryContext, state: DeliveryState, outcomes: EventOutcomes, releases: Releases
    ) -> None:
        self._destination = context.destination
        self._work, self._lanes, self._run_queue = state.work, state.lanes, state.run_queue
        self._outcomes, self._releases = outcomes, releases
        #: The user may be another shard's. It has no gate, so what was held before it was split goes out from where it is.
        self._is_split = state.work.share.shards > 1

    def lanes_beside(self, deliveries: Iterable[Delivery], known: DirectorySnapshot) -> list[Lane]:
        """The lanes that must be loaded beside those of these events: of the anonymousIds that they link, and of the users
        to whom belongs what their own lanes hold."""
        if self._is_split:
            return []
        deliveries = list(deliveries)
        lanes = {delivery.lane for delivery in deliveries if delivery.lane is not None}
        keys = {key for lane in lanes if (key := _owner_of_held(lane, known))}
        if self._work.held > 0:
            keys |= {key for d in deliveries if d.event is not None and (key := linked_key(d.event))}
        return [self._lanes.take(key) for key in sorted(keys)]

    def must_wait(self, delivery: Delivery, known: DirectorySnapshot) -> bool:
        """At a linking call's turn, what is held for the anonymousId joins the user's lane, if it belongs to that user.

        True: the call was put back. What is in flight for the anonymousId ends first, and what came before this call has
        its turn.
        """
        event, lane = delivery.event, delivery.lane
        if (
            self._is_split
            or event is None
            or lane is None
            or event.user_id is None
            or not (source := linked_key(event))
        ):
            return False
        anonymous = self._lanes.get(source)
        if anonymous is None or anonymous is lane:
            return False
        if lane in anonymous.linking:
            anonymous.remove_linking(lane)
            self._run_queue.add(anonymous)
        is_undecided = bool(anonymous.waiting) and anonymous.waiting[0].pos < delivery.pos
        if not is_undecided and _owner_of_held(anonymous, known) != lane.key:
            return False
        if anonymous.current is not None or anonymous.deferred or is_undecided:
            anonymous.add_linking(lane)
            self._outcomes.put_back(delivery, wants_turn=False)
            self._run_queue.add(anonymous)
            return True
        self._join(anonymous, lane)
        return False

    def belongs_to_another(self, delivery: Delivery, known: DirectorySnapshot) -> bool:
        """Whether what is held in its lane belongs to another user: it must not wait behind that, nor go along with it."""
        event, lane = delivery.event, delivery.lane
        if event is None or lane is None or delivery.origin or delivery.is_held:
            return False
        if not gated_by(event.type, self._destination):
            return False
        held_by = _owner_of_held(lane, known)
        return held_by is not None and held_by != owner(known, lane.key, delivery.as_of)

    def hand_over(self, delivery: Delivery, known: DirectorySnapshot) -> bool:
        """Let what is held join the user to whom it belongs, and put this event back. True: its lane may have a turn after
        the commit, False: at once."""
        lane = delivery.lane
        assert lane is not None
        target = self._lanes.get(_owner_of_held(lane, known) or "")
        is_loaded = target is not None and target.is_loaded  # not where it was parked in this very batch of turns
        if target is not None and is_loaded and not lane.deferred:
            self._join(lane, target)
        self._outcomes.put_back(delivery, wants_turn=not is_loaded)
        return is_loaded

    def _join(self, anonymous: Lane, lane: Lane) -> None:
        self._work.move_held(anonymous, lane, lane.key[2:])
        self._lanes.move_held(anonymous, lane)
        self._run_queue.add(anonymous)
        self._releases.ask_again(lane)


def _owner_of_held(lane: Lane, known: DirectorySnapshot) -> str | None:
    """The user to whom the held events of an anonymousId belong; None where it is nobody, or nothing is held."""
    if not lane.held.count or not lane.key.startswith("a:"):
        return None
    return owner(known, lane.key, lane.first_held // ORDER_KEY_STEP)


def linked_key(event: Event) -> str | None:
    """The anonymous key that a call links to its user."""
    if event.type not in ("identify", "alias"):
        return None
    linked = event.anonymous_id if event.type == "identify" else event.previous_id
    return f"a:{linked}" if linked and event.user_id is not None else None
