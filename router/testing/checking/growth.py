"""Whether memory grows with each call: of a mapping hook, or of a delivery.

Python's own count of its allocated blocks says so, wherever a plugin keeps something: on the instance, at its class, in a module, in the
logging package. What is freed again after the call is not counted, and a cache with a bound stops growing.
"""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from router.testing.checking.hook_inputs import contexts
from router.testing.checking.life import Life, open_life
from router.testing.checking.loops import KitLoop, rounds, run
from router.testing.checking.many_calls import calls_of_many_users
from router.testing.checking.mapping_call import Ears, Made, key_of, make
from router.testing.checking.mapping_runs import EVERYTHING
from router.testing.checking.watch import Watch

if TYPE_CHECKING:
    from router.testing.checking.subject import Subject

__all__ = ["Growth", "mapped_growth", "sent_growth"]

MAPPED, SENT = (200, 16_200), (60, 4_860)
"""Events before the first count, and before the last calls where memory grows with each of them: of mapping hooks, and of deliveries, which
take longer. A cache with a bound below the second number is good."""


class Growth(NamedTuple):
    """What was allocated and not freed."""

    blocks: int
    calls: int

    @property
    def is_endless(self) -> bool:
        """Whether about every other call has left something."""
        return self.blocks >= self.calls // 2


async def growth_of(call: Callable[[int, int], Awaitable[None]], first: int, most: int) -> Growth:
    """What the last calls have left. While they leave something, more and more calls are made, each time twice as many as before.

    Args:
        call: makes the calls of these numbers, from the first one up to the second one, which is not made.
        first: how many calls are made before anything is counted.
        most: after how many only few more are made, which decide.
    """
    begin, end = 0, first
    before = 0
    with _only_new_garbage():
        while True:
            await call(begin, end)
            await rounds()  # what was started ends
            gc.collect()
            now = sys.getallocatedblocks()
            growth = Growth(now - before, end - begin)
            if begin and (not growth.is_endless or end > most):
                return growth
            # the last calls begin at `most`: by then a cache with a bound below it is full
            begin, end, before = end, 3 * end if end < most else most + most // 8, now


@contextmanager
def _only_new_garbage() -> Iterator[None]:
    """What was there before is not looked through at each collection. Where somebody has frozen objects before, they stay so."""
    is_frozen = gc.get_freeze_count() > 0
    gc.collect()
    gc.freeze()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pytest keeps them
            yield
    finally:
        if not is_frozen:
            gc.unfreeze()


def mapped_growth(subject: Subject) -> Growth:
    """What mapping hooks keep of events, each of another user."""
    mapper = _Mapper(subject, 1_000_000)

    async def call(first: int, end: int) -> None:
        for _ in mapper.made(first, end):
            pass

    async def main(loop: KitLoop) -> Growth:
        with mapper.ears:
            return await growth_of(call, *MAPPED)

    return run(main)


def sent_growth(subject: Subject) -> Growth:
    """What hooks that send keep of items, each of an event of another user. Of a subject without a scene."""
    mapper = _Mapper(subject, 2_000_000)

    async def main(loop: KitLoop) -> Growth:
        watch = Watch(subject.package, frozenset(), refuse=True, all_threads=True, profile=False)
        with mapper.ears, watch:
            async with open_life(subject, loop) as life:
                return await growth_of(partial(_deliver, life, mapper), *SENT)

    return run(main)


async def _deliver(life: Life, mapper: _Mapper, first: int, end: int) -> None:
    for made in mapper.made(first, end):
        for item in made.items if made.is_sound else ():
            await life.deliver([item])
            mapper.ears.heard()


class _Mapper:
    """Maps events, and keeps nothing of them."""

    def __init__(self, subject: Subject, before: int) -> None:
        """
        Args:
            before: the number that is added to that of each user and call. What a class keeps of the calls of others is not met again.
        """
        self.ears, self._before = Ears(), before
        self._destination, self._samples = subject.make(), subject.sample_events()
        self._watch = Watch(subject.package, EVERYTHING, profile=False)

    def made(self, first: int, end: int) -> Iterator[Made]:
        """What becomes of the events of these users, one after the other."""
        for label, event in calls_of_many_users(
            self._destination, self._samples, self._before + first, self._before + end
        ):
            key_of(self._destination, event, self._watch)
            _, context = next(contexts(self._destination, event.type))
            yield make(event.type, label, partial(self._destination.hooks[event.type], event, context), self._watch)
            self.ears.heard()
