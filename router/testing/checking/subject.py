"""A plugin under check, with what it sends. Each part is made when it is first asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from typing import Any

from router.plugin import JSON
from router.testing.checking.activity import Activity
from router.testing.checking.answered_deliveries import AnsweredDelivery, deliver_with_each_answer
from router.testing.checking.built_requests import Built, build
from router.testing.checking.check import CannotBeMade, DoesNotApply
from router.testing.checking.check_hook import Checked, checked, checked_with
from router.testing.checking.leftovers import left_by_a_life
from router.testing.checking.life import Life, open_life
from router.testing.checking.loops import KitLoop, run, threads
from router.testing.checking.mapped_subject import MappedSubject
from router.testing.checking.mapping_call import Ears
from router.testing.checking.marked_settings import OTHER_MARK, marked
from router.testing.checking.process_state import Changes
from router.testing.checking.scene import Scene
from router.testing.checking.standard_answers import GOOD
from router.testing.checking.watch import Watch
from router.testing.checking.watched_calls import CLOCK, HASH, IO, PROCESS, WAIT
from router.testing.replies import Received

__all__ = ["Subject"]

GRACE_S = 0.5
LIVING = frozenset({IO, WAIT, PROCESS, CLOCK, HASH})
"""What is noted while a plugin sends. It may use clocks and chance, tasks and threads there: where it used a clock, more is asked."""


class Subject(MappedSubject):
    """What the functions of checks are given."""

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

    @property
    def changed(self) -> list[str]:
        """What its code changed of the process: while it was imported, made, called in order, and lived."""
        self.form  # noqa: B018  # makes an instance
        told = [name for story in self.stories for name in story.changed]
        told += [name for activity in self.lived for name in activity.changed]
        return list(dict.fromkeys([*self._early_changes.found, *told]))
