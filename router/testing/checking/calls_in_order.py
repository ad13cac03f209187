"""The calls of one user in order: the state that they leave, the timers that they set, and what the timers make."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import msgspec

from router.deliver.process.plugin_state import encode_state, encode_timer
from router.plugin import JSON, Event, Skip
from router.plugin_host import Destination
from router.testing.checking.hook_inputs import contexts, is_called
from router.testing.checking.loops import KitLoop, run
from router.testing.checking.mapping_call import Ears, Made, key_of, make
from router.testing.checking.mapping_runs import EVERYTHING
from router.testing.checking.process_state import Changes
from router.testing.checking.watch import Watch
from router.testing.samples import SampleContext

__all__ = ["Step", "Story", "tell"]

MAX_WAKES = 5
"""Of one key in a row."""


@dataclass
class Step:
    """One call, and what is kept of it."""

    made: Made
    key: str | None
    event: Event | None = None
    state: bytes | None = None  #: what the hook left; None for none
    unfit: str = ""  #: the state or the timer cannot be kept
    timer: datetime | None = None
    woken_at: datetime | None = None  #: the instant of the timer that this step is
    used_without_key: bool = False
    is_changed_in_place: bool = False  #: the hook changed the state that it was given, and did not assign it


@dataclass
class Story:
    """All steps, and what is kept at the end."""

    steps: list[Step] = field(default_factory=list)
    states: dict[str, bytes] = field(default_factory=dict)
    timers: dict[str, datetime] = field(default_factory=dict)
    printed: str = ""
    logged: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)  #: see `Changes`


def tell(destination: Destination, events: Mapping[str, Event], package: str, *, profile: bool = False) -> Story:
    """Map the events in order, as a worker keeps their state, then call the timers. `package`, `profile`: see `observe`."""
    watch = Watch(package, EVERYTHING, profile=profile)

    async def all_of_it(loop: KitLoop) -> Story:
        story = Story()
        with Ears() as ears, Changes() as changes:
            play(story)
            story.printed, story.logged = ears.heard()
        story.changed = changes.found
        return story

    def play(story: Story) -> None:
        for label, event in events.items():
            if is_called(destination, event):
                story.steps.append(_mapped(destination, story, label, event, watch))
        for key in list(story.timers):
            for _ in range(MAX_WAKES):
                if key in story.timers and "wake" in destination.hooks:
                    story.steps.append(_woken(destination, story, key, watch))

    return run(all_of_it)


def _mapped(destination: Destination, story: Story, label: str, event: Event, watch: Watch) -> Step:
    hooks = destination.hooks
    given = key_of(destination, event, watch)  # `mapping_runs` looks at what it did
    key = given.text
    state = None if event.is_replay else _state(story, key)
    _, context = next(contexts(destination, event.type, copy.deepcopy(state)))
    made = make(event.type, label, partial(hooks[event.type], event, context), watch, is_replay=event.is_replay)
    step = Step(made, key, event)
    if not event.is_replay:  # of a replay nothing is kept
        _keep(story, step, context)
        step.is_changed_in_place = _is_changed_in_place(made, state, context)
        step.used_without_key = given.error is None and key is None and _uses_state(context)
    return step


def _woken(destination: Destination, story: Story, key: str, watch: Watch) -> Step:
    at = story.timers.pop(key)
    _, context = next(contexts(destination, "wake", _state(story, key)))
    made = make("wake", f"the timer of {key!r}", partial(destination.hooks["wake"], key, at, context), watch)
    step = Step(made, key, woken_at=at, is_changed_in_place=_is_changed_in_place(made, _state(story, key), context))
    _keep(story, step, context)
    return step


def _state(story: Story, key: str | None) -> JSON:
    return msgspec.json.decode(story.states[key]) if key is not None and key in story.states else None


def _uses_state(context: SampleContext) -> bool:
    return context._changed or context._wake is not None


def _is_changed_in_place(made: Made, before: JSON, context: SampleContext) -> bool:
    return _is_kept(made) and not context._changed and context.state != before


def _is_kept(made: Made) -> bool:
    """Whether the state that a call leaves is kept: where it made items or skipped the event."""
    return made.is_sound and isinstance(made.outcome, Skip | None)


def _keep(story: Story, step: Step, context: SampleContext) -> None:
    if not _is_kept(step.made) or step.key is None:
        return
    try:
        step.state = encode_state(context.state)
        encode_timer(context._wake, "u:1")
        step.timer = context.wake_at
        if step.timer is not None and step.timer.tzinfo is None:
            raise ValueError(f"the timer {step.timer} has no time zone")
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        step.unfit = str(error)
        return
    if context._changed:
        story.states.pop(step.key, None)
        if step.state is not None:
            story.states[step.key] = step.state
    if context._wake is not None:
        story.timers.pop(step.key, None)
        if step.timer is not None:
            story.timers[step.key] = step.timer
