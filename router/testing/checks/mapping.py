"""Hooks that make items: with any event, always the same, and nothing changed that is not theirs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from router.plugin import JSON, Item
from router.plugin_host import MAPPING_HOOKS
from router.plugin_host.apart import Died
from router.plugin_host.outcome_checks import fault_of
from router.testing.checking.check import Findings, Tier, check, found
from router.testing.checking.hook_inputs import REPLAYED
from router.testing.checking.ids_in_reasons import RAISED, WORD, follows_the_event, ids_in_reasons
from router.testing.checking.mapping_call import short
from router.testing.checking.mapping_runs import Observed
from router.testing.checking.other_process import mark_of
from router.testing.checking.subject import Subject

ID = re.compile(r"(?:^|[._\- ])(?:id|uuid|guid|dedupe\w*|idempot\w*)$|(?:Id|ID|Uuid|UUID)$")
"""The end of the path of a value that names a thing."""
OUTCOMES = "items, or one of Skip, Reject, RetryLater and Pause"


@check(
    Tier.BRONZE,
    proves="The checks had something to look at: at least one call of the samples became an item.",
    why="Checks that look at nothing pass.",
    fix="Give conformance() settings under which the plugin sends something, or calls=[...] of which it makes items.",
)
def exercised(subject: Subject) -> Findings:
    made = [made for made in subject.made if made.hook in MAPPING_HOOKS]
    if not any(one.items and one.is_sound for one in made):
        outcomes = sorted({one.came for one in made}) or ["no hook is called with any of the samples"]
        yield found(f"{len(made)} calls", short(outcomes), "an item")


@check(
    Tier.BRONZE,
    proves=f"Whatever the call, a mapping hook gives {OUTCOMES}.",
    why="Any other exception is a dead letter (`plugin_error`), and real traffic holds every oddity of the samples.",
    fix="Look at the type of a value before you use it. Raise Skip or Reject for what cannot be sent.",
)
def any_call(subject: Subject) -> Findings:
    for one in subject.observed:
        if isinstance(one.key.error, Exception) and not one.key.refused:
            yield found(f"hook state_key, {one.made.label}", f"raised {one.key.error!r}", "a text or None")
    for made in (*subject.made, *subject.made_by_many):
        failed = made.fault or isinstance(made.error, Exception)
        if failed and not made.refused and not made.is_replay:
            yield found(made.where, made.came, OUTCOMES)


@check(
    Tier.BRONZE,
    proves="No hook raises what is made to end a program: SystemExit, KeyboardInterrupt, CancelledError and the like.",
    why="Only what derives from Exception is the word of a plugin. The rest looks like a stop of the daemon or of a task.",
    fix="Never call sys.exit. Do not await what you have cancelled yourself, or catch its CancelledError.",
    needs=("lifetime_opens",),
)
def no_base_exception(subject: Subject) -> Findings:
    raised = [(f"hook state_key, {one.made.label}", one.key.error) for one in subject.observed]
    raised += [(made.where, made.error) for made in (*subject.made, *subject.made_by_many)]
    raised += [(one.where, one.delivery.raised) for one in subject.answered_deliveries if not one.delivery.is_endless]
    for where, error in raised:
        if error is not None and not isinstance(error, Exception):
            yield found(where, f"raised {type(error).__name__}", "an outcome, or an Exception")


@check(
    Tier.BRONZE,
    proves="Each item is of a kind that the plugin declares.",
    why="The limits of an unknown kind are not known: the event is a dead letter.",
    fix="Add the kind to `kinds`, or correct its name in Item(..., kind=...).",
)
def kinds_declared(subject: Subject) -> Findings:
    kinds = subject.destination.kinds
    for made in subject.made:
        for kind in {item.kind for item in made.items} - set(kinds):
            yield found(made.where, f"an item of kind {kind!r}", f"one of {', '.join(map(repr, kinds))}")


@check(
    Tier.BRONZE,
    proves="The body of each item is a JSON value that reads back as it was written.",
    why="Items are stored as JSON, and every attempt reads them. A datetime or a number as key would be text then.",
    fix="Write instants with isoformat(), keys as text, and leave NaN out.",
)
def items_are_json(subject: Subject) -> Findings:
    for made in subject.made:
        if made.unfit:
            yield found(made.where, made.unfit, "a JSON value")


@check(
    Tier.SILVER,
    proves="The items of one event are no more and no larger than the router takes.",
    why="What is larger has no room in memory and in the store: the event is a dead letter (`item_too_large`).",
    fix="Send what the tool needs, not everything several times. A generator has to end.",
)
def items_bounded(subject: Subject) -> Findings:
    for made in subject.made:
        if made.too_much:
            yield found(made.where, made.too_much, "less for one event")


@check(
    Tier.BRONZE,
    proves="The outcomes that mapping hooks raise have fields of the right types.",
    why="A reason or detail that is no text cannot be stored or shown: the event is a dead letter that says so instead.",
    fix="Give a text as reason and detail, and seconds as a number.",
)
def raised_outcomes(subject: Subject) -> Findings:
    for made in subject.made:
        if made.outcome is not None and (fault := fault_of(made.outcome)):
            yield found(made.where, fault, "fields of the right types")


@check(
    Tier.GOLD,
    proves="Reasons of outcomes and warnings are words such as `no_user_id`, and the same for every event.",
    why="Operators count, filter and search by them. A text with an id or a name in it makes one reason of each event, and keeps the id"
    " after its person was forgotten.",
    fix="Write a constant word of letters, digits and _, and put the rest into `detail`.",
    needs=("lifetime_opens",),
)
def reasons_are_words(subject: Subject) -> Findings:
    told = [(made.where, made.outcome.reason) for made in subject.made if isinstance(made.outcome, RAISED)]
    told += [(one.made.where, reason) for one in subject.observed if one.context for reason, _ in one.context.warned]
    told += [
        (one.where, getattr(outcome, field, ""))
        for one in subject.answered_deliveries
        for outcome in one.delivery.outcomes
        for field in ("reason", "warning")
    ]
    for where, reason in told:
        if isinstance(reason, str) and reason and not WORD.fullmatch(reason):
            yield found(where, f"the reason {short(repr(reason))}", "a word such as no_user_id")
    for one, reason, id in ids_in_reasons(subject.observed):
        if follows_the_event(subject, one, reason, id):
            yield found(
                one.made.where, f"the reason {short(repr(reason))}, with the id {id!r}", "the same for every event"
            )


@check(
    Tier.SILVER,
    proves="The same event with the same state makes the same bytes: a second time, and at another instance after other events.",
    why="After a crash an event is mapped again, by a new instance. What differs would be sent twice, as two things, or has something of another user.",
    fix="Make items of event and context only, without counters, what earlier events left, sets whose order matters, or values made in __init__.",
)
def deterministic(subject: Subject) -> Findings:
    yield from _differences(subject.observed, subject.observed_again, "a second time it")
    yield from _differences(subject.observed, subject.observed_elsewhere, "at another instance, after other events, it")


@check(
    Tier.SILVER,
    proves="The same event makes the same bytes in another process: with another time zone, environment and order of sets.",
    why="After a crash or on another machine an event is mapped again. What differs would be sent twice, as two things.",
    fix="Use UTC or a time zone of the settings: no time.localtime, no astimezone() without one. Sort what comes out of a set.",
    needs=("deterministic", "state_key_stable"),
)
def same_elsewhere(subject: Subject) -> Findings:
    try:
        there = subject.mapped_elsewhere
    except Died as death:
        yield found("another process, in which events are mapped", f"it {death}", "the same items")
        return
    for one, (mark, came) in zip(subject.observed, there, strict=True):
        if one.made.is_sound and mark != mark_of(one):
            what = came if came != one.made.came else "another state, timer or key"
            yield found(one.made.where, f"{one.made.came}, and in another process {what}", "the same")


def _differences(first: list[Observed], second: list[Observed], when: str) -> Iterator[str]:
    for one, other in zip(first, second, strict=True):
        if one.made.is_sound and other.made.is_sound and _outcome_of(one) != _outcome_of(other):
            what = other.made.came if one.made.result != other.made.result else "left another state or timer"
            yield found(one.made.where, f"{one.made.came}, and {when} {what}", "the same")


def _outcome_of(one: Observed) -> tuple[object, ...]:
    context = one.context
    return one.made.result, context.state if context else None, context.wake_at if context else None


@check(
    Tier.SILVER,
    proves="A mapping hook leaves the event as it was.",
    why="All destinations share it: what one changes, the others send.",
    fix='Copy before you change: {**event.properties, "a": 1}; of what is nested, copy each level.',
)
def event_unchanged(subject: Subject) -> Findings:
    for one in subject.observed:
        if one.event != one.event_before:
            yield found(one.made.where, "it changed the event", "an event as it was")


@check(
    Tier.SILVER,
    proves="A mapping hook leaves the traits of user and group as they were.",
    why="They are shared by the events of a batch: what one event changes, the next ones send.",
    fix="Copy before you change: {**context.user.traits}.",
)
def known_unchanged(subject: Subject) -> Findings:
    for one in subject.observed:
        if one.known != one.known_before:
            yield found(one.made.where, "it changed the traits of the user or the group", "traits as they were")


@check(
    Tier.SILVER,
    proves="An event that an operator replays is mapped like any other, and its items have the same ids.",
    why="A replayed event comes without its state, perhaps for the first time. A hook that fails then makes dead letters of a whole replay, and with another id the vendor has the event twice.",
    fix="Treat context.state as None where event.is_replay is true, and raise Skip for what must not be sent twice. Leave ids as they are.",
)
def replay(subject: Subject) -> Findings:
    for made in subject.made:
        if made.is_replay and (made.error or made.fault) and not made.refused:
            yield found(made.where, made.came, OUTCOMES)
    first = {one.made.label: one.made for one in subject.observed}
    for label, made in first.items():
        if made.is_replay and made.is_sound:
            original = first[label.replace(REPLAYED, "")]
            for path, before, after in _other_ids(original.items, made.items):
                came = f"its item has {short(repr(after))} at {path}, and without the replay {short(repr(before))}"
                yield found(made.where, came, "the same")


def _other_ids(first: list[Item], second: list[Item]) -> Iterator[tuple[str, JSON, JSON]]:
    """Where the items of one event have ids that differ: path, and both."""
    if [item.kind for item in first] != [item.kind for item in second]:
        return
    for one, other in zip(first, second, strict=True):
        ids = dict(_ids(one.body))
        for path, after in _ids(other.body):
            if path in ids and ids[path] != after:
                yield path, ids[path], after


def _ids(value: JSON, path: str = "") -> Iterator[tuple[str, JSON]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _ids(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _ids(inner, f"{path}[{at}]")
    elif ID.search(path):
        yield path, value
