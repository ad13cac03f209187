"""Commands in a store that several processes use: whichever is asked records them, and the one that has the destination carries them out.

A command has one result, whatever dies: its effect and its answer are one commit (`router/store/postgres/commands.py`). What its owner has not
stored is done by the next one.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from router.background import beside
from router.clock import Clock
from router.deliver.commands import Command, Ticket
from router.deliver.runner_port import DestinationRunner
from router.errors import ClaimLost, CommandRefused, CommandUnderWay, StoreError
from router.logger import Log
from router.store import AskedCommand, CommandRow, Commands, Unit

LOOK_S = 0.2
"""Between two looks for commands of others. Those of this process are looked for at once."""
ANSWER_S = 10.0
"""So long whoever asked waits for the answer."""
ANSWER_LOOK_S = 0.05
MOST_TRIES = 5
"""A command that was begun so often without an end is refused: it may be what ends the worker."""
LEFT = frozenset({"stopping", "elsewhere"})
"""Refusals after which the next owner carries it out."""


class ReloadOrder(msgspec.Struct, frozen=True):
    """A command to a node: read config.toml again. See `Reload.run`."""

    is_confirmed: bool
    via: str


Reloads = Callable[[ReloadOrder], Awaitable[Any]]


class SharedCommands:
    """Owned by the daemon. `runners`: the destinations that run here, by name. `reload`: carries out a command to this node."""

    def __init__(
        self,
        stored: Commands,
        runners: Callable[[], Mapping[str, DestinationRunner]],
        reload: Reloads,
        clock: Clock,
        log: Log,
    ) -> None:
        self._stored, self._runners, self._reload, self._clock, self._log = stored, runners, reload, clock, log
        self._under_way: dict[int, asyncio.Task[None]] = {}  #: those that this process carries out
        self._wake = asyncio.Event()

    # ------------------------------------------------------------ asking

    async def ask(self, unit: Unit, command: Command) -> Any:
        """Have a command carried out by the process that has the destination, or this shard of it, and wait for its answer.

        Raises:
            CommandRefused: what the owner says; `no_owner` where nobody has the destination: nothing was done, and nothing will be.
            CommandUnderWay: it was accepted, and is not done yet.
            StoreError: it was not recorded, or nobody knows.
        """
        id = await self._stored.ask(unit, msgspec.json.encode(command))
        row = (await self.wait_for([id], ANSWER_S)).get(id)
        try:
            if row is None and await self._stored.withdraw(id):
                words = f"no node delivers to {unit.destination} now; nothing was done: ask again in a moment"
                raise CommandRefused("no_owner", words)
        except StoreError:
            row = None
        row = row or await self._ended(id)
        if row is None:
            words = f"accepted as command {id}, and not done yet: GET /api/commands/{id} tells what it comes to; do not ask again"
            raise CommandUnderWay(id, words)
        return answer_of(row, command.ANSWER)

    async def wait_for(self, asked: Collection[int], within_s: float) -> dict[int, CommandRow]:
        """Those of these commands that come to an end in time."""
        self._wake.set()
        ended: dict[int, CommandRow] = {}
        until = self._clock.monotonic() + within_s
        while True:
            for id in asked:
                if id not in ended and (row := await self._ended(id)) is not None:
                    ended[id] = row
            if len(ended) == len(asked) or self._clock.monotonic() >= until:
                return ended
            await self._clock.sleep(ANSWER_LOOK_S)

    async def _ended(self, id: int) -> CommandRow | None:
        """The command, if it has come to an end. A database that is away is asked again."""
        try:
            row = await self._stored.find(id)
        except StoreError:
            return None
        return row if row is not None and row.state in ("done", "refused") else None

    # ------------------------------------------------------------ carrying out

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Carry out what is asked of the destinations that this process has. What is not done by the end the next owner does."""
        async with beside("commands", self._run, self._clock, self._log):
            yield
        for task in self._under_way.values():
            task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way.values())

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                taken = await self._stored.take(list(self._under_way))
            except StoreError:  # told of by whoever writes
                taken = []
            for asked in taken:
                task = asyncio.create_task(self._carry_out(asked), name=f"command-{asked.id}")
                self._under_way[asked.id] = task
                task.add_done_callback(lambda _, id=asked.id: self._under_way.pop(id, None))  # type: ignore[misc]
            await self._pause()

    async def _pause(self) -> None:
        woken = [asyncio.ensure_future(self._wake.wait()), asyncio.ensure_future(self._clock.sleep(LOOK_S))]
        try:
            await asyncio.wait(woken, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in woken:
                one.cancel()

    async def _carry_out(self, asked: AskedCommand) -> None:
        ticket = Ticket(asked.id, asked.epoch, msgspec.json.decode(asked.reached) if asked.reached else None)
        try:
            answer = await self._answer(asked, ticket)
        except CommandRefused as error:
            if error.code not in LEFT:
                await self._close(asked, "refused", [error.code, str(error)])
        except ClaimLost:
            return
        except Exception:
            words = traceback.format_exc()
            self._log.emit("internal_error", destination=asked.destination, reason="command", detail=words)
            node = "the node that delivers to it" if asked.destination else "that node"
            words = f"a fault of the router itself; the log of {node} has the traceback"
            await self._close(asked, "refused", ["internal_error", words])
        else:
            if not ticket.is_booked:  # else the commit with its effect says so
                await self._close(asked, "done", answer)

    async def _answer(self, asked: AskedCommand, ticket: Ticket) -> Any:
        if not asked.destination:
            return await self._reload(msgspec.json.decode(asked.text, type=ReloadOrder))
        runner = self._runners().get(asked.destination)
        if runner is None:
            raise CommandRefused("not_found", f"{asked.destination} is configured no more")
        if asked.shard >= len(runner.shards):
            raise CommandRefused("elsewhere", f"here {asked.destination} has {len(runner.shards)} shards")
        if asked.tries > MOST_TRIES:
            words = (
                f"it was begun {MOST_TRIES} times, and the worker of {asked.destination} ended each time: see its log"
            )
            raise CommandRefused("given_up", words)
        command = msgspec.json.decode(asked.text, type=Command)
        if asked.tries > 1 and not command.IS_TAKEN_UP:
            raise CommandRefused("ended_half_way", f"the node that had {asked.destination} ended meanwhile: ask again")
        return await runner.shards[asked.shard].carry_out(command, ticket)

    async def _close(self, asked: AskedCommand, state: str, answer: Any) -> None:
        """As soon as there is a database; the next owner would do it once more."""
        while True:
            try:
                return await self._stored.close(asked, state, msgspec.json.encode(answer))
            except StoreError:
                await self._clock.sleep(LOOK_S)


def answer_of(row: CommandRow, type: Any = Any) -> Any:
    """What a command that has ended came to. Raises CommandRefused where it was refused."""
    if row.state == "refused":
        code, words = msgspec.json.decode(row.answer, type=tuple[str, str])
        raise CommandRefused(code, words)
    return msgspec.json.decode(row.answer, type=type)
