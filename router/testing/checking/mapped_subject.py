"""A plugin under check: its class, its settings, and what its mapping hooks make. Each part is made when it is first asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from router.plugin import JSON, Event, Item, Settings
from router.plugin_host import Destination, FormResult, check_form
from router.plugin_host.time_budgets import SLICE_S
from router.testing.around import make_destination
from router.testing.checking import many_calls
from router.testing.checking.calls_in_order import Story, tell
from router.testing.checking.check import DoesNotApply
from router.testing.checking.hook_inputs import KNOWN, OWN, events_for
from router.testing.checking.mapping_call import Made
from router.testing.checking.mapping_runs import Observed, observe
from router.testing.checking.marked_settings import ONE_MORE_MARK, marked, others
from router.testing.checking.other_process import NotMapped, mapped_elsewhere
from router.testing.checking.process_state import Changes
from router.testing.checking.scene import Scene
from router.testing.checking.vendor_function import OwnAnswers
from router.testing.checking.vendor_in_memory import all_is_well
from router.testing.checking.watch import Use, Watch
from router.testing.checking.watched_calls import IO, PROCESS, START, WAIT
from router.testing.replies import Answers
from router.testing.samples import CALLS

__all__ = ["MANY", "MappedSubject"]

MANY, EARLIER = 600, 12
"""Calls that show what few of them do not; those that came earlier at another instance."""


class MappedSubject:
    """What comes before anything is sent."""

    def __init__(
        self,
        plugin: type[Any],
        settings: Mapping[str, JSON] | None = None,
        *,
        vendor: Answers | None = None,
        calls: Iterable[Mapping[str, JSON] | bytes] = (),
        scene: Scene | None = None,
        import_changes: Changes | None = None,
        **table: Any,
    ) -> None:
        """See `conformance`. `import_changes`: of the process, by the import of the plugin."""
        self.plugin, self.given, self.table = plugin, dict(settings or {}), table
        self.good = OwnAnswers(vendor or all_is_well)
        self.has_own_answer = vendor is not None
        self.calls, self.scene = list(calls), scene
        self._early_changes = import_changes or Changes()

    @property
    def name(self) -> str:
        """Of the plugin's class."""
        return self.plugin.__name__

    @cached_property
    def package(self) -> str:
        """The package that the plugin's code is in."""
        module = self.plugin.__module__
        is_package = hasattr(sys.modules.get(module), "__path__")
        return module if is_package else module.rpartition(".")[0] or module

    # ------------------------------------------------------------ form and settings

    @cached_property
    def form(self) -> dict[str, FormResult]:
        """The checks of its form, by name."""
        with self._early_changes, self._first_init:
            return {one.name: one for one in check_form(self.plugin, self.given)}

    @property
    def model(self) -> type[Settings]:
        """Of its settings."""
        model: type[Settings] = self.plugin.settings_model
        return model

    @cached_property
    def settings(self) -> dict[str, Any]:
        """With secrets that can be found again."""
        return marked(self.model, self.given)

    @cached_property
    def other_settings(self) -> dict[str, Any]:
        """The same with other secrets and addresses."""
        return others(self.model, self.given)

    @cached_property
    def other_secrets(self) -> dict[str, Any]:
        """The same with other secrets alone."""
        return marked(self.model, self.given, ONE_MORE_MARK)

    @cached_property
    def secrets(self) -> list[str]:
        """Secrets that can be looked for. Raises DoesNotApply."""
        found = [secret for secret in self.destination.secrets if len(secret) >= 6]
        if not found:
            raise DoesNotApply("its settings hold no secret of six characters or more")
        return found

    def make(self, more: Mapping[str, JSON] | None = None, *, copy: type[Any] | None = None) -> Destination:
        """A destination with a new instance.

        Args:
            more: settings in place of others.
            copy: of its class, of which the instance is.
        """
        with self._later_init:
            return make_destination(copy or self.plugin, {**self.settings, **(more or {})}, **self.table)

    @cached_property
    def destination(self) -> Destination:
        """For what it declares; its instance is used by no other check."""
        return self.make()

    @cached_property
    def _first_init(self) -> Watch:
        """Watches the first instance closely."""
        return Watch(self.package, frozenset({IO, WAIT, START, PROCESS}), refuse=self.scene is None)

    @cached_property
    def _later_init(self) -> Watch:
        """Lets no later instance reach or wait for anything either, in a quarter of the time."""
        return Watch(self.package, frozenset({IO, WAIT}), refuse=self.scene is None, profile=False)

    @property
    def init_uses(self) -> list[Use]:
        """What was done while instances were made."""
        return list(dict.fromkeys([*self._first_init.uses, *self._later_init.uses]))

    # ------------------------------------------------------------ mapping

    def events(self) -> dict[str, Event]:
        """All events by name, new ones at each call."""
        return events_for(self.destination, self.calls)

    @cached_property
    def instances(self) -> tuple[Destination, Destination]:
        """Two that do nothing but map."""
        return self.make(), self.make()

    @cached_property
    def observed(self) -> list[Observed]:
        """All calls of mapping hooks, watched."""
        return observe(self.instances[0], self.events(), self.package, profile=True)

    @property
    def observed_once(self) -> list[Observed]:
        """The same calls, of a new instance, without the watch."""
        return observe(self.make(), self.events(), self.package)

    @cached_property
    def mapped_elsewhere(self) -> list[tuple[str, str]]:
        """What comes of the same calls in another process: its mark, and words. Raises DoesNotApply where that cannot be told."""
        try:
            return mapped_elsewhere(self)
        except NotMapped as reason:
            raise DoesNotApply(str(reason)) from None

    @cached_property
    def observed_again(self) -> list[Observed]:
        """The same calls of the same instance."""
        self.observed  # noqa: B018  # they come first
        return observe(self.instances[0], self.events(), self.package)

    @cached_property
    def observed_elsewhere(self) -> list[Observed]:
        """The same calls of another instance, after calls of other users."""
        earlier = many_calls.calls_of_many_users(self.instances[1], self.sample_events(), 0, EARLIER)
        observe(self.instances[1], dict(earlier), self.package)
        return observe(self.instances[1], self.events(), self.package)

    @cached_property
    def story(self) -> Story:
        """The calls in order, with their state and timers."""
        return tell(self.make(), self.events(), self.package, profile=True)

    @cached_property
    def grown(self) -> tuple[Story, Story]:
        """Many calls of one user, half and whole."""
        samples, package = self.sample_events(), self.package
        half = many_calls.of_one_user(self.make(), samples, package, MANY // 2)
        return half, many_calls.of_one_user(self.make(), samples, package, MANY)

    @cached_property
    def _many(self) -> Story:
        """Many calls, each of another user."""
        return many_calls.of_many_users(self.make(), self.sample_events(), self.package, MANY)

    @property
    def slow(self) -> list[tuple[Made, float]]:
        """Calls that take longer than a slice, and the seconds of the quicker of two."""
        both = zip(self.observed_again, self.observed_elsewhere, strict=True)
        spent = [(one.made, min(one.made.spent_s, other.made.spent_s)) for one, other in both]
        return [(made, spent_s) for made, spent_s in spent if spent_s > SLICE_S and not made.too_much]

    @property
    def stories(self) -> list[Story]:
        """Calls in order: the samples once, and, of hooks that are quick, many calls of one user and of many."""
        if self.slow:
            return [self.story]
        return [self.story, *self.grown, self._many]

    def sample_events(self) -> dict[str, Event]:
        """One well-made event of each type."""
        events = self.events()
        return {type: events[f"call {type!r}"] for type in CALLS}

    def single_events(self) -> Iterator[Event]:
        """The well-made ones, then the author's own."""
        yield from self.sample_events().values()
        yield from (event for label, event in self.events().items() if label.startswith(OWN))

    def mapped(self, events: Mapping[str, Event]) -> list[Made]:
        """What a new instance makes of these events, in order."""
        return [step.made for step in tell(self.make(), events, self.package).steps]

    @property
    def made(self) -> list[Made]:
        """Every call of a hook that makes items."""
        return [*(one.made for one in self.observed), *(step.made for step in self.story.steps)]

    @property
    def made_by_many(self) -> list[Made]:
        """What hooks that are quick made of many calls."""
        return [step.made for story in self.stories[1:] for step in story.steps]

    @cached_property
    def samples(self) -> dict[str, list[Item]]:
        """Items by kind, no two of them alike: first those of what is known best."""
        ranked = sorted(self.made, key=lambda made: KNOWN not in made.label)
        found: dict[str, dict[bytes, Item]] = {}
        for made in ranked:
            for item in made.items if made.is_sound else ():
                if item.kind in self.destination.kinds:
                    found.setdefault(item.kind, {}).setdefault(item.json, item)
        return {kind: list(items.values()) for kind, items in found.items()}

    @cached_property
    def deletions(self) -> set[str]:
        """Kinds of items that only deletions make."""
        others = {item.kind for made in self.made if not made.hook.startswith("forget") for item in made.items}
        return set(self.samples) - others
