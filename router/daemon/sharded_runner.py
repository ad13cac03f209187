"""A destination that is split into shards, as operators and the daemon see it: one. What they ask of it goes to every shard, or to the one
that has the user."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from router.deliver.commands import Changed, ReplayOrder
from router.deliver.operations import Shown
from router.deliver.runner import state_of
from router.deliver.runner_port import ShardRunner
from router.deliver.send.rate_limit import RateLimit
from router.errors import CommandRefused
from router.plugin_host import Destination
from router.store import DeadLetterFilter, Regulation, Status, Tool
from router.vocabulary import EventState

T = TypeVar("T")

NOT_HERE = frozenset({"not_replayable"})
"""Refusals of a shard that has not the event."""
ADDED = ("total", "fed", "left_out", "remaining", "per_second")
"""Numbers of a replay."""
OF_ORDER = ("dead", "reason", "since", "filtered")
"""What is alike of the replays of shards that one order began."""


class ShardedRunner:
    """A `DestinationRunner` around those of its shards. `destination`: with the whole of what it may take."""

    def __init__(self, destination: Destination, shards: Sequence[ShardRunner]) -> None:
        self.destination = destination
        self.shards = tuple(shards)

    # ------------------------------------------------------------ life

    async def open(self) -> None:
        """See `Runner`."""
        for one in self.shards:
            await one.open()

    async def run(self) -> None:
        """Serve all shards until `stop`. Raises what the first one raises that ends by itself."""
        try:
            async with asyncio.TaskGroup() as group:
                for one in self.shards:
                    group.create_task(one.run())
        except BaseExceptionGroup as group_of_faults:
            raise group_of_faults.exceptions[0] from None

    def stop(self) -> None:
        """See `Runner`."""
        for one in self.shards:
            one.stop()

    def cut(self) -> None:
        """See `Runner`."""
        for one in self.shards:
            one.cut()

    def probe_at_once(self) -> None:
        """See `Runner`. To be called before `run`."""
        for one in self.shards:
            one.probe_at_once()

    @property
    def rate(self) -> RateLimit | None:
        """Each shard has a limit of its own; what is left of it is kept for nobody."""
        return None

    def keep_rate(self, former: RateLimit | None) -> None:
        """See `Runner`."""

    # ------------------------------------------------------------ how it is

    @property
    def needs_restart(self) -> bool:
        """See `Runner`."""
        return self.shards[0].needs_restart

    @needs_restart.setter
    def needs_restart(self, is_needed: bool) -> None:
        for one in self.shards:
            one.needs_restart = is_needed

    @property
    def in_flight(self) -> int:
        """Of the shards that this process has."""
        return sum(one.in_flight for one in self.shards)

    @property
    def round_s(self) -> float:
        """The longest."""
        return max(one.round_s for one in self.shards)

    @property
    def status(self) -> Status:
        """That of a shard that does not run, if there is one."""
        found = [one.status for one in self.shards]
        return next((status for status in found if status.state != "running"), found[0])

    def describe(self) -> dict[str, Any]:
        """See `Runner`. What only the process knows that has a shard is of those that this one has."""
        told = [one.describe() for one in self.shards]
        warnings: Counter[str] = Counter()
        for one in told:
            warnings.update(one["warnings"])
        return {
            **told[0],
            **state_of(self.status),
            "in_flight": self.in_flight,
            "mapped": sum(one["mapped"] for one in told),
            "warnings": dict(warnings),
        }

    @property
    def last_exchanges(self) -> dict[str, Any]:
        """The newest of all shards that this process has."""
        told = [one.last_exchanges for one in self.shards]
        return {how: max((one[how] for one in told if one[how]), key=_at, default=None) for how in told[0]}

    async def describe_waiting(self) -> dict[str, dict[str, float]]:
        """The store counts all of them together."""
        return await self.shards[0].describe_waiting()

    async def describe_replay(self) -> dict[str, Any]:
        """The newest replay, and how far its shards are."""
        return _replay_of([await one.describe_replay() for one in self.shards])

    # ------------------------------------------------------------ what operators ask

    async def pause(self, words: str = "") -> Changed:
        """See `Runner`."""
        return _changed(await self._each(lambda one: one.pause(words)))

    async def resume(self) -> Changed:
        """See `Runner`."""
        return _changed(await self._each(lambda one: one.resume()))

    async def release(self, key: str, group: Mapping[str, Any] | None) -> int:
        """See `Runner`."""
        return await self._of(key).release(key, group)

    async def drop(self, key: str, shown: Shown | None = None) -> int:
        """See `Runner`."""
        return await self._of(key).drop(key, shown)

    async def replay(self, order: ReplayOrder) -> dict[str, Any]:
        """See `Runner`. One event is replayed by the shard of its user, or by the one that has it where the user is not known any more."""
        if order.pos is not None:
            return await (self._of(order.user_key).replay(order) if order.user_key else self._replay_one(order))
        found = await self._each(lambda one: one.replay(order))
        if order.count_only:
            return {name: sum(one[name] for one in found) for name in found[0]}
        told = _replay_of(found)
        return {**told, "count": sum(one["count"] for one in found) if order.filtered else told["total"]}

    async def _replay_one(self, order: ReplayOrder) -> dict[str, Any]:
        refused: CommandRefused | None = None
        found: dict[str, Any] = {}
        for one in self.shards:
            try:
                found = await one.replay(order)
            except CommandRefused as error:
                if error.code not in NOT_HERE:
                    raise
                refused = error
            else:
                if found["count"]:
                    return found
        if not found and refused is not None:
            raise refused
        return found

    async def stop_replay(self) -> dict[str, Any]:
        """See `Runner`."""
        return _replay_of(await self._each(lambda one: one.stop_replay()))

    async def drop_letters(self, which: DeadLetterFilter, pos: int | None = None) -> int:
        """See `Runner`."""
        return sum(await self._each(lambda one: one.drop_letters(which, pos)))

    # ------------------------------------------------------------ people

    async def forget(self, regulation: Regulation) -> None:
        """See `Runner`."""
        await self._each(lambda one: one.forget(regulation))

    async def forget_answers(self, regulation: Regulation) -> None:
        """See `Runner`."""
        await self._each(lambda one: one.forget_answers(regulation))

    async def drop_deletions(self, positions: Sequence[int]) -> None:
        """See `Runner`."""
        await self._each(lambda one: one.drop_deletions(positions))

    async def ask_to_delete(self, regulation: Regulation) -> Tool:
        """See `Runner`. Each person is asked for by one shard."""
        tools = await self._each(lambda one: one.ask_to_delete(regulation))
        rows = [row for tool in tools for row in tool.rows]
        words = next((tool.words for tool in tools if tool.words), "")
        if rows:
            return Tool("RUNNING", words, rows)
        return next((tool for tool in tools if tool.status != "RUNNING"), tools[0])

    # ------------------------------------------------------------ which shard

    def _of(self, key: str) -> ShardRunner:
        return next(one for one in self.shards if one.destination.share.has(key))

    async def _each(self, ask: Callable[[ShardRunner], Awaitable[T]]) -> list[T]:
        """Ask all shards at once. Raises the first refusal: of which shard, and how many have done it all the same."""
        found = await asyncio.gather(*(ask(one) for one in self.shards), return_exceptions=True)
        faults = [(n, one) for n, one in enumerate(found) if isinstance(one, BaseException)]
        if not faults:
            return [one for one in found if not isinstance(one, BaseException)]
        shard, fault = faults[0]
        if isinstance(fault, CommandRefused) and len(faults) < len(found):
            done = len(found) - len(faults)
            raise CommandRefused(
                fault.code, f"shard {shard}: {fault}; {done} of {len(found)} shards have done it"
            ) from fault
        raise fault


def _at(exchange: dict[str, Any]) -> str:
    return str(exchange["at"])


def _changed(found: Sequence[Changed]) -> Changed:
    """The change of a shard that did not run before or does not run now, if there is one."""
    return next((one for one in found if (one.was.state, one.now.state) != ("running", "running")), found[0])


def _replay_of(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The newest replay of the shards, added up. A shard that had none of it has an older one, or none."""
    known = [one for one in found if one.get("started_at")]
    if not known:
        return dict(found[0])
    running = [one for one in known if one["state"] == "running"]
    leading = running[0] if running else max(known, key=lambda one: str(one["started_at"]))
    same = [one for one in known if all(one[name] == leading[name] for name in OF_ORDER)]
    ended = [one["ended_at"] for one in same]
    sums: dict[str, Any] = {name: round(sum(one[name] for one in same), 1) for name in ADDED}
    became = {state: sum(one["became"].get(state, 0) for one in same) for state in EventState}
    sums["became"] = {state: n for state, n in became.items() if n}
    if not leading["dead"]:  # each shard looks through all of the span
        sums |= {name: max(one[name] for one in same) for name in ("total", "remaining")}
        sums["left_out"] = max(0, sums["total"] - sums["fed"] - sums["remaining"])
    return {**leading, **sums, "ended_at": None if None in ended else max(ended)}
