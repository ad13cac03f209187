"""Asks a destination for what an operator wants. One that is being exchanged is waited for, and the one that takes its place is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

from router.deliver.runner_port import DestinationRunner
from router.errors import CommandNotBegun, CommandRefused

T = TypeVar("T")


class Destinations(Protocol):
    """The destinations that run."""

    @property
    def runners(self) -> Mapping[str, DestinationRunner]:
        """By name."""
        ...

    async def is_exchanged(self, name: str, former: DestinationRunner) -> bool:
        """Wait until another runner has taken the place of this one. False: none does in time, or the daemon ends."""
        ...


def runner_of(there: Destinations, name: str) -> DestinationRunner:
    """A destination that is configured. Raises CommandRefused `not_found`."""
    runner = there.runners.get(name)
    if runner is None:
        known = ", ".join(sorted(there.runners)) or "none"
        raise CommandRefused("not_found", f"no destination {name!r}; configured: {known}")
    return runner


async def ask(there: Destinations, name: str, what: Callable[[DestinationRunner], Awaitable[T]]) -> T:
    """The answer of a destination. Raises CommandRefused: what it says, and `not_found`."""
    runner = runner_of(there, name)
    try:
        return await what(runner)
    except CommandNotBegun:
        if not await there.is_exchanged(name, runner):
            raise
    return await what(runner_of(there, name))
