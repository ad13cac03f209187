"""Keyed state and timers."""

from __future__ import annotations

from typing import Any

from router.plugin import MAX_STATE_BYTES, MAX_STATE_KEY
from router.testing.checking.calls_in_order import tell
from router.testing.checking.check import DoesNotApply, Findings, Tier, check, found, need_hook
from router.testing.checking.event_variants import of_user
from router.testing.checking.mapped_subject import MANY
from router.testing.checking.mapping_call import key_of, short
from router.testing.checking.mapping_runs import EVERYTHING
from router.testing.checking.subject import Subject
from router.testing.checking.watch import Watch
from router.testing.samples import USER

ANOTHER = "u-2077"


@check(
    Tier.BRONZE,
    proves=f"`state_key` gives None or a text of at most {MAX_STATE_KEY:,} characters.",
    why="The key is stored. A number is another key than its text, and half of a character cannot be stored.",
    fix='Give a text made of ids: f"visit:{event.user_id}".',
)
def state_key_text(subject: Subject) -> Findings:
    need_hook(subject, "state_key")
    for one in subject.observed:
        if one.key.value is not None and not _is_key(one.key.value):
            yield found(f"hook state_key, {one.made.label}", f"gave {short(repr(one.key.value))}", "a text or None")


def _is_key(key: Any) -> bool:
    if not isinstance(key, str) or not key or len(key) > MAX_STATE_KEY or "\x00" in key:
        return False
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True


@check(
    Tier.SILVER,
    proves="`state_key` gives the same key for the same event, also at another instance.",
    why="State that is stored under another key after a restart is lost, and never erased.",
    fix="Make the key of ids of the event only.",
)
def state_key_stable(subject: Subject) -> Findings:
    need_hook(subject, "state_key")
    for others in (subject.observed_again, subject.observed_elsewhere):
        for one, other in zip(subject.observed, others, strict=True):
            gave, later = one.key.value, other.key.value
            if gave != later:
                yield found(f"hook state_key, {one.made.label}", f"gave {gave!r}, and later {later!r}", "the same")


@check(
    Tier.BRONZE,
    proves="State and timers are used only for events that have a state key.",
    why="Without a key there is nowhere to keep them: the event is a dead letter (`plugin_error`).",
    fix="Give a key in `state_key` for each type of event whose hook uses context.state or context.wake.",
)
def state_has_key(subject: Subject) -> Findings:
    for step in subject.story.steps:
        if step.used_without_key:
            yield found(step.made.where, "it used state or timer, and state_key gives None", "a key")


@check(
    Tier.SILVER,
    proves="A state that a hook changes is assigned to context.state.",
    why="Only what is assigned is kept. What was changed in place alone is as it was for the next event.",
    fix="Assign it at the end: context.state = state.",
)
def state_assigned(subject: Subject) -> Findings:
    need_hook(subject, "state_key")
    for step in (step for story in (subject.story, subject.grown[1]) for step in story.steps):
        if step.is_changed_in_place:
            yield found(step.made.where, "it changed the state in place, and did not assign it", "context.state = ...")


@check(
    Tier.SILVER,
    proves="The state that a hook leaves can be kept: JSON, small and not too deep, and a timer with a time zone.",
    why="What cannot be stored makes the event a dead letter, and the state stays as it was.",
    fix=f"Keep at most {MAX_STATE_BYTES // 1024} KiB of JSON for each key, and instants as text or numbers. Use event.received_at for timers.",
)
def state_fits(subject: Subject) -> Findings:
    need_hook(subject, "state_key")
    for step in subject.story.steps:
        if step.unfit:
            yield found(step.made.where, step.unfit, "a state and a timer that can be kept")


@check(
    Tier.SILVER,
    proves="The state of a user does not grow with each event.",
    why="It is read and written with every event, and at 8 KiB each further event of that user is a dead letter.",
    fix="Keep counts, sums and the last few ids, not a list of everything.",
    needs=("mapping_fast",),
)
def state_bounded(subject: Subject) -> Findings:
    need_hook(subject, "state_key")
    half, whole = subject.grown
    for key, state in whole.states.items():
        grew = len(state) - len(half.states.get(key, state))
        if grew >= MANY // 8:
            yield found(
                f"key {key!r}",
                f"{len(state):,} bytes after {MANY} events, {grew:,} more than after half of them",
                "as many",
            )
    for step in [step for step in whole.steps if step.unfit][:1]:
        yield found(f"key {step.key!r}, {step.made.label}", step.unfit, "a state that can be kept")


@check(
    Tier.GOLD,
    proves="A state that names a person is of that person only.",
    why="`forget` erases each state whose key or value names the person. Of a state that several share, the others lose theirs.",
    fix="Use a key of each person. In a state that is shared, keep counts and hashes only.",
)
def state_per_person(subject: Subject) -> Findings:
    need_hook(subject, "state_key")
    destination, samples = subject.make(), subject.sample_events()
    story = tell(destination, samples, subject.package)
    marks = [str(mark).encode() for mark in (USER.id, USER.traits["email"], samples["track"].anonymous_id)]
    ours = {
        step.key: step.state
        for step in story.steps
        if step.key and step.state and any(mark in step.state for mark in marks)
    }
    watch = Watch(subject.package, EVERYTHING, profile=False)
    for type, event in samples.items():
        key = key_of(destination, of_user(ANOTHER, event), watch).text
        if key in ours:
            yield found(
                f"key {key!r}",
                f"its state names a person ({short(ours[key])}), and a {type} call of another user has it, too",
                "a key of each person",
            )


@check(
    Tier.SILVER,
    proves="Timers have a hook `wake`, and one that is set again while it rings is set to a later time.",
    why="A timer that is set to its own time or the past rings again at once, without end.",
    fix="In `wake`, set the next timer to `at` plus something, or leave it.",
)
def timers(subject: Subject) -> Findings:
    story = subject.story
    rung = [step for step in story.steps if step.woken_at is not None]
    set_ = [step for step in story.steps if step.timer is not None]
    if not rung and not set_:
        raise DoesNotApply("it sets no timer")
    if "wake" not in subject.destination.hooks:
        yield found(set_[0].made.where, "it set a timer, and there is no hook wake", "the hook")
    for step in rung:
        if step.timer is not None and step.woken_at is not None and step.timer <= step.woken_at:
            yield found(step.made.where, f"set to {step.timer} while it rang at {step.woken_at}", "a later time")
