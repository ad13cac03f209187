"""A destination in a store that several processes use: what operators ask of it is asked of the process that has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from router.daemon.commands import Commands
from router.deliver import commands
from router.deliver.commands import Changed, Command, ReplayOrder, Ticket
from router.deliver.operations import Shown
from router.deliver.runner_port import DestinationRunner
from router.deliver.send.rate_limit import RateLimit
from router.errors import CommandRefused
from router.store import DeadLetterFilter, Regulation, Status, Tool


class CommandedRunner:
    """A `DestinationRunner` around the one of this process."""

    def __init__(self, runner: DestinationRunner, commands: Commands, unmark: Callable[[], None]) -> None:
        """`unmark`: at the next start its hooks run in the loop of all again."""
        self._runner, self._commands, self._unmark = runner, commands, unmark
        self.destination = runner.destination

    @property
    def needs_restart(self) -> bool:
        """See `Runner`."""
        return self._runner.needs_restart

    @needs_restart.setter
    def needs_restart(self, value: bool) -> None:
        self._runner.needs_restart = value

    async def _ask(self, command: Command) -> Any:
        return await self._commands.ask(self.destination.name, command)

    # ------------------------------------------------------------ life, in this process

    @property
    def rate(self) -> RateLimit | None:
        """See `Runner`."""
        return self._runner.rate

    def keep_rate(self, former: RateLimit | None) -> None:
        """See `Runner`."""
        self._runner.keep_rate(former)

    def probe_at_once(self) -> None:
        """See `Runner`."""
        self._runner.probe_at_once()

    async def open(self) -> None:
        """See `Runner`."""
        await self._runner.open()

    async def run(self) -> None:
        """See `Runner`."""
        await self._runner.run()

    def stop(self) -> None:
        """See `Runner`."""
        self._runner.stop()

    def cut(self) -> None:
        """See `Runner`."""
        self._runner.cut()

    async def carry_out(self, command: Command, ticket: Ticket | None = None) -> Any:
        """See `Runner`."""
        if isinstance(command, commands.Resume):
            self._unmark()
        return await self._runner.carry_out(command, ticket)

    # ------------------------------------------------------------ how it is, as this process knows it

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

    # ------------------------------------------------------------ what is asked of whoever has it

    async def pause(self, words: str = "") -> Changed:
        """See `Runner`."""
        changed: Changed = await self._ask(commands.Pause(words))
        return changed

    async def resume(self) -> Changed:
        """See `Runner`."""
        changed: Changed = await self._ask(commands.Resume())
        return changed

    async def release(self, key: str, group: Mapping[str, Any] | None) -> int:
        """See `Runner`."""
        return int(await self._ask(commands.Release(key, None if group is None else dict(group))))

    async def drop(self, key: str, shown: Shown | None = None) -> int:
        """See `Runner`."""
        return int(await self._ask(commands.Drop(key, shown)))

    async def replay(self, order: ReplayOrder) -> dict[str, Any]:
        """See `Runner`."""
        answer: dict[str, Any] = await self._ask(commands.Replay(order))
        return answer

    async def stop_replay(self) -> dict[str, Any]:
        """See `Runner`."""
        told: dict[str, Any] = await self._ask(commands.StopReplay())
        return told

    async def drop_letters(self, which: DeadLetterFilter, pos: int | None = None) -> int:
        """See `Runner`."""
        return int(await self._ask(commands.DropLetters(which, pos)))

    async def forget(self, regulation: Regulation) -> None:
        """See `Runner`. Here, where nobody else has the destination: it may have no owner."""
        try:
            await self._runner.forget(regulation)
        except CommandRefused as error:
            if error.code != "elsewhere":
                raise
            await self._ask(commands.Forget(regulation.id))

    async def forget_answers(self, regulation: Regulation) -> None:
        """See `Runner`."""
        await self._ask(commands.ForgetAnswers(regulation.id))

    async def ask_to_delete(self, regulation: Regulation) -> Tool:
        """See `Runner`."""
        tool: Tool = await self._ask(commands.AskToDelete(regulation.id))
        return tool

    async def drop_deletions(self, positions: Sequence[int]) -> None:
        """See `Runner`."""
        await self._ask(commands.DropDeletions(list(positions)))
