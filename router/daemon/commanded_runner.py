"""A destination in a store that several processes use: what operators ask of it is asked of the process that has it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from router.daemon.commands import SharedCommands
from router.daemon.runner_around import RunnerAround
from router.deliver import commands
from router.deliver.commands import Command, Ticket
from router.deliver.runner_port import ShardRunner
from router.errors import CommandRefused
from router.store import PART, Regulation, Share, Tool, Unit

Shares = Callable[[str], Awaitable[Sequence[Share]]]
"""Of a destination the shards that the store has."""


class CommandedRunner(RunnerAround[ShardRunner]):
    """A `DestinationRunner` around the one of this process."""

    def __init__(
        self,
        runner: ShardRunner,
        commands: SharedCommands,
        unmark: Callable[[], None],
        shares: Shares,
    ) -> None:
        """`unmark`: at the next start its hooks run in the loop of all again."""
        super().__init__(runner)
        self._commands, self._unmark, self._shares = commands, unmark, shares
        self._share = runner.destination.share
        self._unit = Unit(PART, runner.destination.name, self._share.shard)

    async def ask(self, command: Command) -> Any:
        """Ask it of whoever has the destination. Raises CommandRefused `elsewhere` where that is split into another number of shards."""
        await self._check_number()
        return await self._commands.ask(self._unit, command)

    async def _check_number(self) -> None:
        """The shard of this number has other users there, or is not all of them."""
        n, name = len(await self._shares(self._unit.destination)), self._unit.destination
        if n not in (0, self._share.shards):
            words = f"{name} has {n} shards, and {self._share.shards} as this node has it configured: ask a node that has delivery.shards = {n}"
            raise CommandRefused("elsewhere", words)

    @property
    def shards(self) -> Sequence[ShardRunner]:
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
        await self._check_number()
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
