"""What is around the daemon, in one process on the other core: the load generator and the sink of what is delivered.

One process, so that the generator knows what has arrived and can leave only so much on its way.
"""

from __future__ import annotations

import asyncio
import os
import sys
from types import TracebackType
from typing import Any, Self

import msgspec

from router.bench.child import CLIENT_CORE, Child
from router.bench.generator import Generator
from router.bench.http1 import ServerConnection
from router.bench.load import Load, Loaded
from router.bench.sink import Arrived, Sink
from router.bench.subject import get_json


class Wait(msgspec.Struct, frozen=True):
    """Until so many events have come to so many destinations, for so long at most."""

    events: int
    destinations: int
    seconds: float


class Task(msgspec.Struct, frozen=True):
    """A line of the process's standard input: one of these."""

    load: Load | None = None
    wait: Wait | None = None


class Arrival(msgspec.Struct, frozen=True):
    """The answer to a Wait. `at`: when something came last, on the machine's monotonic clock."""

    at: float
    complete: bool


# ---------------------------------------------------------------- from outside


class Traffic:
    """The process; it has ended when the context is left."""

    def __init__(self, core: int | None = CLIENT_CORE) -> None:
        self._child = Child("traffic", core)
        self.port = 0  #: the sink's

    def __enter__(self) -> Self:
        self._child.__enter__()
        self.port = self._child.says(int)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.__exit__(kind, error, trace)

    def send(self, load: Load) -> Loaded:
        """Do this, and return once the last answer came."""
        self._child.tell(Task(load=load))
        return self._child.says(Loaded)

    def wait(self, events: int, destinations: int, seconds: float) -> Arrival:
        """Wait until all of it has come. Costs the daemon nothing."""
        self._child.tell(Task(wait=Wait(events, destinations, seconds)))
        return self._child.says(Arrival)

    def arrived(self) -> dict[str, Arrived]:
        """What has come, by destination."""
        return msgspec.convert(get_json(self.port, "/stats"), dict[str, Arrived])

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid


# ---------------------------------------------------------------- from inside


async def serve_traffic(say: Any) -> None:
    """Tell the sink's port, then do one task after the other until standard input ends."""
    loop, sink = asyncio.get_running_loop(), Sink()
    server = await loop.create_server(lambda: ServerConnection(sink.receive), "127.0.0.1", 0)
    say(server.sockets[0].getsockname()[1])
    tasks = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(tasks), sys.stdin)
    while line := await tasks.readline():
        say(await _do(msgspec.json.decode(line, type=Task), sink))
    server.close()


async def _do(task: Task, sink: Sink) -> Loaded | Arrival | None:
    if task.load:
        generator = Generator(task.load, os.getpid(), sink)
        sink.on_arrival = generator.resume if task.load.window else lambda: None
        return await generator.run()
    return await _arrival(task.wait, sink) if task.wait else None


async def _arrival(wait: Wait, sink: Sink) -> Arrival:
    came = asyncio.Event()
    sink.on_arrival = came.set
    try:
        async with asyncio.timeout(wait.seconds):
            while sink.least(wait.destinations) < wait.events:
                came.clear()
                await came.wait()
    except TimeoutError:
        return Arrival(sink.last_at, complete=False)
    return Arrival(sink.last_at, complete=True)
