"""The one writer: everything that is pending goes into one transaction, one fsync, then all who wait are answered.

No timer and no linger: while a group commits the next one gathers (24 to 32 single events a commit at 64 connections, measured).
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from router.clock import Clock
from router.errors import ClaimLost, CommitFailed, StoreBusy, StoreClosed, StoreError, StoreFull
from router.store.append_counts import AppendCounts
from router.store.append_intake import AppendIntake
from router.store.commit_batch import CommitBatch
from router.store.disk_space import DiskSpace, Room
from router.store.fence import Fence
from router.store.forgotten import Forgotten
from router.store.pending import Append, Commit
from router.store.rows import Written
from router.store.sqlite.connection import Connection
from router.store.sqlite.group_transaction import BATCH_FAULTS, FULL, GroupTransaction, Head
from router.store.sqlite.locks import BUSY_PAUSE_S, StoreGone, is_busy

T = TypeVar("T")

GROUP_ROWS, GROUP_BYTES = 4000, 4_000_000


class Writer(AppendIntake):
    """Owns the writing connection while `run` runs."""

    def __init__(self, db: Connection, clock: Clock, transaction: GroupTransaction, disk: DiskSpace) -> None:
        super().__init__()
        self.head: Head = transaction.head  #: as committed
        self.forgotten = Forgotten()  #: whose events nobody reads any more
        self.written = Written()
        self.sources = AppendCounts()
        self.transaction = transaction
        self._db, self.clock, self.now_ms = db, clock, clock.now_ms
        self._disk = disk
        self._commits: deque[Commit] = deque()
        self.broken = ""  #: why nothing can be written any more
        self.locked = False  #: another process holds a lock on the file
        self.writing_since: float | None = None  #: when the group began that is being written
        self.failed = asyncio.Event()
        self.set_up = asyncio.Lock()
        """Who needs temporary tables or `secure_delete` of the writing connection, or changes it so that they go, holds this."""

    # ------------------------------------------------------------ asked from the event loop

    async def commit(self, step: CommitBatch, fence: Fence) -> list[tuple[str, str]]:
        """Store one step of a unit, all or nothing, if the fence still holds. Durable on return."""
        self._refuse_if_closed()
        done: asyncio.Future[list[tuple[str, str]]] = asyncio.get_running_loop().create_future()
        self._commits.append(Commit(step, fence, done))
        self._wake.set()
        return await done

    async def run_alone(self, work: Callable[..., T], *args: object) -> T:
        """Run a small write of its own between two groups; durable on return. Raises StoreError where the disk refuses it."""
        while True:
            self._refuse_if_closed()
            try:
                result = await self._db.run(work, *args)
                self.locked = False  # perhaps no event comes that would tell: a balancer may have turned away from us
                return result
            except BATCH_FAULTS:
                raise
            except sqlite3.Error as error:
                if not is_busy(error):
                    raise self._refusal(error) from error
            await self.clock.sleep(BUSY_PAUSE_S)

    async def run_beside(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The same for one transaction, which is neither an append nor a step of a destination."""
        return await self.run_alone(self.transaction.beside, work)

    def _refuse_if_closed(self) -> None:
        if self._closing or self.broken:
            raise StoreClosed(f"the store cannot write: {self.broken}" if self.broken else None)

    def _no_room(self) -> StoreError | None:
        return StoreFull() if self._disk.room() < Room.ALL else None

    # ------------------------------------------------------------ the loop

    async def run(self) -> None:
        """Commit group after group until closed and drained."""
        while True:
            if not self._appends and not self._commits:
                if self._closing:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            appends, commits = self._take()
            self.writing_since = self.clock.monotonic()
            await self._write(appends, commits)
            self.writing_since = None

    def _take(self) -> tuple[list[Append], list[Commit]]:
        appends: list[Append] = []
        rows = size = 0
        while self._appends and rows < GROUP_ROWS and size < GROUP_BYTES:
            append = self._appends.popleft()
            rows += append.rows
            size += append.size
            appends.append(append)
        self._rows -= rows
        self._bytes -= size
        commits = [
            commit for commit in self._commits if not commit.done.cancelled()
        ]  # a worker that is gone has no say
        self._commits.clear()
        return appends, commits

    async def _write(self, appends: list[Append], commits: list[Commit]) -> None:
        if self.broken:  # a sync after one that failed may succeed, and what the first one lost stays lost
            _refuse([*appends, *commits], lambda: StoreClosed(f"the store cannot write: {self.broken}"))
            return
        began = self.clock.monotonic()
        try:
            positions, steps, head = await self._db.run(self.transaction.run, appends, commits, self.clock.now_ms())
        except sqlite3.Error as error:
            if is_busy(error):
                await self._wait_for_lock(appends, commits)
                return
            refusal = self._refusal(error)
            if appends and commits and not self.broken:
                await self._write([], commits)  # a small one may find its room: deliveries go on
                commits = []
            _refuse([*appends, *commits], lambda: type(refusal)(*refusal.args))
            return
        except StoreGone as error:
            refusal = self._refusal(error)
            _refuse([*appends, *commits], lambda: type(refusal)(*refusal.args))
            return
        except Exception as error:
            await self._write_apart(error, appends, commits)
            return
        self.locked = False
        self.written.seconds += self.clock.monotonic() - began
        self._answer(appends, positions, commits, steps, head)

    def _answer(
        self,
        appends: list[Append],
        positions: list[list[int]],
        commits: list[Commit],
        steps: list[list[tuple[str, str]] | Exception],
        head: Head,
    ) -> None:
        """The group is durable: everybody is answered, and who reads the log is woken."""
        self.written.n += 1
        self.written.sync.add(self.transaction.sync_s)
        stored = head.pos - self.head.pos  # without duplicates
        if stored:
            self.written.group.add(stored)
        self.written.events += stored
        self.written.bytes += sum([append.size for append in appends])
        self.head = head
        self.tail.add_group(
            (append.calls, found, append.size) for append, found in zip(appends, positions, strict=True)
        )
        for append, found in zip(appends, positions, strict=True):
            self.sources.add(append.calls, found, append.discards)
            append.answer(found)
        for commit, outcome in zip(commits, steps, strict=True):
            if not isinstance(outcome, Exception):
                commit.fence.step += 1
            if commit.done.done():
                continue
            if isinstance(outcome, ClaimLost):
                commit.done.set_exception(outcome)
            elif isinstance(outcome, Exception):
                commit.done.set_exception(CommitFailed(f"{type(outcome).__name__}: {outcome}"))
            else:
                commit.done.set_result(outcome)
        if appends:
            for wake in self.watchers:
                wake()

    async def _wait_for_lock(self, appends: list[Append], commits: list[Commit]) -> None:
        """Another process holds a lock on the file. Who called is told to come again; destinations wait."""
        self.locked = True
        _refuse(appends, lambda: StoreBusy("another process holds a lock on the store"))
        if self._closing:
            _refuse(commits, lambda: StoreBusy("another process holds a lock on the store"))
            return
        self._commits.extendleft(reversed(commits))
        await self.clock.sleep(BUSY_PAUSE_S)

    async def _write_apart(self, error: Exception, appends: list[Append], commits: list[Commit]) -> None:
        """Something in the group cannot be written at all (text that is no Unicode, say): find out what, and store the rest."""
        if not appends:
            refusal = self._refusal(error)
            _refuse(commits, lambda: type(refusal)(*refusal.args))
            return
        if len(appends) == 1 and not commits:
            appends[0].answer(StoreError(f"the call cannot be stored: {type(error).__name__}: {error}"))
            return
        for append in appends:
            await self._write([append], [])
        if commits:
            await self._write([], commits)

    def _refusal(self, error: Exception) -> StoreError:
        """What everybody is told: nothing was stored. A full disk passes; anything else from the disk ends the writer."""
        if getattr(error, "sqlite_errorcode", None) in FULL:
            return StoreFull()
        code = getattr(error, "sqlite_errorname", type(error).__name__)
        self.broken = f"{code}: {error}"
        self.failed.set()
        return StoreError(f"the store cannot write: {self.broken}")


def _refuse(waiting: Sequence[Append | Commit], refusal: Callable[[], StoreError]) -> None:
    for one in waiting:
        one.answer(refusal())
