"""The way from a process to a server, which can be cut as a network is: nothing arrives any more, and nobody is told."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self


class Wire:
    """Listens on loopback, and passes what comes to a port. While it is cut, all of it waits: new connections, too, and their ends."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._passes = asyncio.Event()
        self._passes.set()
        self._ends: set[asyncio.StreamWriter] = set()
        self._carrying: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.heal(forget=True)
        if self._carrying:
            await asyncio.wait(self._carrying)

    def cut(self) -> None:
        """Nothing passes from now on."""
        self._passes.clear()

    def heal(self, *, forget: bool = False) -> None:
        """What waits passes. `forget`: whoever is in between knows the connections of before no more, and resets them."""
        if forget:
            for end in self._ends:
                end.transport.abort()
        self._passes.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)
        ends = {writer}
        self._ends.add(writer)
        try:
            await self._passes.wait()
            answers, further = await asyncio.open_connection("127.0.0.1", self._target)
            ends.add(further)
            self._ends.add(further)
            await asyncio.gather(self._carry(reader, further), self._carry(answers, writer))
        except OSError:
            pass  # one of the two is gone: the other one is told below
        finally:
            self._ends -= ends
            for end in ends:
                end.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            await self._passes.wait()
            writer.write(data)
            await writer.drain()
        await self._passes.wait()
        with contextlib.suppress(OSError):
            writer.close()
            await writer.wait_closed()
