"""A destination in a store that several processes use: what operators ask of it is asked of the process that has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from router.daemon.commands import Commands
from router.daemon.runner_around import RunnerAround
from router.deliver import commands
from router.deliver.commands import Command, Ticket
from router.deliver.runner_port import DestinationRunner
from router.errors import CommandRefused
from router.store import PART, WHOLE, Regulation, Share, Tool, Unit


class CommandedRunner(RunnerAround[DestinationRunner]):
    """A `DestinationRunner` around the one of this process."""

    def __init__(
        self, runner: DestinationRunner, commands: Commands, unmark: Callable[[], None], share: Share = WHOLE
    ) -> None:
        """`unmark`: at the next start its hooks run in the loop of all again."""
        super().__init__(runner)
        self._commands, self._unmark = commands, unmark
        self._unit = Unit(PART, runner.destination.name, share.shard)

    async def ask(self, command: Command) -> Any:
        """Ask it of whoever has the destination."""
        return await self._commands.ask(self._unit, command)

    @property
    def shards(self) -> Sequence[DestinationRunner]:
        """See `Runner`."""
        return (self,)

    # ------------------------------------------------------------ life, in this process

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

    # ------------------------------------------------------------ people

    async def forget(self, regulation: Regulation) -> None:
        """See `Runner`. Here, where nobody else has the destination: it may have no owner."""
        try:
            await self._runner.forget(regulation)
        except CommandRefused as error:
            if error.code != "elsewhere":
                raise
            await self.ask(commands.Forget(regulation.id))

    async def forget_answers(self, regulation: Regulation) -> None:
        """See `Runner`."""
        await self.ask(commands.ForgetAnswers(regulation.id))

    async def ask_to_delete(self, regulation: Regulation) -> Tool:
        """See `Runner`."""
        tool: Tool = await self.ask(commands.AskToDelete(regulation.id))
        return tool
