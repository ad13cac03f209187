"""What is held for an anonymousId joins the lane of the user whose it is.

A browser may belong to several users, one after the other. What is held for it belongs to the user it was linked to as of
each event, else to the first one it is linked to afterwards. All that its lane holds is of one user at any time: it joins
that user's lane at the turn of a call that links them, or before the first event of the next user is held there.
"""

from __future__ import annotations

from collections.abc import Sequence

from router.decide.decide import gated_by
from router.deliver.book import Book
from router.deliver.lanes import Entry, Lane, Lanes, Ready
from router.deliver.settlement import Settlement
from router.deliver.turns import Turns
from router.destinations import Destination
from router.directory import owner
from router.plugin import Event
from router.store import HELD, PLACES


class Joins:
    """Owned by the turnstile, which asks it before each turn. What it asks of the directory was loaded for that turn."""

    def __init__(
        self, destination: Destination, book: Book, lanes: Lanes, ready: Ready, settlement: Settlement, turns: Turns
    ) -> None:
        self._destination, self._book, self._lanes = destination, book, lanes
        self._ready, self._settlement, self._turns = ready, settlement, turns

    def keys(self, entries: Sequence[Entry]) -> list[str]:
        """The lanes that must be loaded beside those of these events: of the anonymousIds that they link, and of the users whose
        what their own lanes hold is."""
        keys = {user_key for lane in {entry.lane for entry in entries} if (user_key := self._owner(lane))}
        if self._book.held > 0:
            keys |= {key for entry in entries if entry.event is not None and (key := _linked_key(entry.event))}
        return sorted(keys)

    def has_to_wait(self, entry: Entry) -> bool:
        """At a linking call's turn, what is held for the anonymousId joins the user's lane, if it is that user's. True: the call
        was put back, since what is in flight there ends first, and what came before this call has its turn."""
        event, lane = entry.event, entry.lane
        if event is None or event.user_id is None or not (source := _linked_key(event)):
            return False
        anonymous = self._lanes.get(source)
        if anonymous is None or anonymous is lane:
            return False
        if lane in anonymous.joining:
            anonymous.joining.remove(lane)
            self._ready.add(anonymous)
        undecided = bool(anonymous.waiting) and anonymous.waiting[0].pos < entry.pos
        if not undecided and self._owner(anonymous) != lane.key:
            return False
        if anonymous.current is not None or anonymous.deferred or undecided:
            anonymous.joining.append(lane)
            self._settlement.put_back(entry, ready=False)
            self._ready.add(anonymous)
            return True
        self._join(anonymous, lane)
        return False

    def is_apart(self, entry: Entry) -> bool:
        """Whether what is held for its anonymousId is another user's: it must not wait behind that, nor go along with it."""
        event, lane = entry.event, entry.lane
        if event is None or entry.origin or entry.queue == HELD or not gated_by(event.type, self._destination):
            return False
        held_by = self._owner(lane)
        return held_by is not None and held_by != owner(self._turns.known, lane.key, entry.as_of)

    def hand_over(self, entry: Entry) -> bool:
        """Let what is held join the user whose it is, and put this event back. True: its lane may have a turn after the commit,
        False: at once."""
        lane = entry.lane
        held_by = self._lanes.get(self._owner(lane) or "")
        is_loaded = held_by is not None and held_by.loaded  # not where it was parked in this very batch of turns
        if held_by is not None and is_loaded and not lane.deferred:
            self._join(lane, held_by)
        self._settlement.put_back(entry, ready=not is_loaded)
        return is_loaded

    def _owner(self, lane: Lane) -> str | None:
        """The user whose the held events of an anonymousId are; None where it is nobody's, or nothing is held."""
        if not lane.held or not lane.key.startswith("a:"):
            return None
        return owner(self._turns.known, lane.key, lane.first_held // PLACES)

    def _join(self, anonymous: Lane, lane: Lane) -> None:
        self._book.move(anonymous, lane, lane.key[2:])
        self._lanes.set_need(anonymous, "")
        if not anonymous.main and not anonymous.draining:
            self._lanes.free(anonymous)
        self._ready.add(anonymous)
        self._settlement.ask_again(lane)


def _linked_key(event: Event) -> str | None:
    """The anonymous key that a call links to its user."""
    linked = {"identify": event.anonymous_id, "alias": event.previous_id}.get(event.type)
    return f"a:{linked}" if linked and event.user_id is not None else None
