"""The turn of an event: open it, ask the directory, decide, map. Loading is done per batch; the rest is synchronous.

An event takes its turn when no earlier event of its user is undecided or in flight at this destination.
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from router.clock import to_datetime
from router.decide.decide import Held, Settled, decide_gate, decide_unlooked, decide_unopened, gated_by
from router.decide.gate import Closed, Supplies
from router.deliver.book import Book
from router.deliver.lanes import Entry, Lane
from router.destinations import Destination
from router.directory import FOLDED, keys_of, linked_user, membership_as_of, standing
from router.event import open_event
from router.plugin import Context, Event, Item, Outcome, Pause, Profile, Reject, RetryLater, Skip
from router.store import HELD, Known, Store
from router.store.fold import is_known

MAX_STATE_BYTES = 8 * 1024
STATES_KEPT = 10_000
WAKE = "wake"


class Mapped(msgspec.Struct):
    """What the plugin made of it."""

    items: list[Item]


class Blocked(msgspec.Struct):
    """It may go out, but stands behind a blocked lane."""


Result = Settled | Held | Blocked | Mapped | Outcome
Warn = Callable[..., None]


class Turns:
    """Decides and maps for one destination; keeps the keyed state that is in use."""

    def __init__(self, destination: Destination, store: Store, book: Book, supplies: Supplies, warn: Warn) -> None:
        self._destination, self._store, self._book, self._supplies, self._warn = (
            destination,
            store,
            book,
            supplies,
            warn,
        )
        self.mapped = 0  #: events the plugin made items of since the start: what its warnings are a share of
        self._state: dict[str, bytes | None] = {}  # as JSON: each hook gets a copy that it may change in place
        self.known = Known({}, {}, {}, {})  #: what the directory said for the entries prepared last
        self._early: dict[int, Result] = {}
        self._keys: dict[int, str] = {}

    async def prepare(self, entries: Iterable[Entry]) -> None:
        """Open these events and load what their decisions and mappings may ask for, in at most two trips to the store."""
        self._early, self._keys = {}, {}
        users: dict[str, None] = {}
        groups: dict[str, None] = {}
        opened: list[Entry] = []
        for entry in entries:
            if entry.items is None:
                early = self._decide_early(entry)
                if early is not None:
                    self._early[entry.pos] = early
            elif entry.row.type in FOLDED:
                self._open(entry)  # mapped before, so it is only sent; but what it tells may open gates
            event = entry.event
            if event is None or (entry.pos in self._early and event.type not in FOLDED):
                continue
            opened.append(entry)
            users[entry.lane.key] = None
            for anonymous in filter(None, (event.anonymous_id, event.previous_id)):
                users[f"a:{anonymous}"] = None
            if event.group_id is not None:
                groups[event.group_id] = None
        if users:
            self.known = await self._store.known(list(users), list(groups))
        for entry in opened:
            if entry.row.type in FOLDED:
                self._note_told(entry)
        await self._load_state(dict.fromkeys(self._keys.values()))

    def _note_told(self, entry: Entry) -> None:
        """The user keys whose group may be known once this call is settled. An anonymousId that belonged to several users one
        after the other tells them all: the events of each may have to do with it."""
        event = entry.event
        assert event is not None
        callers, told = {entry.lane.key}, set()
        for anonymous in filter(None, (event.anonymous_id, event.previous_id)):
            key = f"a:{anonymous}"
            callers |= {key, linked_user(self.known, key, entry.as_of) or entry.lane.key}
            told |= {user_key for _, user_key in self.known.links.get(key, ())}
        entry.callers = frozenset(callers)
        entry.told = () if event.type == "identify" and len(callers) == 1 else tuple(sorted(callers | told))

    def _open(self, entry: Entry) -> Event:
        row = entry.row
        if entry.event is None:
            event = open_event(
                row.source, row.type, row.message_id, row.received_at, row.body,
                names=self._destination.names, user_id=entry.linked or None,
            )  # fmt: skip
            if event.type == "group":
                # By the names that the directory has them under: what is stored of them outlives a change of the mapping.
                entry.tells = tuple(name for name, value in event.traits.items() if is_known(value))
            mapping = self._destination.mapping
            entry.event = event if mapping is None else mapping.event(event)
        return entry.event

    def _decide_early(self, entry: Entry) -> Result | None:
        """What can be decided from the event alone; its body is opened only if that matters."""
        row, destination = entry.row, self._destination
        early: Result | None = decide_unopened(row.source, destination)
        if early is not None and row.type not in FOLDED:
            return early
        event = self._open(entry)
        early = early or decide_unlooked(event, destination)
        if early is None and "state_key" in destination.hooks:
            try:
                key = destination.hooks["state_key"](event)
            except Exception:
                return Reject("plugin_error", traceback.format_exc(limit=-8))
            if key is not None:
                self._keys[entry.pos] = str(key)
        return early

    async def _load_state(self, keys: Iterable[str]) -> None:
        if len(self._state) > STATES_KEPT:
            # Only what is stored may be forgotten: the store would answer with something older.
            self._state = {key: value for key, value in self._state.items() if self._book.is_open(key)}
        missing = [key for key in keys if key not in self._state]
        if missing:
            loaded = await self._store.load(self._destination.name, [], missing)
            for key in missing:
                self._state[key] = loaded.state.get(key)

    def take(self, entry: Entry) -> Result:
        """The event's turn: decide, and map it if it may go out now. It was prepared in this very step of the loop."""
        early = self._early.get(entry.pos)
        if early is not None:
            return early
        event, lane = entry.event, entry.lane
        assert event is not None
        if not entry.given:
            if _behind_held(entry) and gated_by(event.type, self._destination):
                return Held(Closed(lane.reason or "group_unknown", lane.need, lane.group_id, lane.also))
            decision = decide_gate(event, lane.key, entry.as_of, self._destination, self.known, self._supplies)
            if isinstance(decision, Held):
                return decision
        if lane.blocked and not entry.parked:
            return Blocked()
        return self._map(entry)

    def gate_is_open(self, entry: Entry) -> bool:
        """Whether a prepared event could go out now."""
        if entry.pos in self._early or entry.event is None:
            return True
        decision = decide_gate(entry.event, entry.lane.key, entry.as_of, self._destination, self.known, self._supplies)
        return not isinstance(decision, Held)

    def _map(self, entry: Entry) -> Result:
        event, key = entry.event, self._keys.get(entry.pos)
        assert event is not None
        # The state of now has taken this event in, if it was mapped before: what it would make of it a second time (an end of
        # the session before, say) was told already or is told later.
        context = self._context(entry, None if entry.turned else self._state_of(key))
        result = self._call(lambda: self._destination.hooks[event.type](event, context))
        if isinstance(result, Mapped | Skip):
            fault = self._keep_state(entry, key, context)
            if fault is not None:
                return fault
            entry.made_by = made_by(self._destination)
            self.mapped += isinstance(result, Mapped)
        return result

    def _call(self, hook: Callable[[], Any]) -> Result:
        """Run a mapping hook; what it raises is an outcome, or a fault of the plugin."""
        try:
            returned = hook()
            items = [returned] if isinstance(returned, Item) else list(returned)
            if not all(isinstance(item, Item) for item in items):
                raise TypeError("a mapping hook must return an Item or an iterable of Items")
            if any(item.kind not in self._destination.kinds for item in items):
                raise ValueError("an item's kind is not in the plugin's `kinds`")
            msgspec.json.encode([item.body for item in items])
        except (Skip, Reject, RetryLater, Pause) as outcome:
            return outcome
        except Exception:
            return Reject("plugin_error", self._destination.redact(traceback.format_exc(limit=-8)))
        return Mapped(items) if items else Skip("empty")

    def _keep_state(self, entry: Entry, key: str | None, context: Context) -> Reject | None:
        """Queue what the hook did to its state and timer, to be stored with the first record of this event."""
        changed, wake = context._changed, context._wake
        if key is None:
            return Reject("plugin_error", "state or wake used, but state_key gives no key") if changed or wake else None
        try:
            value, timer = _encode_state(context.state), _timer(wake, entry.lane)
        except (TypeError, ValueError, OverflowError, AttributeError) as error:
            return Reject("plugin_error", f"the state or timer of {key!r} cannot be kept: {error}")
        changes: list[Callable[[], None]] = []
        if not entry.turned:
            if changed:
                self._state[key] = value
                changes.append(lambda: self._book.remember(key, value))
            if wake is not None:
                changes.append(lambda: self._book.timer(key, timer))
        self._book.chain(entry, key, changes)
        return None

    def _state_of(self, key: str | None) -> Any:
        """A copy of the state of a key."""
        encoded = self._state.get(key) if key is not None else None
        return None if encoded is None else msgspec.json.decode(encoded)

    def _context(self, entry: Entry, state: Any) -> Context:
        event, known, lane = entry.event, self.known, entry.lane
        assert event is not None
        keys = keys_of(event, lane.key, entry.as_of, known)
        group = self._group(entry, keys)
        earlier = next(filter(None, (membership_as_of(known, key, entry.as_of - 1) for key in keys)), None)
        return Context(
            user=self._user(lane.key),
            group=group,
            previous_group_id=earlier.group_id if earlier else None,
            state=state,
            warn=self._warn,
        )

    def _user(self, key: str) -> Profile | None:
        traits, mapping = self.known.people.get(key), self._destination.mapping
        if traits is not None and mapping is not None and mapping.user is not None:
            traits = mapping.user(traits)
        return Profile(key[2:], traits) if traits is not None else None

    def _group(self, entry: Entry, keys: Sequence[str]) -> Profile | None:
        event, known = entry.event, self.known
        assert event is not None
        if entry.given:
            given = msgspec.json.decode(entry.given)
            return Profile(given["id"], {**self._company(given["id"]).traits, **given["traits"]})
        found = standing(event, keys, entry.as_of, known)
        gated = bool(gated_by(event.type, self._destination))
        if found is None or (not gated and found.call_pos is not None and found.since > entry.as_of):
            return None
        return self._company(found.group_id)

    def _company(self, group_id: str) -> Profile:
        """A group with all that is told of it, as the plugin knows its traits."""
        company, mapping = self.known.companies.get(group_id), self._destination.mapping
        traits = company.traits if company is not None else {}
        return Profile(group_id, traits if mapping is None or mapping.group is None else mapping.group(traits))

    async def wake(self, key: str, at_ms: int, lane: Lane) -> Result:
        """Call the plugin's timer hook and queue what it did to its state; the timer is cleared with it, unless the hook
        wants to be asked again later."""
        await self._load_state([key])
        self.known = await self._store.known([lane.key], [])
        current = membership_as_of(self.known, lane.key, 1 << 62)
        group = self._company(current.group_id) if current else None
        context = Context(user=self._user(lane.key), group=group, state=self._state_of(key), warn=self._warn)
        result = self._call(lambda: self._destination.hooks[WAKE](key, to_datetime(at_ms), context))
        if isinstance(result, RetryLater | Pause):
            return result
        timer = None
        if isinstance(result, Mapped | Skip):
            try:
                value, timer = _encode_state(context.state), _timer(context._wake, lane)
            except (TypeError, ValueError, OverflowError, AttributeError) as error:
                result = Reject("plugin_error", f"the state or timer of {key!r} cannot be kept: {error}")
            else:
                if context._changed:
                    self._state[key] = value
                    self._book.remember(key, value)
        self._book.timer(key, timer)
        return result


def _behind_held(entry: Entry) -> bool:
    """Whether an event of a gated type stands behind one that is held. A parked one of the main queue had its gate open
    before anything was held, unless what is held now was there before it."""
    lane = entry.lane
    if not lane.held or (entry.parked and entry.queue == HELD):
        return False
    return not entry.parked or (lane.need != "" and entry.place > lane.first_held)


def made_by(destination: Destination) -> str:
    """What made an item: where it has changed, the event is mapped again."""
    return f"{destination.plugin_name}/{destination.item_version}"


def _encode_state(value: Any) -> bytes | None:
    """The state as JSON, None for none. Raises ValueError or TypeError for what cannot be kept."""
    if value is None:
        return None
    encoded = msgspec.json.encode(value)
    if len(encoded) > MAX_STATE_BYTES:
        raise ValueError(f"it is larger than {MAX_STATE_BYTES} bytes")
    msgspec.json.decode(encoded)  # what cannot be read again is no state
    return encoded


def _timer(wake: tuple[datetime | None] | None, lane: Lane) -> tuple[int, str] | None:
    """(due in ms, user key) of a timer that a hook set; None where it set none or cleared it."""
    if wake is None or wake[0] is None:
        return None
    return int(wake[0].timestamp() * 1000), lane.key


def wake_id(destination: str, key: str, due_ms: int) -> str:
    """The message id of what a timer returns."""
    return f"wake:{destination}:{hashlib.blake2b(key.encode(), digest_size=8).hexdigest()}:{due_ms}"
