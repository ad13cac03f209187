"""Before a turn: open events and look up, for a whole batch, what their decisions and mappings may ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from router.decide.decide import (
    DELIVER,
    UNDECIDED,
    Deliver,
    GateView,
    Settled,
    Standing,
    Undecided,
    decide_opened,
    decide_unopened,
)
from router.decide.group_readiness import GroupReadiness
from router.deliver.lanes.delivery import Announcement, Delivery
from router.deliver.lanes.lane import Lane
from router.deliver.process.mapper import GONE, NO_EVENT, Mapper, plugin_error
from router.directory import FOLDED, linked_user
from router.event import TYPES, Notes, is_blocked, library_of, normalize_event, options_for
from router.input_warnings import InputWarnings
from router.plugin import MAX_STATE_KEY, Event, Reject
from router.plugin_host import Destination
from router.store import ORDER_KEY_STEP, Directory, DirectorySnapshot, LogRow, ParkedRow
from router.traits import is_known
from router.vocabulary import EventState

EMPTY = DirectorySnapshot({}, {}, {}, {})


LOST = Settled(EventState.DEAD, "lost")
"""What becomes of an event that is gone and was not mapped before. No letter is kept: there is nothing to send again."""


def usual_types(destination: Destination) -> frozenset[str]:
    """The types of calls for which this destination asks nothing: neither a gate, consent or a filter, nor the directory or keyed state."""
    d = destination
    if not d.config.enabled or d.mapping or d.consent or d.filter or "state_key" in d.hooks:
        return frozenset()
    types = frozenset(
        type for type in TYPES if type in d.hooks and type in d.without_context and not d.requires.get(type)
    )
    return types - (FOLDED if d.is_gated else {"group"})


class PreparedTurn(msgspec.Struct, frozen=True):
    """What is known of one event before its turn."""

    decision: Settled | Deliver | Undecided | Reject  #: final unless UNDECIDED or DELIVER
    state_key: str | None = None


READY = PreparedTurn(DELIVER)
"""The usual case: the event may go, and nothing is to be looked up."""


class Prepared(msgspec.Struct, frozen=True):
    """What was prepared for a batch of turns, which are to follow in the same step of the loop."""

    turns: dict[int, PreparedTurn]  #: by id of the delivery
    known: DirectorySnapshot

    def has(self, delivery: Delivery) -> bool:
        """Whether this event was prepared."""
        return id(delivery) in self.turns


class Preparer:
    """Opens and looks up for one destination."""

    def __init__(
        self,
        destination: Destination,
        directory: Directory,
        readiness: GroupReadiness,
        mapper: Mapper,
        input_warnings: InputWarnings | None = None,
    ) -> None:
        self._destination, self._directory, self._readiness = destination, directory, readiness
        self._state, self._shared_events = mapper.plugin_state, mapper.shared_events
        self._input_warnings = input_warnings
        self._notes: Notes = []  #: on the event that is being opened
        self._state_key = destination.hooks.get("state_key")
        self._is_gated = destination.is_gated
        self._usual_types = usual_types(destination)
        sources = destination.config.sources
        self._sources = None if "*" in sources else frozenset(sources)  #: those that it gets events of; None: all

    async def prepare(self, deliveries: Iterable[Delivery]) -> Prepared:
        """Open these events and look up what they may need, in at most two trips to the store."""
        turns: dict[int, PreparedTurn] = {}
        asks: dict[tuple[str, int], None] = {}
        groups: dict[str, None] = {}
        folded: list[Delivery] = []
        watch, without_context = self._destination.watch, self._destination.without_context
        watch.start_slice()
        for delivery in deliveries:
            turn = turns[id(delivery)] = self._prepare_alone(delivery)
            if watch.is_over:  # nothing was looked up yet that could grow old
                await asyncio.sleep(0)
                watch.start_slice()
            is_folded = delivery.log_event.type in FOLDED
            event = delivery.event
            if event is None or (turn is not READY and not is_folded and isinstance(turn.decision, Settled | Reject)):
                continue
            is_folded = is_folded and self._is_gated  # without a gate nobody waits for what they tell
            if is_folded:
                folded.append(delivery)
            asks_directory = event.type not in without_context or isinstance(turn.decision, Undecided)
            if is_folded or asks_directory:
                asks.update(dict.fromkeys(_asks(delivery, event)))
                if event.group_id is not None:
                    groups[event.group_id] = None
        known = EMPTY
        if asks:
            known = await self._directory.known(list(asks), list(groups), self._readiness.is_refused)
        for delivery in folded:
            delivery.announcement = self._announcement(delivery, known)
        keys = dict.fromkeys(turn.state_key for turn in turns.values() if turn.state_key is not None)
        if keys:
            await self._state.load(keys)
        return Prepared(turns, known)

    async def with_owners(self, prepared: Prepared, lanes: Iterable[Lane]) -> Prepared:
        """The same with the users to whom belongs what these anonymousIds hold."""
        asks = [
            (lane.key, lane.first_held // ORDER_KEY_STEP)
            for lane in lanes
            if lane.held.count and lane.key.startswith("a:")
        ]
        if not asks:
            return prepared
        found, known = await self._directory.known(asks, []), prepared.known
        links = {key: sorted({*known.links.get(key, ()), *rows}) for key, rows in found.links.items()}
        merged = msgspec.structs.replace(known, links={**known.links, **links})
        return msgspec.structs.replace(prepared, known=merged)

    def _prepare_alone(self, delivery: Delivery) -> PreparedTurn:
        """What can be said from the event alone; its body is opened only if that matters."""
        log_event, destination = delivery.log_event, self._destination
        if self.is_usual(delivery):
            return READY
        if delivery.items is not None:
            if log_event.type in FOLDED:
                self.open(delivery)  # mapped before, so it is only sent; but what it tells may open gates
            return PreparedTurn(UNDECIDED)
        if log_event.type == GONE:
            return PreparedTurn(LOST)
        if log_event.type in NO_EVENT:  # an earlier version fed such letters to replays
            return PreparedTurn(Reject("plugin_error", "the hook of this timer failed: there is nothing to send"))
        settled = decide_unopened(log_event.source, delivery.body, destination)
        if settled is not None and log_event.type not in FOLDED:
            return PreparedTurn(settled)
        event = self.open(delivery)
        decision = settled or decide_opened(event, destination)
        if decision is DELIVER and self._state_key is None:
            return READY
        assert isinstance(decision, Settled | Deliver | Undecided)
        if isinstance(decision, Settled) or self._state_key is None:
            return PreparedTurn(decision)
        return self._with_state_key(self._state_key, log_event.message_id, event, decision)

    def _with_state_key(
        self, hook: Callable[[Event], Any], message_id: str, event: Event, decision: Deliver | Undecided
    ) -> PreparedTurn:
        self._destination.watch.begin("state_key", message_id)
        try:
            key = hook(event)
            text = None if key is None else str(key)
            if text is not None and "\x00" in text:
                raise ValueError("a state key holds a NUL character")
            if text is not None and len(text) > MAX_STATE_KEY:
                raise ValueError(f"a state key has {len(text):,} characters: at most {MAX_STATE_KEY:,} are kept")
            if text is not None and not text.isascii():
                text.encode()  # the store holds no half of a surrogate pair
        except BaseException as error:  # whatever it raises is its own: see `Mapper`
            return PreparedTurn(plugin_error(self._destination, "state_key", error))
        finally:
            self._destination.watch.end()
        return PreparedTurn(decision, text)

    def is_usual(self, delivery: Delivery) -> bool:
        """Whether nothing keeps it from here, and nothing else is to be asked. It is opened then."""
        row = delivery.log_event
        if row.type not in self._usual_types or row.is_for_all is False or type(row) is not LogRow:
            return False
        if delivery.row is not None or delivery.items is not None:
            return False
        if self._sources is not None and row.source not in self._sources:
            return False
        if delivery.event is None:
            shared = row.opened if row.is_for_all and self._shared_events.is_allowed else None
            delivery.event = shared or self._opened(delivery)
        return row.is_for_all is True

    def open(self, delivery: Delivery) -> Event:
        """The event, as this destination's plugin sees it."""
        if delivery.event is not None:
            return delivery.event
        event = self._opened(delivery)
        if event.type == "group":
            delivery.announcement = told_by(delivery, event)
        mapping = self._destination.mapping
        event = event if mapping is None else mapping.event(event)
        if delivery.row is not None and delivery.is_replay:
            event = msgspec.structs.replace(event, is_replay=True)
        delivery.event = event
        return event

    def _opened(self, delivery: Delivery) -> Event:
        """The event before any mapping table. What the log keeps in memory is opened once for all destinations."""
        log_event, shared = delivery.log_event, None
        if isinstance(log_event, LogRow) and self._shared_events.is_allowed:
            shared = log_event.opened
            if shared is None and log_event.is_shared:
                shared = log_event.opened = self._open(log_event, delivery.body, frozenset(), None)
        if shared is None:
            linked = delivery.row.linked if delivery.row is not None else ""
            event = self._open(log_event, delivery.body, self._destination.names, linked or None)
            _note_whom_for(log_event, event)
            return event
        _note_whom_for(log_event, shared)
        integrations = shared.payload.get("integrations")
        options = options_for(integrations, self._destination.names) if integrations else None
        return msgspec.structs.replace(shared, options=options) if options else shared

    def _open(self, log_event: LogRow | ParkedRow, body: bytes, names: frozenset[str], user_id: str | None) -> Event:
        event = normalize_event(
            log_event.source,
            log_event.type,
            log_event.message_id,
            log_event.received_at,
            body,
            names=names,
            user_id=user_id,
            notes=self._notes,
        )
        if self._notes:
            if self._input_warnings is not None and isinstance(log_event, LogRow):  # what is parked was counted before
                library = library_of(body).title
                self._input_warnings.add_stored(log_event.source, log_event.pos, self._notes, library)
            self._notes.clear()
        return event

    def _announcement(self, delivery: Delivery, known: DirectorySnapshot) -> Announcement:
        """Whose held events this call may let go once it is settled.

        An anonymousId that belongs to one user now and to another one next concerns both: events of each may wait for it.
        """
        event, user_key = delivery.event, delivery.user_key
        assert event is not None
        callers, concerned = {user_key}, set[str]()
        for anonymous in filter(None, (event.anonymous_id, event.previous_id)):
            key = f"a:{anonymous}"
            callers |= {key, linked_user(known, key, delivery.as_of) or user_key}
            concerned |= {linked for _, linked in known.links.get(key, ())}
        tells_nobody = event.type == "identify" and len(callers) == 1
        return Announcement(
            callers=frozenset(callers),
            concerned=() if tells_nobody else tuple(sorted(callers | concerned)),
            traits=delivery.announcement.traits if delivery.announcement is not None else (),
        )


def _note_whom_for(log_event: LogRow | ParkedRow, event: Event) -> None:
    """Remember whether nothing in it keeps it from any destination."""
    if isinstance(log_event, LogRow) and log_event.is_for_all is None:
        log_event.is_for_all = not (is_blocked(log_event.body) or event.payload.get("integrations"))


def told_by(delivery: Delivery, event: Event) -> Announcement:
    """What a group call tells, by the names that the directory has it under: what is stored of them outlives a change of the
    mapping."""
    traits = tuple(name for name, value in event.traits.items() if is_known(value))
    return Announcement(callers=frozenset((delivery.user_key,)), traits=traits)


def gate_view(prepared: Prepared, readiness: GroupReadiness) -> GateView:
    """What the gate may look at for a prepared batch."""
    return GateView(prepared.known, readiness)


def standing_of(delivery: Delivery, **more: Any) -> Standing:
    """How an event stands in its lane."""
    is_released = delivery.row is not None and delivery.row.release_as != ""
    return Standing(delivery.user_key, delivery.as_of, is_released, **more)


def _asks(delivery: Delivery, event: Event) -> list[tuple[str, int]]:
    keys = [delivery.user_key]
    keys += [f"a:{anonymous}" for anonymous in (event.anonymous_id, event.previous_id) if anonymous]
    asks = [(key, delivery.as_of) for key in keys]
    lane = delivery.lane
    if lane is not None and lane.key.startswith("a:"):
        # To whom belongs what the anonymousId holds, of which this event may be the first by its turn.
        order_keys = [delivery.order_key, lane.first_held] if lane.held.count else [delivery.order_key]
        asks += [(lane.key, order_key // ORDER_KEY_STEP) for order_key in order_keys]
    return asks
