"""What the makes of a destination that runs around another one have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from router.deliver import commands
from router.deliver.commands import Changed, Command, ReplayOrder
from router.deliver.operations import Shown
from router.deliver.runner_port import DestinationRunner
from router.deliver.send.rate_limit import RateLimit
from router.store import DeadLetterFilter, Status

R = TypeVar("R", bound=DestinationRunner)


class RunnerAround(ABC, Generic[R]):
    """Most of a `DestinationRunner`. How it is the inner one tells, as this process knows it; what operators ask goes through `ask`."""

    def __init__(self, runner: R) -> None:
        self._runner = runner
        self.destination = runner.destination

    @abstractmethod
    async def ask(self, command: Command) -> Any:
        """Have a command carried out. Raises CommandRefused."""

    # ------------------------------------------------------------ how it is

    @property
    def needs_restart(self) -> bool:
        """See `Runner`."""
        return self._runner.needs_restart

    @needs_restart.setter
    def needs_restart(self, is_needed: bool) -> None:
        self._runner.needs_restart = is_needed

    @property
    def rate(self) -> RateLimit | None:
        """See `Runner`."""
        return self._runner.rate

    def keep_rate(self, former: RateLimit | None) -> None:
        """See `Runner`. To be called before `run`."""
        self._runner.keep_rate(former)

    def probe_at_once(self) -> None:
        """See `Runner`. To be called before `run`."""
        self._runner.probe_at_once()

    @property
    def in_flight(self) -> int:
        """See `Runner`."""
        return self._runner.in_flight

    @property
    def round_s(self) -> float:
        """See `Runner`."""
        return self._runner.round_s

    @property
    def status(self) -> Status:
        """See `Runner`."""
        return self._runner.status

    def describe(self) -> dict[str, Any]:
        """See `Runner`."""
        return self._runner.describe()

    @property
    def last_exchanges(self) -> dict[str, Any]:
        """See `Runner`."""
        return self._runner.last_exchanges

    async def describe_waiting(self) -> dict[str, dict[str, float]]:
        """See `Runner`."""
        return await self._runner.describe_waiting()

    async def describe_replay(self) -> dict[str, Any]:
        """See `Runner`."""
        return await self._runner.describe_replay()

    # ------------------------------------------------------------ what operators ask

    async def pause(self, words: str = "") -> Changed:
        """See `Runner`."""
        changed: Changed = await self.ask(commands.Pause(words))
        return changed

    async def resume(self) -> Changed:
        """See `Runner`."""
        changed: Changed = await self.ask(commands.Resume())
        return changed

    async def release(self, key: str, group: Mapping[str, Any] | None) -> int:
        """See `Runner`."""
        return int(await self.ask(commands.Release(key, None if group is None else dict(group))))

    async def drop(self, key: str, shown: Shown | None = None) -> int:
        """See `Runner`."""
        return int(await self.ask(commands.Drop(key, shown)))

    async def replay(self, order: ReplayOrder) -> dict[str, Any]:
        """See `Runner`."""
        answer: dict[str, Any] = await self.ask(commands.Replay(order))
        return answer

    async def stop_replay(self) -> dict[str, Any]:
        """See `Runner`."""
        told: dict[str, Any] = await self.ask(commands.StopReplay())
        return told

    async def drop_letters(self, which: DeadLetterFilter, pos: int | None = None) -> int:
        """See `Runner`."""
        return int(await self.ask(commands.DropLetters(which, pos)))

    async def drop_deletions(self, positions: Sequence[int]) -> None:
        """See `Runner`."""
        await self.ask(commands.DropDeletions(list(positions)))
