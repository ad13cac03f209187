"""The store's connections without threads: each runs its work in order on the loop, some turns after it was asked; and the
faults of a disk and of a process that dies, at any statement."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Generator
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")

FAULTS = ("step", "full", "kill", "kill_after")
"""What may happen at a statement of the writer: it refuses the row, the disk is full, the process dies before it, or after it."""


class Died(BaseException):
    """The process ends in the middle of a transaction."""


class Disk:
    """The faults to come: `left` statements of the writer from now on, `fault` happens, once."""

    def __init__(self, random: Random, died: Callable[[], None]) -> None:
        self.random, self.died = random, died
        self.left, self.fault = -1, ""
        self.statements = 0
        self.in_step = False
        self.dead = False
        self.starting = False  #: a start that meets a fault is no story: it is tried again
        self.hit: list[str] = []  #: faults that did happen

    def plan(self, fault: str, statements: int) -> None:
        """Let this happen so many statements from now."""
        self.fault, self.left = fault, statements

    def statement(self, sql: str) -> str:
        """Count a statement of the writer; returns what is to happen at it."""
        self.statements += 1
        in_step = self.in_step
        if sql.endswith("step") or sql.startswith("BEGIN"):
            in_step, self.in_step = False, sql.startswith("SAVEPOINT")
        if self.starting or self.left < 0 or sql.startswith(("ROLLBACK", "RELEASE", "PRAGMA", "SELECT")):
            return ""
        self.left -= 1
        if self.left >= 0:
            return ""
        fault, self.fault = self.fault, ""
        if fault == "step" and not in_step:
            fault = "full"
        self.hit.append(f"{fault} at {sql[:40]}")
        return fault


class Writing(sqlite3.Connection):
    """The writing connection, with the disk's faults."""

    disk: Disk

    def _run(self, run: Callable[..., sqlite3.Cursor], sql: str, args: tuple[Any, ...]) -> sqlite3.Cursor:
        fault = self.disk.statement(sql)
        if fault == "step":
            raise sqlite3.IntegrityError("a fault of the story")
        if fault == "full":
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_FULL, "SQLITE_FULL"
            raise error
        if fault == "kill":
            raise Died
        found = run(sql, *args)
        if fault == "kill_after":
            raise Died
        return found

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        return self._run(super().execute, sql, args)

    def executemany(self, sql: str, *args: Any) -> sqlite3.Cursor:
        return self._run(super().executemany, sql, args)


class InlineConnection:
    """Stands in for `router.store.sqlite.connection.Connection`. Work that was asked for is done even where nobody awaits it any more,
    as a thread would; once the process is dead nothing is done."""

    disk: Disk

    def __init__(self, connector: Callable[[], sqlite3.Connection], iter_chunk_size: int) -> None:
        self._connector = connector
        self._db: sqlite3.Connection | None = None
        self._asked: deque[tuple[asyncio.Future[Any], Callable[[], Any]]] = deque()

    def __await__(self) -> Generator[Any, None, InlineConnection]:
        self._db = self._connector()
        yield from asyncio.sleep(0).__await__()
        return self

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        """Call `work(sqlite3 connection, *args)`, some turns from now."""
        if self._db is None:
            raise ValueError("Connection closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._asked.append((future, lambda: work(self._db, *args)))
        if len(self._asked) == 1:
            self._later(self._work)
        return await future

    async def close(self) -> None:
        """Close it at once."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _later(self, call: Callable[..., Any], *args: Any, turns: int | None = None) -> None:
        loop = asyncio.get_running_loop()
        left = self.disk.random.randrange(3) if turns is None else turns
        if left:
            loop.call_soon(lambda: self._later(call, *args, turns=left - 1))
        else:
            loop.call_soon(call, *args)

    def _work(self) -> None:
        if self.disk.dead or self._db is None:
            return
        future, work = self._asked.popleft()
        try:
            result = work()
        except Died:
            self.disk.dead = True
            self.disk.died()
            return
        except BaseException as error:
            self._later(_tell, future, error)
        else:
            self._later(_tell, future, None, result)
        if self._asked:
            self._later(self._work)


def _tell(future: asyncio.Future[Any], error: BaseException | None, result: Any = None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
