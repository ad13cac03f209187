"""What a mapping hook returned or raised becomes, and what it may know."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from router.deliver.commit.state_order import StateChanges
from router.deliver.lanes.delivery import Delivery
from router.deliver.process.mapper import Mapped, Mapper, NotMapped, mapped_by, wake_id
from router.deliver.process.mapper import Mapping as Made
from router.deliver.process.plugin_state import PluginState
from router.plugin import (
    MAX_ITEMS,
    MAX_ITEMS_BYTES,
    MAX_STATE_BYTES,
    Batch,
    Context,
    Event,
    Group,
    Item,
    Outcome,
    Pause,
    Person,
    Reject,
    RetryLater,
    Skip,
    Split,
    UserId,
    hookimpl,
)
from router.store import DirectorySnapshot, GroupProfile, Membership
from tests.contract.rig import Plain
from tests.unit.deliver.parts import Parts, event, log_row, parked_row

DUE = datetime(2026, 1, 2, tzinfo=UTC)
DUE_MS = int(DUE.timestamp() * 1000)
KNOWN = DirectorySnapshot(
    people={"u:u1": {"email": "a@example.com"}},
    companies={"acme": GroupProfile({"name": "Acme"}, {"name": 10}), "new": GroupProfile({"name": "New"}, {})},
    memberships={"u:u1": [Membership(10, "acme", 10), Membership(20, "new", 20)]},
)

Hook = Callable[[Event, Context], Any]


class Scripted(Plain):
    """Maps as the test says."""

    kinds = {"": Batch(), "big": Batch()}  # noqa: RUF012
    requires: Mapping[str, tuple[UserId | Group, ...]] = {"track": (Group("id"),)}  # type: ignore[misc]
    hook: Hook

    @hookimpl
    def track(self, event: Event, context: Context) -> Any:
        return self.hook(event, context)

    @hookimpl
    def page(self, event: Event, context: Context) -> Any:
        return self.hook(event, context)

    @hookimpl
    def wake(self, key: str, at: datetime, context: Context) -> Any:
        return self.hook(event("wake", name=key, timestamp=at), context)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


class Bench(Parts):
    """A mapper whose plugin does what a test says."""

    def __init__(self, hook: Hook, plugin: type[Scripted] = Scripted) -> None:
        super().__init__(type("Told", (plugin,), {"hook": staticmethod(hook)}))
        self.warnings: list[str] = []
        self.plugin_state = PluginState(self.context.claim.keyed_state, self.work)
        self.mapper = Mapper(
            self.context.destination,
            self.plugin_state,
            self.readiness.is_refused,
            lambda reason, **numbers: self.warnings.append(reason),
        )

    def map(self, pos: int = 15, key: str | None = None, *, type: str = "track", **fields: Any) -> Made:
        delivery = Delivery(log_row(pos, type=type), self.lane())
        delivery.event = event(type, **{"user_id": "u1", **fields})
        return self.mapper.map(delivery, KNOWN, key)


def made(hook: Hook, **how: Any) -> Made:
    return Bench(hook).map(**how)


def raises(error: BaseException) -> Hook:
    def hook(event: Event, context: Context) -> Any:
        raise error

    return hook


# ------------------------------------------------------------ what it makes


@pytest.mark.parametrize(
    "returned",
    [
        lambda e, c: Item({"a": 1}),
        lambda e, c: [Item({"a": 1})],
        lambda e, c: (Item({"a": 1}),),
        lambda e, c: (Item({"a": n}) for n in (1,)),
    ],
    ids=["one", "a list", "a tuple", "a generator"],
)
def test_items_may_come_in_every_form(returned: Hook) -> None:
    assert made(returned) == Mapped([Item({"a": 1})])


@pytest.mark.parametrize("returned", [[], (), iter(())], ids=["a list", "a tuple", "a generator"])
def test_no_items_are_a_skip(returned: Any) -> None:
    assert made(lambda e, c: returned) == NotMapped(Skip("empty"))


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (None, "returned NoneType: want an Item"),
        ("items", "returned str: want an Item"),
        ({"a": 1}, "returned dict: want an Item"),
        ({}, "returned dict: want an Item"),
        ([Item({}), {}], "returned dict: want an Item"),
        (Item({}, kind="unknown"), "an item's kind is 'unknown': want one of the plugin's `kinds`"),
        (Item({"a": object()}), "TypeError"),
        (Item({"a": "\ud800"}), "UnicodeEncodeError"),
        (Item({"a": [{"at": DUE}]}), "body.a[0].at is a datetime: want a JSON value"),
        (Item({"a": {1: 2}}), "body.a has the key 1: want text"),
        (Item({"a": math.nan}), "body.a is nan: JSON has no such number"),
    ],
    ids=[
        "nothing",
        "text",
        "a dict",
        "an empty dict",
        "a dict among items",
        "another kind",
        "no JSON",
        "half a character",
        "an instant",
        "a number as key",
        "no number",
    ],
)
def test_anything_else_is_a_dead_letter_with_the_reason(returned: Any, words: str) -> None:
    mapping = made(lambda e, c: returned)
    assert isinstance(mapping, NotMapped)
    assert isinstance(mapping.outcome, Reject)
    assert mapping.outcome.reason == "plugin_error"
    assert words in mapping.outcome.detail


@pytest.mark.parametrize("outcome", [Skip("unwanted"), Reject("no"), RetryLater("later"), Pause("set_up")], ids=repr)
def test_an_outcome_that_is_raised_is_the_events(outcome: Outcome) -> None:
    assert isinstance(outcome, BaseException)
    assert made(raises(outcome)) == NotMapped(outcome)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("spilled"), Split("no batch here"), RetryLater("r", after_s=float("nan")), Reject(7)],  # type: ignore[arg-type]
    ids=["a bug", "split", "a wait that is none", "a reason that is none"],
)  # fmt: skip
def test_what_is_no_outcome_of_mapping_is_a_fault_of_the_plugin(error: BaseException) -> None:
    mapping = made(raises(error))
    assert isinstance(mapping, NotMapped)
    assert isinstance(mapping.outcome, Reject)
    assert mapping.outcome.reason == "plugin_error"


FULL = "a" * (MAX_ITEMS_BYTES - 2)  # and its two quotes
ALIASES: list[Any] = [1]
for _ in range(9):
    ALIASES = [ALIASES] * 100


@pytest.mark.parametrize(
    "returned",
    [
        Item(FULL),
        Item.of_json(b'"' + FULL.encode() + b'"'),
        [Item(FULL[: MAX_ITEMS_BYTES // 2 - 2]), Item(FULL[: MAX_ITEMS_BYTES // 2 - 2], "big")],
        [Item(0)] * MAX_ITEMS,
    ],
    ids=["one", "one from JSON", "two", "many"],
)
def test_items_fill_the_room_of_one_event_to_the_last_byte(returned: Any) -> None:
    assert isinstance(made(lambda e, c: returned), Mapped)


@pytest.mark.parametrize(
    "returned",
    [
        Item(FULL + "a"),
        Item({FULL: 1}),
        Item.of_json(b'"' + FULL.encode() + b'a"'),
        Item.of_json(b"[" + b" " * MAX_ITEMS_BYTES),
        Item(ALIASES),
        [Item(FULL[: MAX_ITEMS_BYTES // 2 - 2]), Item(FULL[: MAX_ITEMS_BYTES // 2 - 1], "big")],
        [Item(FULL), Item(0)],
        [Item(0)] * (MAX_ITEMS + 1),
    ],
    ids=["a text", "a key", "JSON", "no JSON", "one list many times", "two together", "one more", "too many"],
)
def test_what_is_too_large_is_a_dead_letter_that_names_the_hook_and_the_limit(returned: Any) -> None:
    mapping = made(lambda e, c: returned)
    assert isinstance(mapping, NotMapped)
    assert isinstance(mapping.outcome, Reject)
    assert mapping.outcome.reason == "item_too_large"
    assert mapping.outcome.detail.startswith("plugin test, hook track: more than 1")
    assert mapping.outcome.detail.endswith("of one event: return less for one event")


def test_no_more_than_there_is_room_for_is_ever_encoded() -> None:
    """What is no JSON stands behind the limit: nobody gets as far as that."""
    mapping = made(lambda e, c: Item([FULL, "a", object()]))
    assert isinstance(mapping, NotMapped)
    assert mapping.outcome.reason == "item_too_large"


def test_a_generator_is_asked_for_no_more_than_there_is_room_for_and_is_ended_before_its_hook_counts_as_over() -> None:
    asked: list[str] = []

    def running() -> str:
        now = bench.context.destination.watch.running
        return now[0] if now else "nothing"

    def endless(event: Event, context: Context) -> Any:
        try:
            while True:
                asked.append(running())
                yield Item(FULL[: MAX_ITEMS_BYTES // 4])
        finally:
            asked.append(f"ended in {running()}")

    bench = Bench(endless)
    mapping = bench.map()
    assert isinstance(mapping, NotMapped)
    assert mapping.outcome.reason == "item_too_large"
    assert asked == [*["track"] * 4, "ended in track"]


def test_a_call_that_is_passed_on_as_it_is_takes_room_too() -> None:
    def often(event: Event, context: Context) -> Any:
        return [Item(event.payload) for _ in range(40)]

    assert isinstance(made(often, payload={"x": "a" * 20_000}), Mapped)
    mapping = made(often, payload={"x": "a" * 30_000})
    assert isinstance(mapping, NotMapped)
    assert mapping.outcome.reason == "item_too_large"


def test_a_timer_and_a_deletion_have_the_same_room() -> None:
    class Large(Scripted):
        @hookimpl
        def wake(self, key: str, at: datetime, context: Context) -> Item:
            return Item(FULL + "a")

        @hookimpl
        def forget(self, person: Person) -> Item:
            return Item(FULL + "a")

    bench = Bench(lambda e, c: [], Large)
    woken = bench.mapper.wake("k", DUE_MS, "u:u1", KNOWN)
    forgotten = bench.mapper.forget(Person("u1"))
    for mapping, hook in ((woken, "wake"), (forgotten, "forget")):
        assert isinstance(mapping, NotMapped)
        assert isinstance(mapping.outcome, Reject)
        assert (mapping.outcome.reason, f"hook {hook}:" in mapping.outcome.detail) == ("item_too_large", True)
    assert woken.changes == StateChanges("k", timers={"k": None})


def test_a_generator_that_fails_half_way_sends_nothing() -> None:
    def half(event: Event, context: Context) -> Any:
        yield Item({})
        raise Skip("on second thoughts")

    assert made(half) == NotMapped(Skip("on second thoughts"))


def test_only_what_made_items_is_counted_as_mapped() -> None:
    outcomes = iter([Item({}), None, Item({})])

    def hook(event: Event, context: Context) -> Any:
        item = next(outcomes)
        if item is None:
            raise Skip("no")
        return item

    bench = Bench(hook)
    for _ in range(3):
        bench.map()
    assert bench.mapper.mapped == 2


# ------------------------------------------------------------ what it may know


def seen(**how: Any) -> Context:
    """The context of a hook."""
    contexts: list[Context] = []

    def hook(event: Event, context: Context) -> Item:
        contexts.append(context)
        return Item({})

    Bench(hook).map(**how)
    return contexts[0]


def test_a_hook_knows_its_user_its_group_as_of_the_event_and_the_one_before() -> None:
    context = seen(pos=25)
    assert context.user is not None
    assert (context.user.id, context.user.traits) == ("u1", {"email": "a@example.com"})
    assert context.group is not None
    assert (context.group.id, context.group.traits, context.previous_group_id) == ("new", {"name": "New"}, "new")
    assert seen(pos=20).previous_group_id == "acme"


def test_an_event_with_a_gate_belongs_to_the_first_group_after_it_and_others_do_not() -> None:
    context = seen(pos=5)
    assert context.group is not None
    assert context.group.id == "acme"
    assert seen(pos=5, type="page").group is None


def test_an_event_that_an_operator_released_with_a_group_belongs_to_it() -> None:
    contexts: list[Context] = []
    bench = Bench(lambda e, c: contexts.append(c) or Item({}))  # type: ignore[func-returns-value]
    row = parked_row(5, given='{"id":"acme","traits":{"plan":"gold"}}')
    delivery = Delivery.of_row(row, bench.lane())
    delivery.event = event(user_id="u1")
    bench.mapper.map(delivery, KNOWN, None)
    group = contexts[0].group
    assert group is not None
    assert (group.id, group.traits) == ("acme", {"name": "Acme", "plan": "gold"})


def test_a_warning_reaches_the_operator() -> None:
    bench = Bench(lambda e, c: c.warn("odd") or Item({}))  # type: ignore[func-returns-value]
    bench.map()
    assert bench.warnings == ["odd"]


# ------------------------------------------------------------ state and timers


def set_state(value: Any, wake: datetime | None = None) -> Hook:
    def hook(event: Event, context: Context) -> Item:
        context.state = value
        if wake is not None:
            context.wake(wake)
        return Item({})

    return hook


def test_what_a_hook_did_to_its_state_and_timer_goes_with_its_items() -> None:
    assert made(set_state({"n": 1}, DUE), key="k") == Mapped(
        [Item({})], StateChanges("k", {"k": b'{"n":1}'}, {"k": (DUE_MS, "u:u1")})
    )


def test_a_hook_that_changes_nothing_still_keeps_its_place_among_events_of_its_key() -> None:
    assert made(lambda e, c: Item({}), key="k") == Mapped([Item({})], StateChanges("k"))


def test_the_next_event_of_the_key_reads_a_copy_of_what_this_one_wrote() -> None:
    states: list[Any] = []

    def hook(event: Event, context: Context) -> Item:
        states.append(context.state)
        context.state = {"n": len(states)}
        context.state["leaked"] = True
        states[-1] and states[-1].clear()  # a hook may change its copy in place
        return Item({})

    bench = Bench(hook)
    for pos in (15, 16, 17):
        bench.map(pos, "k")
    assert bench.plugin_state.get("k") == {"n": 3, "leaked": True}


def test_a_skip_keeps_what_the_hook_did_to_its_state() -> None:
    def hook(event: Event, context: Context) -> Item:
        context.state = 1
        raise Skip("begun")

    assert made(hook, key="k") == NotMapped(Skip("begun"), StateChanges("k", {"k": b"1"}))


@pytest.mark.parametrize("outcome", [Reject("no"), RetryLater("later"), Pause("set_up")], ids=repr)
def test_an_event_that_failed_leaves_the_state_as_it_was(outcome: Exception) -> None:
    def hook(event: Event, context: Context) -> Item:
        context.state = 1
        raise outcome

    bench = Bench(hook)
    mapping = bench.map(15, "k")
    assert mapping.changes is None
    assert bench.plugin_state.get("k") is None


@pytest.mark.parametrize(
    ("value", "wake"),
    [
        ("x" * MAX_STATE_BYTES, None),
        (ALIASES, None),
        (["x" * MAX_STATE_BYTES, object()], None),
        (object(), None),
        ("\ud800", None),
        (nested(200), None),
        (nested(2_000), None),
        (1, "tomorrow"),
    ],
    ids=[
        "too large",
        "one list many times",
        "too large before it is no JSON",
        "no JSON",
        "half a character",
        "too deep to be read back",
        "too deep to be written",
        "no instant",
    ],
)
def test_state_or_a_timer_that_cannot_be_kept_is_a_dead_letter(value: Any, wake: Any) -> None:
    bench = Bench(set_state(value, wake))
    mapping = bench.map(15, "k")
    assert isinstance(mapping, NotMapped)
    assert isinstance(mapping.outcome, Reject)
    assert mapping.outcome.detail.startswith("plugin test, hook track: the state or timer of 'k' cannot be kept: ")
    if isinstance(value, list) and len(value) in (2, 100):
        assert mapping.outcome.detail.endswith("it is larger than 8,192 bytes"), "what is behind is not looked at"
    assert bench.plugin_state.get("k") is None


def test_state_without_a_key_is_a_fault_of_the_plugin() -> None:
    words = "plugin test, hook track: state or wake used, but state_key gives no key"
    assert made(set_state(1)) == NotMapped(Reject("plugin_error", words))


def test_an_event_that_was_mapped_before_changes_no_state_and_sees_none() -> None:
    seen: list[Any] = []

    def hook(event: Event, context: Context) -> Item:
        seen.append(context.state)
        context.state = 2
        context.wake(DUE)
        return Item({})

    bench = Bench(hook)
    bench.plugin_state.put("k", b"1")
    delivery = Delivery.of_row(parked_row(15), bench.lane())
    delivery.fields.was_mapped = True
    delivery.event = event(user_id="u1")
    assert bench.mapper.map(delivery, KNOWN, "k") == Mapped([Item({})], StateChanges("k"))
    assert (seen, bench.plugin_state.get("k")) == ([None], 1)


# ------------------------------------------------------------ timers that are due


def wake(hook: Hook) -> Made:
    return Bench(hook).mapper.wake("k", DUE_MS, "u:u1", KNOWN)


def test_a_timer_that_was_due_is_cleared() -> None:
    assert wake(lambda e, c: Item({"k": e.name})) == Mapped([Item({"k": "k"})], StateChanges("k", timers={"k": None}))


def test_a_timer_hook_may_set_it_again_and_change_the_state() -> None:
    changes = StateChanges("k", {"k": b"1"}, {"k": (DUE_MS + 1_000, "u:u1")})
    assert wake(set_state(1, DUE + timedelta(seconds=1))) == Mapped([Item({})], changes)


def test_a_timer_hook_that_sets_its_timer_no_later_is_a_fault_of_the_plugin() -> None:
    mapping = wake(set_state(1, DUE))
    assert isinstance(mapping, NotMapped)
    assert isinstance(mapping.outcome, Reject)
    assert "not later than the one that is due" in mapping.outcome.detail
    assert mapping.changes == StateChanges("k", timers={"k": None})


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()])
def test_what_ends_a_process_elsewhere_is_a_fault_of_the_plugin(error: BaseException) -> None:
    mapping = made(raises(error))
    assert isinstance(mapping, NotMapped)
    assert isinstance(mapping.outcome, Reject)
    assert "plugin test, hook track" in mapping.outcome.detail


def test_a_timer_hook_is_told_when_it_was_due_and_whose_it_is() -> None:
    def hook(event: Event, context: Context) -> Item:
        assert (event.timestamp, event.name) == (DUE, "k")
        assert context.user is not None
        assert context.group is not None
        assert (context.user.id, context.group.id) == ("u1", "new")
        return Item({})

    assert isinstance(wake(hook), Mapped)


@pytest.mark.parametrize("outcome", [RetryLater("later"), Pause("set_up")], ids=repr)
def test_a_timer_hook_that_cannot_answer_now_keeps_its_timer(outcome: Exception) -> None:
    assert wake(raises(outcome)) == NotMapped(outcome)  # type: ignore[arg-type]


def test_a_timer_hook_that_fails_is_not_called_for_ever() -> None:
    mapping = wake(raises(ZeroDivisionError()))
    assert isinstance(mapping, NotMapped)
    assert isinstance(mapping.outcome, Reject)
    assert mapping.changes == StateChanges("k", timers={"k": None})


# ------------------------------------------------------------ names


def test_the_id_of_what_a_timer_returns_is_the_same_each_time_and_hides_its_key() -> None:
    assert wake_id("d", "user@example.com", 5) == wake_id("d", "user@example.com", 5)
    assert wake_id("d", "k", 5) != wake_id("d", "k", 6) != wake_id("e", "k", 6)
    assert "user" not in wake_id("d", "user@example.com", 5)


def test_a_plugin_of_another_item_version_makes_items_by_another_name() -> None:
    destination = Parts().context.destination
    assert mapped_by(destination) == "test/1"


# ------------------------------------------------------------ one body for all destinations


class Whole(Plain):
    """Sends the call as it came."""

    @hookimpl
    def track(self, event: Event) -> Item:  # type: ignore[override]  # it needs no context
        return Item(event.payload)


def test_a_whole_call_is_encoded_once_for_all_destinations() -> None:
    shared = log_row(15)
    shared.opened = event(user_id="u1", payload={"event": "E"})
    bodies = []
    for _ in range(2):
        parts = Parts(Whole)
        mapper = Mapper(
            parts.context.destination,
            PluginState(parts.context.claim.keyed_state, parts.work),
            lambda pos: False,
            print,
        )
        delivery = Delivery(shared, parts.lane())
        delivery.event = shared.opened
        mapping = mapper.map(delivery, KNOWN, None)
        assert isinstance(mapping, Mapped)
        bodies.append(mapping.items[0].json)
    assert shared.payload_item is not None
    assert bodies[0] is bodies[1] is shared.payload_item.json
    assert msgspec.json.decode(bodies[0]) == {"event": "E"}
