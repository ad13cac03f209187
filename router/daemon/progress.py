"""Whether the daemon gets on with its work, and what of it does not.

A worker or the store's writer takes its work in pieces: a round of the loop, a group of writes. Each piece ends by itself within
seconds, however slow the vendor, however full the disk. One that lasts for STALL_S is stuck.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping
from typing import NamedTuple

from router.deliver.runner_port import DestinationRunner
from router.store import Health

STALL_S = 60.0
"""Longer than any piece of work takes: a hook that holds the loop is interrupted after 30 s."""


class Stalled(NamedTuple):
    """Something that has been at one piece of work for STALL_S or longer."""

    what: str  #: `store`, or the name of a destination
    seconds: float

    def __str__(self) -> str:
        who = "the store's writer" if self.what == "store" else f"destination {self.what}"
        return f"{who} has been at one piece of work for {self.seconds:.0f} s"


class PiecesOfWork:
    """Looks at the pieces of work. Cheap, and waits for nothing.

    Args:
        runners: those that run now. One in a thread of its own holds up nobody, and is told of as `hook_held`.
    """

    def __init__(self, health: Health, runners: Callable[[], Mapping[str, DestinationRunner]]) -> None:
        self._health, self._runners = health, runners

    def stalled(self) -> list[Stalled]:
        """What does not get on; empty while all does."""
        at_work = {"store": self._health.writing_s}
        at_work |= {name: runner.round_s for name, runner in self._runners().items()}
        return [Stalled(what, seconds) for what, seconds in at_work.items() if seconds >= STALL_S]


def work_done() -> int:
    """A number that grows while this process computes, reads or writes: milliseconds of processor time, and blocks of the disk."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return int((usage.ru_utime + usage.ru_stime) * 1000) + usage.ru_inblock + usage.ru_oublock
