"""One seed's world: the real store on a real file, the real runner, and everything around them under the seed's control."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import router.store.connection
from router.accept import Acceptor
from router.deliver.attempt import Attempt
from router.deliver.book import Book
from router.deliver.commands import Refused
from router.deliver.lanes import Entry
from router.deliver.runner import Runner
from router.errors import StoreError
from router.event import Call
from router.plugin import Answer, Request
from router.store.sqlite import SqliteStore, open_store
from router.telemetry import make_log
from tests.contract.rig import destination
from tests.contract.simulation.connections import Disk, InlineConnection, Writing
from tests.contract.simulation.loop import SeededLoop, SimClock
from tests.contract.simulation.vendor import Sim, SimVendor

DEADLINE_S = 20_000
"""More than all waits after the last fault: what is not done by then is stuck."""
STORY = "story"
"""The one task that survives the process."""
COMMAND = "command"


class World:
    """The clock, the loop, the disk, the vendor; and the daemon, as often as it is started."""

    def __init__(self, seed: int | str, folder: Path) -> None:
        self.folder = folder
        self.clock = SimClock(Random(f"{seed} clock"))
        self.loop = SeededLoop(self.clock, Random(f"{seed} loop"))
        self.disk = Disk(Random(f"{seed} disk"), self._die)
        self.vendor = SimVendor(Random(f"{seed} vendor"))
        self.random = Random(f"{seed} router")
        self.log_lines = io.StringIO()
        self.log = make_log("error", "json", clock=self.clock, stream=self.log_lines)
        self.store: SqliteStore | None = None
        self.runner: Runner | None = None
        self.plugin: type[Sim] = Sim
        self.tables: dict[str, Any] = {}
        self.answered: set[str] = set()  #: message ids that got their 200
        self.unanswered: list[list[Call]] = []  #: their senders try again
        self.buried: set[str] = set()  #: message ids that were dead at any time, also if a crash took that back
        self.commands = 0  #: operators' commands that nobody answered yet
        self._running: asyncio.Task[None] | None = None
        self._life: asyncio.Task[None] | None = None
        self._leave = asyncio.Event()

    @property
    def path(self) -> Path:
        return self.folder / "router.db"

    # ------------------------------------------------------------ the daemon's life

    async def open(self) -> None:
        """Start the process: its store, and no destination yet."""
        opened = asyncio.get_running_loop().create_future()
        self.disk.dead, self._leave = False, asyncio.Event()

        async def live() -> None:
            clock_from: Callable[[int], SimClock] = lambda mark: self.clock  # noqa: E731
            async with open_store(self.path, clock_from, dedupe_window_s=86_400, min_free_bytes=0) as (store, _):
                self.store = store
                opened.set_result(None)
                await self._leave.wait()
            self.store = None

        self._life = asyncio.create_task(live(), name="life")
        await opened

    def start(self) -> None:
        """Run the destination, as it is configured now."""
        assert self.store is not None
        made = destination(self.plugin, cast(Any, self.vendor), **self.tables)
        self.runner = Runner(made, self.store, self.clock, self.log, self.random)
        self._running = asyncio.create_task(self.runner.run(), name="runner")

    async def stop(self) -> None:
        """End the destination's work in good order, as a reload does."""
        if self._running is None or self.runner is None:
            return
        running, self._running = self._running, None
        self.runner.stop()
        await self._until(running)
        error = None if running.cancelled() else running.exception()
        if error is not None and not _is_stores(error):
            raise error

    async def crash_worker(self) -> None:
        """Take the destination away in the middle of whatever it does, with who asked something of it; the store stays."""
        for task in self._others():
            if task.get_name() == COMMAND:
                task.cancel()
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None

    def _die(self) -> None:
        for task in self._others():
            task.cancel()

    async def kill(self) -> None:
        """The process ends now. What was committed stays, nothing else does."""
        self.disk.dead = True
        while left := self._others():
            for task in left:
                task.cancel()
            await asyncio.sleep(0)
        self.store, self._running, self.commands = None, None, 0

    def _others(self) -> list[asyncio.Task[Any]]:
        return [task for task in self.loop.tasks if not task.done() and task.get_name() != STORY]

    async def restart(self) -> None:
        """Kill it and start it again."""
        await self.kill()
        await self.open()
        self.start()

    async def stand_up(self) -> None:
        """Start again what is dead by now. Raises what the destination failed of, unless a full disk is the reason."""
        failed = self._running is not None and self._running.done()
        if failed and not self.disk.dead:
            assert self._running is not None
            error = None if self._running.cancelled() else self._running.exception()
            if error is not None and not _is_stores(error):
                raise error
        if failed or self.disk.dead:
            await self.restart()

    async def close(self) -> None:
        """End all in good order."""
        await self.stop()
        self._leave.set()
        if self._life is not None:
            await self._life

    # ------------------------------------------------------------ what the world does to it

    def spawn(self, work: Coroutine[Any, Any, None], name: str = "client") -> None:
        """Something from outside that takes its time."""
        asyncio.create_task(work, name=name)  # noqa: RUF006 - the loop keeps it

    def make(self, type: str, message_id: str, **fields: Any) -> Call:
        """A call as ingestion would hand it over."""
        user, anonymous, group = (fields.get(k) for k in ("userId", "anonymousId", "groupId"))
        key = f"u:{user}" if user else f"a:{anonymous}" if anonymous else f"g:{group}"
        body = b"{}\n" + json.dumps({"type": type, "messageId": message_id, **fields}).encode()
        return Call("website", type, message_id, key, self.clock.now_ms(), body)

    async def send(self, calls: list[Call]) -> None:
        """A client's request. It tries again for as long as it gets no 200."""
        try:
            if self.store is None:
                raise StoreError
            await Acceptor(self.store, self.log).accept(calls, [])
        except BaseException as error:
            self.unanswered.append(calls)
            if not isinstance(error, StoreError):
                raise
        else:
            self.answered |= {call.message_id for call in calls}

    async def send_again(self) -> None:
        """Clients without an answer try again, all at once."""
        waiting, self.unanswered = self.unanswered, []
        for calls in waiting:
            self.spawn(self.send(calls))

    async def command(self, ask: Callable[[Runner], Coroutine[Any, Any, Any]]) -> None:
        """An operator's command; it may be refused."""
        runner = self.runner
        if runner is None or self._running is None:
            return
        self.commands += 1
        try:
            await ask(runner)
        except (Refused, StoreError):
            pass
        finally:
            self.commands -= 1

    async def turns(self, n: int) -> None:
        """Let the loop run a little."""
        for _ in range(n):
            await asyncio.sleep(0)

    async def pass_time(self, seconds: float) -> None:
        """Let time pass; each thing at its time."""
        end = self.clock.ms + int(seconds * 1000)
        while True:
            await self.loop.quiet()
            await self.stand_up()
            step = self.next_ms()
            if step is None or self.clock.ms + step > end:
                break
            self.clock.advance(max(1, step))
        self.clock.advance(max(0, end - self.clock.ms))
        await self.loop.quiet()

    def next_ms(self) -> int | None:
        """How long until something happens by itself."""
        timers: list[asyncio.TimerHandle] = self.loop._scheduled  # type: ignore[attr-defined]
        waits = [int(timer.when() * 1000 + 1) - self.clock.ms for timer in timers if not timer.cancelled()]
        sleep = self.clock.next_ms()
        return min([*waits, *([] if sleep is None else [sleep])], default=None)

    async def _until(self, task: asyncio.Task[None]) -> None:
        passed = 0
        while not task.done():
            await self.loop.quiet()
            step = self.next_ms()
            if task.done():
                break
            assert step is not None, f"stuck: {task!r}"
            assert passed < DEADLINE_S * 1000, f"stuck: {task!r}"
            passed += max(1, step)
            self.clock.advance(max(1, step))

    def faults_told(self) -> list[dict[str, Any]]:
        """Lines of the log that speak of a fault of the router itself."""
        lines = [json.loads(line) for line in self.log_lines.getvalue().splitlines()]
        return [line for line in lines if line["event"] == "internal_error"]

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """What is stored, seen from outside."""
        db = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)
        try:
            yield db
        finally:
            db.close()


def _is_stores(error: BaseException) -> bool:
    """Whether the store is at fault, and nothing else."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(_is_stores, error.exceptions))
    return isinstance(error, StoreError)


BOUNDS = {
    "router.deliver.agenda.DRAINING": (1, 2, 100),
    "router.deliver.agenda.USERS": (1, 500),
    "router.deliver.agenda.REFILL": (1, 20),
    "router.deliver.pace.ALONE": (1, 2, 100),
    "router.deliver.pace.BESIDE": (1, 2, 5),
    "router.deliver.replay.ON_THEIR_WAY": (1, 2, 100),
    "router.deliver.replay.SLICE": (1, 100),
    "router.deliver.turnstile.TURNS": (1, 2, 500),
    "router.deliver.turnstile.PREPARED_PER_LANE": (1, 50),
    "router.deliver.turnstile.ROWS_PER_LANE": (1, 10),
    "router.deliver.worker.READ_EVENTS": (1, 3, 500),
    "router.deliver.worker.WINDOW_EVENTS": (6, 2000),
    "router.deliver.book.STEP_EVENTS": (3, 500),
    "router.deliver.commands.DROP_SLICE": (1, 200),
    "router.store.steps.OPEN_SLICE": (1, 500),
    "router.store.reads.LOOKED_THROUGH": (2, 1000),
    "router.store.tail.TAIL_EVENTS": (0, 2, 5000),
}
"""Sizes of slices and the like, of which each seed takes some that are met at once in a small world."""


def run_world(seed: int | str, story: Callable[[World], Coroutine[Any, Any, None]]) -> World:
    """Run a story in a world of this seed, in a folder of its own that goes with it (in memory, where the machine has that)."""
    shared = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="simulation-", dir=shared if shared.is_dir() else None))
    world = World(seed, folder)

    async def exchange(attempt: Attempt, request: Request) -> Answer:
        return await world.vendor.exchange(attempt, request)

    def connect(database: str, **more: Any) -> sqlite3.Connection:
        if "mode=rwc" not in database:
            return sqlite3.connect(database, **more)
        db = sqlite3.connect(database, factory=Writing, **more)
        db.disk = world.disk
        return db

    bury = Book.bury

    def note(book: Book, entry: Entry, reason: str, detail: str) -> None:
        world.buried.add(entry.row.message_id)
        bury(book, entry, reason, detail)

    bounds = Random(f"{seed} bounds")
    tight = {name: bounds.choice(sizes) for name, sizes in BOUNDS.items()} if bounds.random() < 0.6 else {}
    connection = type("Connection", (InlineConnection,), {"disk": world.disk})
    standing_in = SimpleNamespace(connect=connect, Error=sqlite3.Error, Connection=sqlite3.Connection)
    asyncio.set_event_loop(world.loop)
    try:
        with ExitStack() as patches:
            patches.enter_context(patch.object(router.store.connection, "Connection", connection))
            patches.enter_context(patch.object(router.store.connection, "sqlite3", standing_in))
            patches.enter_context(patch.object(Attempt, "_exchange", exchange))
            patches.enter_context(patch.object(Book, "bury", note))
            for name, size in tight.items():
                patches.enter_context(patch(name, size))
            telling = world.loop.create_task(story(world), name=STORY)
            try:
                world.loop.run_until_complete(telling)
            finally:
                telling.cancel()
                world.loop.rounds = 0
                world.loop.run_until_complete(world.loop.create_task(world.kill(), name=STORY))
    finally:
        asyncio.set_event_loop(None)
        world.loop.close()
        shutil.rmtree(folder)
    return world
