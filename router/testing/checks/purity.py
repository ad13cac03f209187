"""What hooks must not do: mapping hooks are pure, and no hook touches the process."""

from __future__ import annotations

from collections.abc import Collection

from router.plugin_host.time_budgets import SLICE_S
from router.testing.checking.check import Findings, Tier, check, found
from router.testing.checking.mapping_call import short
from router.testing.checking.subject import Subject
from router.testing.checking.watched_calls import CHANCE, CLOCK, HASH, IO, PROCESS, START, SURROUNDINGS, WAIT


def _uses(subject: Subject, kinds: Collection[str], expected: str) -> Findings:
    done = [(f"hook state_key, {one.made.label}", one.key.uses) for one in subject.observed]
    done += [(made.where, made.uses) for made in (*subject.made, *subject.made_by_many)]
    for where, uses in done:
        yield from (found(where, str(use), expected) for use in uses if use.kind in kinds)


@check(
    Tier.SILVER,
    proves="Mapping hooks touch no file, socket, database, other process or environment variable.",
    why="They run in the event loop of all destinations, once more after a crash, and in `try`, which promises to do nothing.",
    fix="Read files and make connections in `lifetime`, and send in `deliver`. What an operator may change is a setting.",
)
def mapping_without_io(subject: Subject) -> Findings:
    return _uses(subject, {IO, SURROUNDINGS}, "event, context and settings only")


@check(
    Tier.SILVER,
    proves="Mapping hooks read no clock.",
    why="An event may be mapped hours after it was received, and again after a crash: its items would differ.",
    fix='Use event.received_at, which is "now" for every hook, or `at` in `wake`.',
)
def mapping_without_clock(subject: Subject) -> Findings:
    return _uses(subject, {CLOCK}, "event.received_at instead")


@check(
    Tier.SILVER,
    proves="Mapping hooks use no chance: no random numbers, no UUIDs, no hash() of a text.",
    why="An event that is mapped again after a crash would be another one to the vendor. hash() differs at each start.",
    fix="Derive ids from event.message_id, with hashlib or uuid.uuid5.",
)
def mapping_without_chance(subject: Subject) -> Findings:
    return _uses(subject, {CHANCE, HASH}, "the same at each call")


@check(
    Tier.SILVER,
    proves="Mapping hooks wait for nothing.",
    why="They run in the event loop: ingestion and all other destinations wait with them.",
    fix="To be called later, set a timer with context.wake(at), or raise RetryLater.",
)
def mapping_never_waits(subject: Subject) -> Findings:
    return _uses(subject, {WAIT}, "no wait")


@check(
    Tier.SILVER,
    proves="Mapping hooks start no task and no thread.",
    why="Nobody waits for them, nobody ends them, and what they do happens again when the event is mapped again.",
    fix="Start what has to run beside the plugin in `lifetime`, which ends it.",
)
def mapping_starts_nothing(subject: Subject) -> Findings:
    return _uses(subject, {START}, "nothing started")


@check(
    Tier.BRONZE,
    proves="No hook changes the process: its loop, signals, environment, folder, umask, locale, root logger, TLS checks, or functions of Python.",
    why="They belong to the daemon. One that no longer hears SIGTERM cannot be stopped in good order.",
    fix="Leave the loop, signal.signal, os.environ, os.chdir, logging.basicConfig and ssl alone, and patch nothing. Keep settings on the instance.",
    needs=("lifetime_opens",),
)
def process_unharmed(subject: Subject) -> Findings:
    yield from _uses(subject, {PROCESS}, "the process left alone")
    lived = subject.lived
    for use in [*subject.init_uses, *(use for activity in lived for use in activity.uses)]:
        if use.kind == PROCESS:
            yield found("__init__, or a hook that sends", str(use), "the process left alone")
    for name in subject.changed:
        yield found("the plugin", f"it changed {name}", "the process left alone")
    for call in (call for activity in lived for call in activity.touched):
        yield found("a hook that sends", call, "the loop left alone")


@check(
    Tier.SILVER,
    proves="Hooks print nothing.",
    why="What is printed ends in the journal without a time, a destination and a mask over secrets.",
    fix="Use the logging module, context.warn(reason), or the detail of an outcome.",
    needs=("lifetime_opens",),
)
def nothing_printed(subject: Subject) -> Findings:
    for one in subject.observed:
        if one.made.printed:
            yield found(one.made.where, f"printed {short(one.made.printed)}", "nothing")
    for story in subject.stories:
        if story.printed:
            yield found("a mapping hook, called many times", f"printed {short(story.printed)}", "nothing")
    for activity in subject.lived:
        if activity.printed:
            yield found("a hook that sends", f"printed {short(activity.printed)}", "nothing")


@check(
    Tier.SILVER,
    proves=f"A mapping hook takes less than {SLICE_S * 1000:.0f} ms of the processor for any event.",
    why="The router maps in slices of that length. Longer calls delay ingestion and all other destinations.",
    fix="Compile patterns and read tables once, in __init__. Do not walk through the whole call for each field.",
)
def mapping_fast(subject: Subject) -> Findings:
    for made, spent_s in subject.slow:
        yield found(made.where, f"took {spent_s * 1000:.0f} ms of the processor", f"less than {SLICE_S * 1000:.0f} ms")


@check(
    Tier.SILVER,
    proves="__init__ reaches nothing, waits for nothing and starts nothing.",
    why="It runs at start, at each reload, in `check` and in `try`. A server that is down must not stop them.",
    fix="Open connections in `lifetime`, or at the first delivery.",
)
def init_quiet(subject: Subject) -> Findings:
    subject.destination  # noqa: B018  # makes an instance
    for use in subject.init_uses:
        if use.kind != PROCESS:
            yield found("__init__", str(use), "settings stored, and no more")
