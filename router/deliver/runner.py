"""A destination that runs, as operators and the daemon see it: what they ask of it, and how it is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from router.clock import to_iso
from router.deliver import operations
from router.deliver.commands import TICKET, Changed, Command, Ticket, reached
from router.deliver.commands import ReplayOrder as ReplayOrder
from router.deliver.jobs import deletions
from router.deliver.jobs.replay import describe_replay
from router.deliver.send.circuit_breaker import HOOK_HELD
from router.deliver.serving import Serving, is_cancelled
from router.deliver.settle.last_exchanges import LastExchanges
from router.deliver.worker import Worker
from router.errors import CommandRefused
from router.store import DeadLetterFilter, Regulation, Status, Tool
from router.vocabulary import FOREVER_MS, DestinationState

DROP_PAUSE_S = 0.01
"""Between two slices of dead letters, while the commit that drops the last one is on its way."""
ASKED_AT_ONCE = 100
"""Deletions that are parked between two steps of the worker."""
STORED_S = 5.0
"""So long the answer to a command waits for its commit. On a full disk it is in force, and stored when there is room."""


Answer = Callable[[Any], tuple[Any, bool]]


class Runner(Serving):
    """One configured destination of the daemon. Its life is that of `Serving`."""

    @property
    def shards(self) -> Sequence[Runner]:
        """It runs one shard, or a destination that is not split."""
        return (self,)

    # ------------------------------------------------------------ what operators ask

    async def carry_out(self, command: Command, ticket: Ticket | None = None) -> Any:
        """What `command` says. `ticket`: its answer is stored with its effect."""
        before = TICKET.set(ticket)
        try:
            return await command.of(self)
        finally:
            TICKET.reset(before)

    async def regulation(self, regulation_id: str) -> Regulation:
        """The regulation of this id. Nobody here reads the events of its people from here on."""
        return await self._store.people.heed(regulation_id)

    async def _ask(
        self,
        worker: Worker,
        command: Callable[[], Awaitable[Any]],
        answer: Answer | None = None,
    ) -> Any:
        """Have a command carried out, and what it changed stored. `answer`: what its answer is by now, and whether that is all of it;
        None: it is a part of one that has no answer before its end. Raises CommandRefused where the worker ends before."""
        if (ticket := TICKET.get()) is not None and answer is not None:
            command = partial(_with_answer, worker, ticket, command, answer)
        found, _ = await self._ask_and_store(worker, command)
        return found

    async def _ask_and_store(self, worker: Worker, command: Callable[[], Awaitable[Any]]) -> tuple[Any, bool]:
        """The same, and whether all that the worker had booked by then is stored."""
        try:
            answer = await worker.ask(command)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STORED_S):
                    await worker.booked_is_stored()
                return answer, True
            return answer, False
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            raise CommandRefused("stopping", "the destination ends or begins anew: ask once more") from None

    async def pause(self, words: str = "") -> Changed:
        """Send nothing until `resume`. `words`: why; they are kept and shown."""
        worker = await self.worker()

        async def command() -> Changed:
            was = self.status
            worker.core.status.record(worker.state.breaker.pause_by_hand(words))
            return Changed(was, self.status)

        changed: Changed = await self._ask(worker, command, _whole)
        return changed

    async def resume(self) -> Changed:
        """Run, whatever it was paused for. What waits for a retry is tried at once."""
        worker = await self.worker()

        async def command() -> Changed:
            was = self.status
            worker.core.status.record(worker.state.breaker.resume())
            worker.core.releases.try_all_now()
            return Changed(was, self.status)

        changed: Changed = await self._ask(worker, command, _whole)
        return changed

    async def release(self, key: str, group: Mapping[str, Any] | None) -> int:
        """See `operations.release`."""
        worker = await self.worker()
        released: int = await self._ask(worker, lambda: operations.release(worker, key, group), _whole)
        return released

    async def drop(self, key: str, shown: operations.Shown | None = None) -> int:
        """See `operations.drop`."""
        worker = await self.worker()
        dropped, after = reached() or (0, operations.FIRST)
        while after is not None:
            command = partial(operations.drop, worker, key, shown, after)
            n, after = await self._ask(worker, command, _so_far(dropped))
            dropped += n
            await self._room(worker)
        return int(dropped)

    async def replay(self, order: ReplayOrder) -> dict[str, Any]:
        """See `operations.replay_letters`, `replay_span`, `replay_one`."""
        worker = await self.worker()

        async def command() -> dict[str, Any]:
            found = await self._replay(worker, order)
            return found if order.count_only or order.pos is not None else {**found, **worker.core.replay.describe()}

        answer: dict[str, Any] = await self._ask(worker, command, _whole)
        return answer

    @staticmethod
    async def _replay(worker: Worker, order: ReplayOrder) -> dict[str, Any]:
        if order.pos is not None:
            return await operations.replay_one(worker, order.pos, count_only=order.count_only)
        if order.letters is not None:
            return await operations.replay_letters(worker, order.letters, count_only=order.count_only)
        return await operations.replay_span(worker, order)

    async def stop_replay(self) -> dict[str, Any]:
        """Feed nothing more. Returns what `describe_replay` does."""
        worker = await self.worker()

        async def command() -> dict[str, Any]:
            worker.core.replay.stop()
            return worker.core.replay.describe()

        told: dict[str, Any] = await self._ask(worker, command, _whole)
        return told

    async def describe_replay(self) -> dict[str, Any]:
        """The newest replay, and how far it is; at another node as of its last commit."""
        if self._claiming.is_elsewhere:
            newest = await self._store.output_reports.newest_replay(self.destination.name, self.destination.share)
            return describe_replay(newest, self._clock.now_ms())
        return (await self.worker()).core.replay.describe()

    async def drop_letters(self, which: DeadLetterFilter, pos: int | None = None) -> int:
        """Drop dead letters of this kind, or the one at a position. Returns how many."""
        worker = await self.worker()
        if pos is not None:
            dropped = int(await self._ask(worker, lambda: operations.drop_letter(worker, pos), _whole))
        else:
            dropped, after = reached() or (0, -FOREVER_MS)
            while after is not None:
                command = partial(operations.drop_letters, worker, which, after)
                n, after = await self._ask(worker, command, _so_far(dropped))
                dropped += n
                await self._room(worker)
        if dropped:
            self._log.emit("letters_dropped", letters=dropped, reason="by_hand")
        return int(dropped)

    async def _room(self, worker: Worker) -> None:
        """Return when the next commit has room. Raises CommandRefused where the worker ends before."""
        while worker.state.work.is_full:
            if worker.has_ended:
                raise CommandRefused("stopping", "the destination ends or begins anew: ask once more")
            await self._clock.sleep(DROP_PAUSE_S)

    async def forget(self, regulation: Regulation) -> None:
        """Erase these people or groups here. A worker that has anything of theirs ends first, and what it has on its way is waited for; the next
        one begins from what is left in the store."""
        erasure, name = self._store.erasure, self.destination.name
        if await self._has_of(regulation) or await erasure.touches(name, regulation, self.destination.share):
            await self._between_workers(partial(erasure.erase_at, name, regulation.id, self.destination.share))
        elif self._worker is not None:
            operations.end_forgetting(self._worker, regulation)

    async def forget_answers(self, regulation: Regulation) -> None:
        """What the vendor answered to a deletion is not shown any more. The worker stays: its events were erased before."""
        if self._broken:
            await self.forget(regulation)
        else:
            worker = await self.worker()
            await self._ask(worker, partial(operations.forget_answers, worker, regulation))

    async def ask_to_delete(self, regulation: Regulation) -> Tool:
        """Have the vendor delete these people or groups: their deletions are stored when this returns. Raises CommandRefused."""
        worker = await self.worker()
        if (refused := deletions.unsupported(worker, regulation)) is not None:
            return refused
        subjects = [one for one in deletions.subjects_of(regulation) if self.destination.share.has(one[0])]
        rows: list[int] = []
        words = ""

        def so_far(found: tuple[list[int], str, int]) -> tuple[Tool, bool]:
            asked, fault, n = found
            return _asked(rows + asked, _fault_words(fault) or words), n == len(subjects)

        while subjects:
            command = partial(deletions.ask, worker, regulation.id, subjects[:ASKED_AT_ONCE])
            asked, fault, n = await self._ask(worker, command, so_far)
            subjects = subjects[n:]
            rows += asked
            words = _fault_words(fault) or words
            await self._room(worker)
        return _asked(rows, words)

    async def drop_deletions(self, positions: Sequence[int]) -> None:
        """Take back what the vendor was asked to delete."""
        await self._between_workers(
            partial(self._store.erasure.drop_deletions, self.destination.name, positions, self.destination.share)
        )

    async def _has_of(self, regulation: Regulation) -> bool:
        worker = self._worker
        if worker is None or worker.has_ended:
            return True
        try:
            found, is_stored = await self._ask_and_store(worker, lambda: operations.begin_to_forget(worker, regulation))
        except CommandRefused:  # another worker begins
            return True
        return found or not is_stored  # a letter that is not stored yet is not found in the store

    # ------------------------------------------------------------ how it is

    async def describe_waiting(self) -> dict[str, dict[str, float]]:
        """What its held events wait for, in numbers."""
        return await self.waiting.describe()

    @property
    def status(self) -> Status:
        """Whether it runs, and if not, why and since when."""
        if not self.destination.config.enabled:
            return Status("disabled")
        if self._broken:
            return Status("paused", "internal", detail=self._broken)
        if (status := self._claiming.status_elsewhere()) is not None:
            return status
        return self._worker.state.breaker.status if self._worker is not None else Status()

    def held_by(self, hook: str, message_id: str, seconds: float) -> Status:
        """Its state while a hook holds its own thread: nothing is sent, and no command is carried out."""
        named = f" with {message_id}" if message_id else ""
        words = f"plugin {self.destination.plugin_name}: hook {hook}{named} has not returned for {seconds:.0f} s"
        since = self._clock.now_ms() - int(1000 * seconds)
        return Status(DestinationState.PAUSED, HOOK_HELD, since, detail=self.destination.redact(words))

    @property
    def warnings(self) -> Mapping[str, int]:
        """What the plugin warned of since its worker began, counted."""
        return dict(self._worker.core.warnings.counts) if self._worker is not None else {}

    @property
    def last_exchanges(self) -> dict[str, Any]:
        """See `LastExchanges.describe`."""
        return (self._worker.core.responses.exchanges if self._worker is not None else LastExchanges()).describe()

    def describe(self) -> dict[str, Any]:
        """For `/api/destinations`: what is configured and how it is."""
        d, status = self.destination, self.status
        return {
            "name": d.name,
            "plugin": d.plugin_name,
            "plugin_version": d.plugin_version,
            "restart_required": self.needs_restart,
            "mode": d.config.mode,
            "enabled": d.config.enabled,
            "sources": list(d.config.sources),
            **state_of(status),
            "in_flight": self.in_flight,
            "mapped": self._worker.core.mapper.mapped if self._worker else 0,
            "warnings": self.warnings,
            "isolation": "thread" if self._is_alone else "loop",
            "slow_hooks": d.watch.describe(),
        }


async def _with_answer(
    worker: Worker,
    ticket: Ticket,
    command: Callable[[], Awaitable[Any]],
    answer: Answer,
) -> Any:
    """In the worker's loop: the effect of a command and its answer are booked in one turn, so one commit has both."""
    if worker.context.claim.epoch != ticket.epoch:
        raise CommandRefused("stopping", "it was taken by another owner, who may have carried it out")
    found = await command()
    worker.state.work.answer(ticket.id, *answer(found))
    ticket.is_booked = True
    return found


def _asked(rows: list[int], words: str) -> Tool:
    """How far a destination is that was asked for these deletions."""
    return Tool("RUNNING" if rows or not words else "FAILED", words, rows)


def _fault_words(fault: str) -> str:
    return f"its plugin could not make a deletion ({fault}): delete there by hand" if fault else ""


def _whole(found: Any) -> tuple[Any, bool]:
    """The answer of a command that is done at once."""
    return found, True


def _so_far(before: int) -> Answer:
    """The answer of a command that goes on behind a place: how many by now, and that place; in the end how many."""

    def answer(found: tuple[int, int | None]) -> tuple[Any, bool]:
        n, after = found
        return (before + n, True) if after is None else ((before + n, after), False)

    return answer


def state_of(status: Status) -> dict[str, Any]:
    """A destination's state as the admin API gives it."""
    return {
        "state": status.state,
        "state_reason": status.reason,
        "state_detail": status.detail,
        "state_since": to_iso(status.since) if status.since else None,
        "state_until": to_iso(status.until) if status.until else None,
    }
