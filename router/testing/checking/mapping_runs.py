"""Every mapping hook, called with every event and all that may be known beside it, in a running loop as in the daemon."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from router.plugin import Event, Profile
from router.plugin_host import Destination
from router.testing.checking.hook_inputs import GROUPS, PEOPLE, contexts, is_called
from router.testing.checking.loops import KitLoop, run
from router.testing.checking.mapping_call import Ears, Key, Made, key_of, make
from router.testing.checking.process_state import Changes
from router.testing.checking.watch import Use, Watch
from router.testing.checking.watched_calls import CHANCE, CLOCK, HASH, IO, PROCESS, START, SURROUNDINGS, WAIT
from router.testing.samples import SampleContext

__all__ = ["EVERYTHING", "Observed", "observe"]

EVERYTHING = frozenset({IO, CLOCK, CHANCE, HASH, WAIT, START, PROCESS, SURROUNDINGS})
"""What is noted of hooks that are pure."""


@dataclass
class Observed:
    """One call, with what it was given before and after."""

    made: Made
    event: Event | None = None  #: None: a deletion
    event_before: Event | None = None
    context: SampleContext | None = None
    known_before: tuple[Profile | None, Profile | None] = (None, None)
    key: Key = field(default_factory=Key)

    @property
    def known(self) -> tuple[Profile | None, Profile | None]:
        """User and group."""
        return (None, None) if self.context is None else (self.context.user, self.context.group)


def observe(
    destination: Destination, events: Mapping[str, Event], package: str, *, profile: bool = False
) -> list[Observed]:
    """Call the hooks, always in the same order.

    Args:
        package: of the plugin.
        profile: watch all that its hooks do; it takes them several times as long.
    """
    watch = Watch(package, EVERYTHING, profile=profile)

    async def all_of_it(loop: KitLoop) -> list[Observed]:
        with Ears() as ears, Changes() as changes:
            seen = []
            for one in _calls(destination, events, watch):
                one.made.printed, one.made.logged = ears.heard()
                one.made.uses += [Use(PROCESS, *call.rsplit(" at ", 1)) for call in loop.touched]
                one.made.uses += [Use(PROCESS, f"a change of {name}", "some line") for name in changes.taken()]
                loop.touched.clear()
                seen.append(one)
            return seen

    return run(all_of_it)


def _calls(destination: Destination, events: Mapping[str, Event], watch: Watch) -> Iterator[Observed]:
    hooks = destination.hooks
    for label, event in events.items():
        if is_called(destination, event):
            for known, context in contexts(destination, event.type):
                yield _mapped(destination, f"{label}, {known}", event, context, watch)
    if "forget" in hooks:
        for label, person in PEOPLE.items():
            yield Observed(make("forget", label, partial(hooks["forget"], person), watch))
    if "forget_group" in hooks:
        for label, group in GROUPS.items():
            yield Observed(make("forget_group", label, partial(hooks["forget_group"], group), watch))


def _mapped(destination: Destination, label: str, event: Event, context: SampleContext, watch: Watch) -> Observed:
    hooks = destination.hooks
    before, known = copy.deepcopy(event), copy.deepcopy((context.user, context.group))
    key = key_of(destination, event, watch)
    made = make(event.type, label, partial(hooks[event.type], event, context), watch, is_replay=event.is_replay)
    return Observed(made, event, before, context, known, key)
