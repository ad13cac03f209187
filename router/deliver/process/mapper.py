"""Call the plugin's mapping hooks, and check what they return."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from router.clock import to_datetime
from router.decide.decide import gated_by
from router.deliver.commit.state_order import StateChanges
from router.deliver.lanes.delivery import Delivery
from router.deliver.process.plugin_state import PluginState, encode_state, encode_timer
from router.deliver.process.shared_events import SharedEvents
from router.directory import effective_group, keys_of, membership_as_of
from router.plugin import (
    MAX_ITEMS,
    MAX_ITEMS_BYTES,
    Context,
    Event,
    Item,
    Pause,
    Person,
    Profile,
    Reject,
    RetryLater,
    Skip,
)
from router.plugin_host import Destination
from router.plugin_host.fault_place import said_by
from router.plugin_host.item_checks import ItemTooLarge, encoded, fault_of_json
from router.plugin_host.outcome_checks import MAX_DETAIL, checked
from router.plugin_host.shortening import both_ends, first_bytes
from router.store import NO_GROUP, DirectorySnapshot, IsRefused, LogRow
from router.vocabulary import FOREVER_MS

WAKE, FORGET, FORGET_GROUP = "wake", "forget", "forget_group"
GONE = ""
"""The type of a row whose event is nowhere any more, which is a fault of the store."""
NO_EVENT = frozenset({WAKE, FORGET, GONE})
"""Types of rows without an event: a timer returned their items, it is a deletion that the vendor is asked for, or the event is gone."""
ITEM_TOO_LARGE = "item_too_large"
"""Why an event is a dead letter whose items have no room in memory and in the store."""
MAX_TRACEBACK = 16_000
"""Characters of a traceback that are looked at for secrets: a plugin may raise with a whole answer in its words."""
MAX_KEY_SHOWN = 100


class Mapped(msgspec.Struct, frozen=True):
    """What a mapping hook made, with what it did to its state."""

    items: list[Item]
    changes: StateChanges | None = None


class NotMapped(msgspec.Struct, frozen=True):
    """A hook raised an outcome, or made nothing."""

    outcome: Skip | Reject | RetryLater | Pause
    changes: StateChanges | None = None

    @property
    def is_refused(self) -> bool:
        """Whether there was something to send, and it could not be made."""
        return not isinstance(self.outcome, Skip)


Mapping = Mapped | NotMapped


class Mapper:
    """Maps the events of one destination."""

    def __init__(
        self,
        destination: Destination,
        plugin_state: PluginState,
        is_refused: IsRefused,
        warn: Callable[..., None],
    ) -> None:
        self._destination, self._is_refused, self._warn = destination, is_refused, warn
        self.plugin_state = plugin_state
        self.shared_events = SharedEvents(warn)
        self.mapped = 0  #: events the plugin made items of since the worker began: what its warnings are a share of

    def map(self, delivery: Delivery, known: DirectorySnapshot, state_key: str | None) -> Mapping:
        """Call the mapping hook of an event, at its turn."""
        event = delivery.event
        assert event is not None
        if self.shared_events.is_sample(event):
            with self.shared_events.watched(delivery.log_event, event):
                mapping = self._map(delivery, event, known, state_key)
        elif state_key is None and event.type in self._destination.without_context:
            mapping = self._call(event.type, event, None, delivery=delivery)
        else:
            mapping = self._map(delivery, event, known, state_key)
        self.mapped += type(mapping) is Mapped
        return mapping

    def _map(self, delivery: Delivery, event: Event, known: DirectorySnapshot, state_key: str | None) -> Mapping:
        if event.type in self._destination.without_context and state_key is None:
            return self._call(event.type, event, None, delivery=delivery)
        # The state of now has taken this event in, if it was mapped before: what it would make of it a second time (an end of
        # the session before, say) was told already or is told later.
        was_mapped = delivery.row is not None and delivery.row.was_mapped
        state = None if was_mapped else self.plugin_state.get(state_key)
        context = self._context(delivery, event, known, state)
        mapping = self._call(event.type, event, context, delivery=delivery)
        if isinstance(mapping, NotMapped) and not isinstance(mapping.outcome, Skip):
            return mapping
        return self._with_state(mapping, delivery, state_key, context)

    def wake(self, key: str, at_ms: int, user_key: str, known: DirectorySnapshot) -> Mapping:
        """Call the timer hook. Its timer is cleared, unless the hook sets it again."""
        current = membership_as_of(known, user_key, FOREVER_MS)
        context = Context(
            user=self._user(user_key, known),
            group=self._group(current.group_id, known) if current and current.group_id != NO_GROUP else None,
            state=self.plugin_state.get(key),
            warn=self._warn,
        )
        mapping = self._call(WAKE, key, to_datetime(at_ms), context)
        if isinstance(mapping, NotMapped) and isinstance(mapping.outcome, RetryLater | Pause):
            return mapping
        cleared = StateChanges(key, timers={key: None})
        if isinstance(mapping, NotMapped) and isinstance(mapping.outcome, Reject):
            return msgspec.structs.replace(mapping, changes=cleared)
        try:
            value, timer = encode_state(context.state), encode_timer(context._wake, user_key)
            if timer is not None and timer[0] <= at_ms:
                raise ValueError("`wake` set its timer to an instant that is not later than the one that is due")
        except (TypeError, ValueError, OverflowError, AttributeError) as error:
            return NotMapped(self._not_kept(WAKE, key, error), cleared)
        values = {key: value} if context._changed else {}
        return self._keep(mapping, StateChanges(key, values, {key: timer}))

    def forget(self, subject: Person | str) -> Mapping:
        """Call the hook that makes a deletion. `subject`: a person, or the id of a group."""
        hook = FORGET if isinstance(subject, Person) else FORGET_GROUP
        return self._call(hook, subject)

    # ------------------------------------------------------------ the call

    def _call(self, hook: str, *given: Any, delivery: Delivery | None = None) -> Mapping:
        """Run a mapping hook with these; what it raises is an outcome, or a fault of the plugin."""
        watch = self._destination.watch
        watch.begin(hook, delivery.log_event.message_id if delivery is not None else "")
        try:
            items = self._read_all(self._destination.hooks[hook](*given), delivery)
        except ItemTooLarge as error:
            words = f"plugin {self._destination.plugin_name}, hook {hook}: {error}"
            return NotMapped(Reject(ITEM_TOO_LARGE, words))
        except (Skip, Reject, RetryLater, Pause) as outcome:
            good = checked(self._destination, outcome)
            assert isinstance(good, Skip | Reject | RetryLater | Pause)
            return NotMapped(good)
        except BaseException as error:  # a hook that runs in one go is ended by nobody: whatever it raises is its own
            return NotMapped(plugin_error(self._destination, hook, error))
        finally:
            watch.end()
        return Mapped(items) if items else NotMapped(Skip("empty"))

    def _read_all(self, returned: object, delivery: Delivery | None) -> list[Item]:
        """The items, each checked before the next is asked for: a generator makes no more than there is room for."""
        if type(returned) is Item:
            log_event = delivery.log_event if delivery is not None else None
            shared = log_event.payload_item if log_event is not None else None
            if log_event is not None and shared is not None:
                opened = log_event.opened  # another thread may drop it at any time
                is_whole = opened is not None and returned._body is opened.payload
                if is_whole and returned._kind == shared._kind and shared._kind in self._destination.kinds:
                    return [shared]
        if isinstance(returned, Item):
            return [self._read(returned, delivery, MAX_ITEMS_BYTES)]
        items: list[Item] = []
        room = MAX_ITEMS_BYTES
        for item in _iterable(returned):
            if len(items) == MAX_ITEMS:
                raise ItemTooLarge(f"more than {MAX_ITEMS:,} items of one event")
            read = self._read(item, delivery, room)
            room -= len(read.json)
            items.append(read)
        return items

    def _read(self, item: object, delivery: Delivery | None, room: int) -> Item:
        """The item as every attempt will have it: read from its JSON. Raises for what is not as the contract says."""
        if not isinstance(item, Item):
            raise TypeError(f"a mapping hook returned {type(item).__name__}: want an Item or an iterable of Items")
        kind = item.kind
        if kind not in self._destination.kinds:
            raise ValueError(f"an item's kind is {kind!r}: want one of the plugin's `kinds`")
        log_event = delivery.log_event if delivery is not None else None
        opened = log_event.opened if isinstance(log_event, LogRow) else None  # another thread may drop it at any time
        if isinstance(log_event, LogRow) and opened is not None and item._body is opened.payload:
            return self._whole(item, log_event, room)
        return Item.of_json(self._json_of(item, delivery, room), kind)

    @staticmethod
    def _whole(item: Item, log_event: LogRow, room: int) -> Item:
        """An item whose body is a whole call: all destinations share it. Raises ItemTooLarge."""
        shared = log_event.payload_item
        json = item.json if shared is None else shared.json
        if len(json) > room:
            raise ItemTooLarge
        if shared is None or shared.kind != item.kind:
            shared = log_event.payload_item = Item.of_json(json, item.kind)
        return shared

    def _json_of(self, item: Item, delivery: Delivery | None, room: int) -> bytes:
        """The JSON of an item. Raises for what is no JSON, or too large."""
        json = encoded(item, room)
        event = delivery.event if delivery is not None else None
        is_call = event is not None and item._body is event.payload and self.shared_events.is_unchanged(event)
        if not is_call and (fault := fault_of_json(item.body, json)):
            raise TypeError(fault)
        return json

    def _with_state(self, mapping: Mapping, delivery: Delivery, key: str | None, context: Context) -> Mapping:
        """What the hook did to its state and timer, to be stored with the first record of this event."""
        is_changed, wake, hook = context._changed, context._wake, delivery.log_event.type
        if key is None:
            if is_changed or wake is not None:
                words = "state or wake used, but state_key gives no key"
                return NotMapped(
                    Reject("plugin_error", f"plugin {self._destination.plugin_name}, hook {hook}: {words}")
                )
            return mapping
        try:
            value, timer = encode_state(context.state), encode_timer(wake, delivery.user_key)
        except (TypeError, ValueError, OverflowError, AttributeError) as error:
            return NotMapped(self._not_kept(hook, key, error))
        if delivery.row is not None and delivery.row.was_mapped:
            return self._keep(mapping, StateChanges(key))
        values = {key: value} if is_changed else {}
        timers = {key: timer} if wake is not None else {}
        return self._keep(mapping, StateChanges(key, values, timers))

    def _keep(self, mapping: Mapping, changes: StateChanges) -> Mapping:
        for key, value in changes.values.items():
            self.plugin_state.put(key, value)
        return msgspec.structs.replace(mapping, changes=changes)

    def _not_kept(self, hook: str, key: str, error: Exception) -> Reject:
        fault = f"the state or timer of {key[:MAX_KEY_SHOWN]!r} cannot be kept: {said_by(error)}"
        words = self._destination.redact(f"plugin {self._destination.plugin_name}, hook {hook}: {fault}")
        return Reject("plugin_error", first_bytes(words, MAX_DETAIL))

    # ------------------------------------------------------------ what a hook may know

    def _context(self, delivery: Delivery, event: Event, known: DirectorySnapshot, state: Any) -> Context:
        keys = keys_of(event, delivery.user_key, delivery.as_of, known)
        earlier = next(filter(None, (membership_as_of(known, key, delivery.as_of - 1) for key in keys)), None)
        return Context(
            user=self._user(delivery.user_key, known),
            group=self._group_of(delivery, event, keys, known),
            previous_group_id=earlier.group_id if earlier and earlier.group_id != NO_GROUP else None,
            state=state,
            warn=self._warn,
        )

    def _user(self, user_key: str, known: DirectorySnapshot) -> Profile | None:
        traits, mapping = known.people.get(user_key), self._destination.mapping
        if traits is not None and mapping is not None and mapping.user is not None:
            traits = mapping.user(traits)
        return Profile(user_key[2:], traits) if traits is not None else None

    def _group_of(
        self, delivery: Delivery, event: Event, keys: Sequence[str], known: DirectorySnapshot
    ) -> Profile | None:
        if delivery.row is not None and delivery.row.release_as:
            given = msgspec.json.decode(delivery.row.release_as)
            return Profile(given["id"], {**self._group(given["id"], known).traits, **given["traits"]})
        is_gated = bool(gated_by(event.type, self._destination))
        is_refused = self._is_refused if is_gated else _never
        found = effective_group(event, keys, delivery.as_of, known, is_refused)
        if found.group_id is None:
            return None
        if not is_gated and found.call_pos is not None and found.since > delivery.as_of:
            return None
        return self._group(found.group_id, known)

    def _group(self, group_id: str, known: DirectorySnapshot) -> Profile:
        """A group with all that is told of it, as the plugin knows its traits."""
        group, mapping = known.companies.get(group_id), self._destination.mapping
        traits = group.traits if group is not None else {}
        return Profile(group_id, traits if mapping is None or mapping.group is None else mapping.group(traits))


def _iterable(returned: object) -> Iterable[object]:
    """What a mapping hook returned beside one Item. Raises TypeError where it can be no list of Items."""
    if isinstance(returned, dict | str | bytes) or not isinstance(returned, Iterable):
        raise TypeError(f"a mapping hook returned {type(returned).__name__}: want an Item or an iterable of Items")
    return returned


def _never(call_pos: int) -> bool:
    return False


def plugin_error(destination: Destination, hook: str, error: BaseException) -> Reject:
    """A hook raised something that is no outcome: a dead letter that names plugin and hook, with the traceback."""
    lines = traceback.format_exception(error, limit=-8)
    text = "".join(line[:MAX_TRACEBACK] for line in lines)[:MAX_TRACEBACK]
    masked = destination.redact(text.encode("utf-8", "replace").decode())
    words = f"plugin {destination.plugin_name}, hook {hook}:\n{masked}"
    return Reject("plugin_error", both_ends(words, MAX_DETAIL))


def mapped_by(destination: Destination) -> str:
    """What makes items now: where it has changed, a parked event is mapped again. What filters take out of events counts."""
    mark = destination.filter.changes_mark if destination.filter is not None else ""
    return f"{destination.plugin_name}/{destination.item_version}" + (f"+{mark}" if mark else "")


def wake_id(destination: str, key: str, due_ms: int) -> str:
    """The message id of what a timer returns."""
    return f"wake:{destination}:{hashlib.blake2b(key.encode(), digest_size=8).hexdigest()}:{due_ms}"
