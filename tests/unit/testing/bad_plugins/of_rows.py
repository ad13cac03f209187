"""Plugins that misbehave as some have: what each does, and the check that catches it before it is deployed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, ClassVar

from router.plugin import Answer, Context, Event, Item, Outcome, Pause, Reject, RetryLater, Sender, hookimpl
from tests.unit.testing.bad_plugins import of_answers, of_batches, of_living, of_mapping, of_preparing, of_sending
from tests.unit.testing.bad_plugins.good import Base, Good, GoodSettings


class Own(BaseException):
    """None of Python's."""


class RaisesInAHook(Good):
    error: ClassVar[Callable[[], BaseException]]

    def body(self, event: Event) -> dict[str, Any]:
        raise type(self).error()


class ExitsInStateKey(Good):
    def key(self, event: Event) -> Any:
        sys.exit(3)


class Delivers(Good):
    """Does something before it sends."""

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        await self.disturb()
        return await super().send(items, sender)

    async def disturb(self) -> None:
        raise NotImplementedError


class ExitsInDeliver(Delivers):
    async def disturb(self) -> None:
        sys.exit(3)


class RaisesItsOwnInDeliver(Delivers):
    async def disturb(self) -> None:
        raise Own


class AwaitsACancelledTask(Delivers):
    async def disturb(self) -> None:
        task = asyncio.create_task(asyncio.Event().wait())
        task.cancel()
        await task


class StopsTheLoopInDeliver(Delivers):
    async def disturb(self) -> None:
        asyncio.get_running_loop().stop()


class EndsTheProcessInDeliver(Delivers):
    async def disturb(self) -> None:
        os._exit(0)


class SignalsItselfInDeliver(Delivers):
    async def disturb(self) -> None:
        signal.raise_signal(signal.SIGTERM)


class HasATaskThatExits(Delivers):
    async def disturb(self) -> None:
        self.task = asyncio.create_task(self._exit())
        await asyncio.sleep(0)

    async def _exit(self) -> None:
        sys.exit(3)


class IgnoresSigterm(Delivers):
    async def disturb(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


class ExitsInLifetime(Good):
    @hookimpl
    async def lifetime(self) -> AsyncIterator[None]:
        sys.exit(3)
        yield


class ExitsWhenItIsMade(Good):
    def __init__(self, settings: GoodSettings) -> None:
        sys.exit(3)


class LosesATaskOfItsLife(Good):
    @hookimpl
    async def lifetime(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._fail())
            yield

    async def _fail(self) -> None:
        await asyncio.sleep(0.2)
        raise ConnectionError("lost")


class HangsAtItsEnd(Good):
    @hookimpl
    async def lifetime(self) -> AsyncIterator[None]:
        yield
        await asyncio.Event().wait()


class YieldsTwice(Good):
    @hookimpl
    async def lifetime(self) -> AsyncIterator[None]:
        yield
        yield


class Refuses(Good):
    """Refuses everything with an outcome that is not as the contract says."""

    outcome: ClassVar[Callable[[], Outcome]]

    def read(self, items: list[Item], answer: Answer) -> Any:
        return type(self).outcome()


class RefusesInAHook(Good):
    outcome: ClassVar[Callable[[], Reject]]

    @hookimpl
    def identify(self, event: Event, context: Context) -> Any:
        raise type(self).outcome()


class TakesFiftyMilliseconds(Good):
    def body(self, event: Event) -> dict[str, Any]:
        if event.name == "Report Exported" and event.message_id == "sample-track":
            ends = time.thread_time() + 0.05
            while time.thread_time() < ends:
                pass
        return super().body(event)


class StartsAThread(Good):
    ended: ClassVar[threading.Event] = of_living.LeavesAThread.ended

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        threading.Thread(target=self.ended.wait, name="stays", daemon=False).start()
        return await super().send(items, sender)


def _raises(error: Callable[[], BaseException]) -> type[Base]:
    return type("Raises", (RaisesInAHook,), {"error": staticmethod(error), "__module__": __name__})


def _refuses(outcome: Callable[[], Any], base: type[Base] = Refuses) -> type[Base]:
    return type("Gives", (base,), {"outcome": staticmethod(outcome), "__module__": __name__})


def _outcome(kind: Any, *fields: Any, **more: Any) -> Callable[[], Any]:
    return lambda: kind(*fields, **more)


ENDS = ("no_base_exception",)
ROWS: tuple[tuple[str, type[Base], tuple[str, ...]], ...] = (
    ("a hook raises SystemExit", _raises(SystemExit), ENDS),
    ("a hook raises KeyboardInterrupt", _raises(KeyboardInterrupt), ENDS),
    ("a hook raises CancelledError", _raises(asyncio.CancelledError), ENDS),
    ("a hook raises GeneratorExit", _raises(GeneratorExit), ENDS),
    ("a hook raises its own BaseException", _raises(Own), ENDS),
    ("sys.exit in state_key", ExitsInStateKey, ENDS),
    ("sys.exit in deliver", ExitsInDeliver, ENDS),
    ("sys.exit in lifetime", ExitsInLifetime, ("lifetime_opens",)),
    ("sys.exit in __init__", ExitsWhenItIsMade, ("instance",)),
    ("loop.stop() in deliver", StopsTheLoopInDeliver, ("process_unharmed",)),
    ("os._exit in deliver", EndsTheProcessInDeliver, ("process_unharmed",)),
    ("SIGTERM to itself in deliver", SignalsItselfInDeliver, ("process_unharmed",)),
    ("a task that exits", HasATaskThatExits, ("process_unharmed",)),
    ("a task of the lifetime fails", LosesATaskOfItsLife, ("lifetime_opens", "lifetime_lasts")),
    ("deliver awaits a cancelled task", AwaitsACancelledTask, ENDS),
    ("deliver raises its own BaseException", RaisesItsOwnInDeliver, ENDS),
    ("detail is None", _refuses(_outcome(Reject, "refused", None)), ("outcomes_well_formed",)),
    ("detail is a dict", _refuses(_outcome(RetryLater, "later", {"a": 1})), ("outcomes_well_formed",)),
    ("detail is bytes", _refuses(_outcome(Pause, "credentials", b"key")), ("outcomes_well_formed",)),
    ("after_s is a text", _refuses(_outcome(RetryLater, "later", after_s="2")), ("outcomes_well_formed",)),
    ("reason is a dict", _refuses(_outcome(Reject, {}), RefusesInAHook), ("raised_outcomes",)),
    ("reason is None", _refuses(_outcome(Reject, None), RefusesInAHook), ("raised_outcomes",)),
    ("reason is half of a character", _refuses(_outcome(Reject, "\ud83d"), RefusesInAHook), ("raised_outcomes",)),
    ("detail of a mapping hook is a dict", _refuses(_outcome(Reject, "bad", {}), RefusesInAHook), ("raised_outcomes",)),
    ("mapping takes 50 ms", TakesFiftyMilliseconds, ("mapping_fast",)),
    ("a thread stays", StartsAThread, ("no_thread_left",)),
    ("SIGTERM is ignored", IgnoresSigterm, ("process_unharmed",)),
    ("the end of lifetime hangs", HangsAtItsEnd, ("lifetime_closes",)),
    ("lifetime yields twice", YieldsTwice, ("lifetime_closes",)),
    ("the end of lifetime raises an exception", of_living.FailsAtItsEnd, ("lifetime_closes",)),
    ("a time-out around the life passes", of_living.HasATimeOutAroundItsLife, ("lifetime_lasts",)),
    ("__init__ sleeps", of_mapping.SleepsWhenItIsMade, ("init_quiet",)),
    ("a mapping hook sleeps", of_mapping.Sleeps, ("mapping_never_waits",)),
    ("a timer that rings is set to the past", of_mapping.RingsForEver, ("timers",)),
    ("deliver blocks the loop", of_sending.Blocks, ("sending_never_blocks",)),
    ("deliver swallows its cancellation", of_sending.SwallowsCancellation, ("cancellable",)),
    ("one time-out ends a token task that others wait for", of_sending.SharesATask, ("cancel_spares_others",)),
    ("deliver empties its list of items", of_sending.EmptiesItsList, ("items_unchanged",)),
    ("verdict gives a wrong number of outcomes", of_answers.CountsWrongly, ("outcome_count",)),
    ("results of a batch are found by the user", of_batches.FindsResultsByUser, ("results_by_item",)),
    ("a batch is sent one by one", of_batches.SendsOneByOne, ("batch_is_one_request",)),
    ("ids that were looked up are kept at the class", of_preparing.KeepsAccountsAtTheClass, ("instances_apart",)),
    ("a token is kept at the class", of_preparing.KeepsTheTokenOfDeletionsAtTheClass, ("instances_apart",)),
    ("a secret of the first account stays in the module", of_preparing.KeepsTheFirstSecret, ("instances_apart",)),
    ("the failure of a look-up is ignored", of_preparing.BelievesThatItWasFound, ("errors_not_delivered",)),
    ("a cache is filled before its request has succeeded", of_preparing.KeepsWhatItHasNotGot, ("attempts_repeat",)),
    ("requests for an item are sent at the same time", of_sending.SendsItsPartsAtOnce, ("requests_in_order",)),
)
"""What it does, the plugin, and the checks of which at least one has to catch it. docs/plugin-conformance.md shows them."""
