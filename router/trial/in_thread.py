"""A trial in the daemon: in a thread of its own, with plugin instances of its own. A hook that hangs holds nobody up.

The thread is a daemon thread: one that a hook holds for ever ends with the process. One trial at a time, so there is at most
one such thread.
"""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from router.errors import CommandRefused
from router.event import Call
from router.plugin_host import Destination, with_new_instance
from router.plugin_host.hook_watch import HookWatch
from router.trial.intake import Intake
from router.trial.known import Known
from router.trial.trial import try_events

LIMIT_S = 10.0
"""How long a trial may take."""


Events = list[dict[str, Any]]


class TrialThread:
    """Runs trials for the admin API."""

    def __init__(self) -> None:
        self.is_busy = False

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
        if self.is_busy:
            raise CommandRefused(
                "busy",
                "another trial is running; try again in some seconds. A trial whose hook never returns ends with the daemon",
            )
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Events] = loop.create_future()

        def ended(result: Events | CommandRefused) -> None:
            self.is_busy = False
            if done.done():
                return
            if isinstance(result, CommandRefused):
                done.set_exception(result)
            else:
                done.set_result(result)

        def live() -> None:
            result: Events | CommandRefused
            try:
                fresh = [dataclasses.replace(with_new_instance(one), watch=HookWatch()) for one in destinations]
                result = asyncio.run(try_events(events, intake, fresh, known, now_ms, answer))
            except BaseException as error:  # a plugin may raise anything; who asked reads it
                words = f"a plugin failed in the trial: {type(error).__name__}: {error}"
                for one in destinations:
                    words = one.redact(words)
                result = CommandRefused("plugin_error", words)
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(ended, result)

        self.is_busy = True
        threading.Thread(target=live, name="trial", daemon=True).start()
        try:
            async with asyncio.timeout(LIMIT_S):
                return await done
        except TimeoutError:
            words = f"the trial took longer than {LIMIT_S:g} s: a hook of a plugin does not return"
            raise CommandRefused("timeout", words) from None
