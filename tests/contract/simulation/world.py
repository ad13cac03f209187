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
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, cast
from unittest.mock import patch

from router.accept import Acceptor
from router.config import DestinationConfig
from router.deliver.runner import Runner
from router.errors import CommandRefused, StoreError
from router.event import Call
from router.logger import make_log
from router.plugin import Answer, Request
from router.plugin_host import Destination
from router.testing.intake import accept
from tests.contract.rig import destination
from tests.contract.simulation import inside
from tests.contract.simulation.connections import Disk, InlineConnection, Writing
from tests.contract.simulation.invariants import Kept
from tests.contract.simulation.loop import HookTime, SeededLoop, SimClock
from tests.contract.simulation.vendor import VENDOR_URL, Sim, SimVendor
from tests.contract.store_case import StoreCase, open_case

DEADLINE_S = 20_000
"""More than all waits after the last fault: what is not done by then is stuck."""
STORY = "story"
"""The one task that survives the process."""
COMMAND = "command"


class Side:
    """One destination of the world, with the vendor behind it."""

    def __init__(self, name: str, seed: int | str) -> None:
        self.name = name
        self.vendor = SimVendor(Random(f"{seed} vendor"))
        self.random = Random(f"{seed} router")
        self.plugin: type[Sim] = Sim
        self.tables: dict[str, Any] = {}
        self.runner: Runner | None = None
        self.running: asyncio.Task[None] | None = None
        self.buried: set[str] = set()  #: message ids that were dead at any time, also if a crash took that back
        self.filtered: set[str] = set()  #: and those that were filtered at any time; a replay may have sent them since
        self._made: dict[type[Sim], Destination] = {}

    def destination(self) -> Destination:
        """As it is configured now. What pluggy makes of a plugin is made once: that takes longer than many a story's step."""
        if self.plugin not in self._made:
            self._made[self.plugin] = destination(self.plugin, cast(Any, self.vendor), self.name)
        config = {"name": self.name, "plugin": "test", "mode": "live", **self.tables}
        return replace(self._made[self.plugin], config=DestinationConfig.model_validate(config))


class World:
    """The clock, the loop, the disk, the vendors; and the daemon, as often as it is started. `d` is the destination that the
    story is about; `sides` may get another one beside it."""

    def __init__(self, seed: int | str, folder: Path) -> None:
        self.folder = folder
        self.clock = SimClock(Random(f"{seed} clock"))
        self.loop = SeededLoop(self.clock, Random(f"{seed} loop"))
        self.disk = Disk(Random(f"{seed} disk"), self._die)
        self.d = Side("d", seed)
        self.sides = [self.d]
        self.retention_s: float | None = None  #: None: longer than any story
        self.kept = Kept()
        self.patches = ExitStack()  #: what the story changes until its end
        self.log_lines = io.StringIO()
        self.log = make_log("error", "json", clock=self.clock, stream=self.log_lines)
        self.store: StoreCase | None = None
        self.acceptor: Acceptor  #: into the store that is open
        self.answered: set[str] = set()  #: message ids that got their 200
        self.unanswered: list[list[Call]] = []  #: their senders try again
        self.commands = 0  #: operators' commands that nobody answered yet
        self._life: asyncio.Task[None] | None = None
        self._leave = asyncio.Event()

    @property
    def path(self) -> Path:
        return self.folder / "router.db"

    # ------------------------------------------------------------ the daemon's life

    async def open(self) -> None:
        """Start the process: its store, and no destination yet."""
        opened = asyncio.get_running_loop().create_future()
        self.disk.dead, self.disk.starting, self._leave = False, True, asyncio.Event()

        async def live() -> None:
            clock_from: Callable[[int], SimClock] = lambda mark: self.clock  # noqa: E731
            kept_s = self.retention_s
            opening = open_case(
                self.path,
                clock_from,
                dedupe_window_s=kept_s or 86_400,
                min_free_bytes=0,
                retention_s=kept_s or 7 * 86_400,
            )
            async with opening as (store, _):
                self.store, self.disk.starting = store, False
                self.acceptor = Acceptor(store.log, store.people.suppressions, self.log)
                opened.set_result(None)
                await self._leave.wait()
            self.store = None

        self._life = asyncio.create_task(live(), name="life")
        await opened

    def start(self) -> None:
        """Run the destinations that do not run, as they are configured now."""
        assert self.store is not None
        for side in self.sides:
            if side.running is None:
                side.runner = Runner(side.destination(), self.store, self.clock, self.log, side.random)
                side.running = asyncio.create_task(side.runner.run(), name="runner")

    async def stop(self) -> None:
        """End the destination's work in good order, as a reload does."""
        side = self.d
        if side.running is None or side.runner is None:
            return
        running, side.running = side.running, None
        side.runner.stop()
        await self._until(running)
        error = None if running.cancelled() else running.exception()
        if error is not None and not _is_stores(error):
            raise error

    async def crash_worker(self) -> None:
        """Take the destination away in the middle of whatever it does, with who asked something of it; the store stays."""
        for task in self._others():
            if task.get_name() == COMMAND:
                task.cancel()
        if self.d.running is not None:
            self.d.running.cancel()
            await asyncio.gather(self.d.running, return_exceptions=True)
            self.d.running = None

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
        self.store, self.commands = None, 0
        for side in self.sides:
            side.running = None

    def _others(self) -> list[asyncio.Task[Any]]:
        return [task for task in self.loop.tasks if not task.done() and task.get_name() != STORY]

    async def restart(self) -> None:
        """Kill it and start it again."""
        await self.kill()
        await self.open()
        self.start()

    async def stand_up(self) -> None:
        """Start again what is dead by now. Raises what the destination failed of, unless a full disk is the reason."""
        failed = [side.running for side in self.sides if side.running is not None and side.running.done()]
        if not self.disk.dead:
            for running in failed:
                error = None if running.cancelled() else running.exception()
                if error is not None and not _is_stores(error):
                    raise error
        if failed or self.disk.dead:
            await self.restart()

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
            await accept(self.acceptor, calls)
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

    async def command(self, ask: Callable[[Runner], Coroutine[Any, Any, Any]], side: Side | None = None) -> None:
        """An operator's command, to `d` unless another one is meant; it may be refused."""
        side = side or self.d
        runner = side.runner
        if runner is None or side.running is None:
            return
        self.commands += 1
        try:
            await ask(runner)
        except (CommandRefused, StoreError):
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
            step = self.loop.next_ms()
            if step is None or self.clock.ms + step > end:
                break
            self.clock.advance(max(1, step))
        self.clock.advance(max(0, end - self.clock.ms))
        await self.loop.quiet()

    async def _until(self, task: asyncio.Task[None]) -> None:
        passed = 0
        while not task.done():
            await self.loop.quiet()
            step = self.loop.next_ms()
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


def tight_bounds(seed: int | str) -> dict[str, int]:
    """Sizes of slices and the like that are met at once in a small world: most seeds take some."""
    drawn = Random(f"{seed} bounds")
    tight = {name: drawn.choice(sizes) for name, sizes in inside.BOUNDS.items()} if drawn.random() < 0.6 else {}
    if tight:
        tight |= {name: drawn.choice(sizes) for name, sizes in inside.LATER_BOUNDS.items()}
    return {name: size for name, size in tight.items() if inside.bound(name) is not None}


def run_world(seed: int | str, story: Callable[[World], Coroutine[Any, Any, None]]) -> World:
    """Run a story in a world of this seed, in a folder of its own that goes with it (in memory, where the machine has that)."""
    shared = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="simulation-", dir=shared if shared.is_dir() else None))
    world = World(seed, folder)

    async def exchange(name: str, request: Request) -> Answer:
        return await next(side.vendor for side in world.sides if side.name == name).exchange(request)

    def connect(database: str, **more: Any) -> sqlite3.Connection:
        if "mode=rwc" not in database:
            return sqlite3.connect(database, **more)
        db = sqlite3.connect(database, factory=Writing, **more)
        db.disk = world.disk
        return db

    def died(name: str, message_id: str) -> None:
        next(side.buried for side in world.sides if side.name == name).add(message_id)

    def filtered(name: str, message_id: str) -> None:
        next(side.filtered for side in world.sides if side.name == name).add(message_id)

    def look(db: sqlite3.Connection, before_ms: int) -> None:
        if world.retention_s:
            world.kept.look(db, [side.name for side in world.sides], before_ms)

    connection = type("Connection", (InlineConnection,), {"disk": world.disk})
    asyncio.set_event_loop(world.loop)
    try:
        with ExitStack() as patches:
            world.patches = patches
            patches.enter_context(inside.connections(connection, connect))
            patches.enter_context(inside.network(exchange, VENDOR_URL))
            patches.enter_context(inside.hook_time(HookTime(Random(seed))))
            patches.enter_context(inside.hash_keys(Random(f"{seed} keys")))
            patches.enter_context(inside.noting_deaths(died))
            patches.enter_context(inside.noting_filtered(filtered))
            patches.enter_context(inside.before_trimming(look))
            patches.enter_context(patch(inside.TRIM_PAUSE_MS, Random(f"{seed} trims").choice((0, 250))))
            for name, size in tight_bounds(seed).items():
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
