"""A plugin under check: its class, its settings, and what several checks look at. Each part is made when it is first asked for."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from typing import Any

from router.plugin import JSON, Event, Item, Settings
from router.plugin_host import Destination, FormResult, check_form
from router.plugin_host.time_budgets import SLICE_S
from router.testing.around import make_destination
from router.testing.checking import many_calls
from router.testing.checking.activity import Activity
from router.testing.checking.answered_deliveries import AnsweredDelivery, deliver_with_each_answer
from router.testing.checking.built_requests import Built, build
from router.testing.checking.calls_in_order import Story, tell
from router.testing.checking.check import CannotBeMade, DoesNotApply
from router.testing.checking.check_hook import Checked, checked, checked_with
from router.testing.checking.hook_inputs import KNOWN, OWN, events_for
from router.testing.checking.leftovers import left_by_a_life
from router.testing.checking.life import Life, open_life
from router.testing.checking.loops import KitLoop, run, threads
from router.testing.checking.mapping_call import Ears, Made
from router.testing.checking.mapping_runs import Observed, observe
from router.testing.checking.marked_settings import ONE_MORE_MARK, OTHER_MARK, marked, others
from router.testing.checking.other_process import NotMapped, mapped_elsewhere
from router.testing.checking.process_state import Changes
from router.testing.checking.scene import Scene
from router.testing.checking.standard_answers import GOOD
from router.testing.checking.vendor_function import OwnAnswers
from router.testing.checking.vendor_in_memory import all_is_well
from router.testing.checking.watch import Use, Watch
from router.testing.checking.watched_calls import CLOCK, HASH, IO, PROCESS, START, WAIT
from router.testing.replies import Answers, Received
from router.testing.samples import CALLS

__all__ = ["MANY", "Subject"]

MANY, EARLIER = 600, 12
"""Calls that show what few of them do not; those that came earlier at another instance."""
GRACE_S = 0.5
LIVING = frozenset({IO, WAIT, PROCESS, CLOCK, HASH})
"""What is noted while a plugin sends. It may use clocks and chance, tasks and threads there: where it used a clock, more is asked."""


class Subject:
    """What the functions of checks are given."""

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

    @property
    def changed(self) -> list[str]:
        """What its code changed of the process: while it was imported, made, called in order, and lived."""
        self.form  # noqa: B018  # makes an instance
        told = [name for story in self.stories for name in story.changed]
        told += [name for activity in self.lived for name in activity.changed]
        return list(dict.fromkeys([*self._early_changes.found, *told]))

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

    # ------------------------------------------------------------ sending

    @cached_property
    def built(self) -> list[Built]:
        """All calls of the hook `request`. Raises DoesNotApply."""
        if "request" not in self.destination.hooks:
            raise DoesNotApply("it has no hook request")
        return build(self)

    def run(self, main: Callable[[KitLoop], Coroutine[Any, Any, Any]]) -> Any:
        """What a coroutine of one loop returns. Without a scene the plugin's code reaches nothing in it."""
        return self.watched(main).result

    def watched(self, main: Callable[[KitLoop], Coroutine[Any, Any, Any]]) -> Activity:
        """The same, with what the plugin's code did meanwhile."""

        async def with_watch(loop: KitLoop) -> Activity:
            watch = Watch(self.package, LIVING, refuse=self.scene is None, all_threads=True)
            with Ears() as ears, Changes() as changes, watch:
                result = await main(loop)
            return Activity(result, watch.uses, watch.refusals, *ears.heard(), loop.touched, changes.found)

        self.samples  # noqa: B018  # what is sent is made before, in a loop of its own
        done: Activity = run(with_watch, cuts_sleep=self.scene is None)
        return done

    @property
    def lived(self) -> list[Activity]:
        """What the plugin does while it lives: its deliveries with each of the standard answers, a whole life, and its hook `check`."""
        return [self._deliveries, self._left[1], self.checked]

    @property
    def answered_deliveries(self) -> list[AnsweredDelivery]:
        """Deliveries with each of the standard answers."""
        found: list[AnsweredDelivery] = self._deliveries.result
        return found

    @cached_property
    def _deliveries(self) -> Activity:
        return self.watched(lambda loop: deliver_with_each_answer(self, loop))

    @cached_property
    def checked(self) -> Activity:
        """Calls of the hook `check`, a list of Checked; none where the plugin has no such hook."""
        return self.watched(lambda loop: checked(self, loop))

    @cached_property
    def checked_with_other_secrets(self) -> Checked | None:
        """A call of it while all is well, with other secrets; None where no secret can be another one."""
        settings = marked(self.model, self.given, OTHER_MARK)
        if settings == self.settings:
            return None
        called: Checked = self.watched(lambda loop: checked_with(self, loop, settings)).result
        return called

    def requests_for(self, kind: str) -> list[Received]:
        """What a new instance sends for an item of this kind while all is well."""
        sent = [one.delivery.requests for one in self.answered_deliveries if one.answer == GOOD and one.kind == kind]
        return sent[0] if sent else []

    @property
    def answers(self) -> list[AnsweredDelivery]:
        """The same without the successes. Raises DoesNotApply where it does not send by the Sender."""
        self.need_sender()
        return [one for one in self.answered_deliveries if one.answer != GOOD]

    @property
    def successes(self) -> list[AnsweredDelivery]:
        """Deliveries while all is well. Raises CannotBeMade where nothing can be sent."""
        if not self.uses_sender and self.scene is None:
            raise CannotBeMade(self._no_scene)
        return [one for one in self.answered_deliveries if one.answer == GOOD]

    @cached_property
    def uses_sender(self) -> bool:
        """Whether it sends by the Sender."""
        return any(one.delivery.requests for one in self.answered_deliveries)

    def need_sender(self) -> None:
        """Raises DoesNotApply where the plugin does not send by the Sender. Then `success` asks for a scene."""
        if not self.uses_sender:
            raise DoesNotApply("it does not send by the Sender")

    @property
    def _no_scene(self) -> str:
        tried = f" It tried {refusals[0]}." if (refusals := self._deliveries.refusals) else ""
        words = "it does not send by the Sender, so the checks let it reach nothing."
        return f"{words}{tried} Give conformance(scene=...) a Scene, which says what it may reach"

    @cached_property
    def threads_left(self) -> list[str]:
        """Names of the threads that are there after a life, and were not before."""
        return self._left[0]

    @cached_property
    def tasks_left(self) -> list[str]:
        """The tasks that are there after a life."""
        tasks: list[str] = self._left[1].result
        return tasks

    @cached_property
    def _left(self) -> tuple[list[str], Activity]:
        before = threads()
        life = self.watched(lambda loop: left_by_a_life(self, loop))
        left = threads() - before
        for thread in left:
            thread.join(GRACE_S)  # one that is about to end is none that stays
        return [thread.name for thread in left if thread.is_alive()], life

    def opened_scene(self) -> AbstractAsyncContextManager[Mapping[str, JSON]]:
        """A clean other end, as settings that lead there."""
        return (self.scene or Scene()).open()

    def in_a_life(self, use: Callable[[Life], Awaitable[Any]]) -> Any:
        """What `await use(life)` returns, of a new life."""

        async def main(loop: KitLoop) -> Any:
            async with open_life(self, loop) as life:
                return await use(life)

        return self.run(main)
