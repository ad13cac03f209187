"""A trial in the daemon: in a thread of its own, with plugin instances of its own. A hook that hangs holds nobody up.

A hook that does not return is interrupted. `PluginThreads` bounds the number of threads whose hooks catch that.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from router.errors import CommandRefused
from router.event import Call
from router.plugin_host import Destination, with_new_instance
from router.plugin_host.hook_watch import HookWatch
from router.plugin_host.plugin_threads import PluginThreads
from router.trial.credential_check import Checked, check
from router.trial.destination import DestinationTrial
from router.trial.intake import Intake
from router.trial.known import Known
from router.trial.trial import try_events

LIMIT_S = 10.0
"""How long a trial may take."""


CHECK_LIMIT_S = 60.0
"""How long a check of the credentials may take."""

Events = list[dict[str, Any]]
T = TypeVar("T")


class Trials:
    """Runs trials for the admin API and the console."""

    def __init__(self, threads: PluginThreads) -> None:
        self._threads = threads

    async def run(
        self,
        events: Sequence[bytes | Call],
        intake: Intake,
        destinations: Sequence[Destination],
        known: Known,
        now_ms: int,
        answer: str = "",
    ) -> Events:
        """See `try_events`. Raises CommandRefused `busy`, `timeout` or `plugin_error`."""
        return await self._run(
            destinations, lambda fresh: try_events(events, intake, fresh, known, now_ms, answer), LIMIT_S
        )

    async def decide(self, calls: Sequence[Call], destination: Destination, known: Known) -> Events:
        """What would become of these stored calls, in order; see `DestinationTrial.run`. Raises CommandRefused as `run` does."""

        async def each(fresh: Sequence[Destination]) -> Events:
            trial = DestinationTrial(fresh[0], known)
            return [await trial.run(call) for call in calls]

        return await self._run([destination], each, LIMIT_S)

    async def check(self, destination: Destination, missing: str = "") -> Checked:
        """See `credential_check.check`. Raises CommandRefused as `run` does."""
        return await self._run([destination], lambda fresh: check(fresh[0], missing), CHECK_LIMIT_S)

    async def _run(
        self,
        destinations: Sequence[Destination],
        work: Callable[[Sequence[Destination]], Coroutine[Any, Any, T]],
        limit_s: float,
    ) -> T:
        """Carry this out with destinations that have an instance of their own."""

        def live() -> T:
            try:
                fresh = [dataclasses.replace(with_new_instance(one), watch=HookWatch()) for one in destinations]
                return asyncio.run(work(fresh))
            except BaseException as error:  # a plugin may raise anything; who asked reads it
                words = f"a plugin failed in the trial: {type(error).__name__}: {error}"
                for one in destinations:
                    words = one.redact(words)
                raise CommandRefused("plugin_error", words) from None

        try:
            return await self._threads.run("trial", live, limit_s)
        except TimeoutError:
            words = f"the trial took longer than {limit_s:g} s: a hook of a plugin does not return"
            raise CommandRefused("timeout", words) from None
