"""A bare server for tests in which a connection is visited in a way no vendor would."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Visited = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(visited: Visited, receive_buffer: int | None = None) -> AsyncIterator[str]:
    """Listen, and call `visited` for each connection. Gives "127.0.0.1:PORT". It closes whatever happens: uvloop's loop never ends
    beside a server that is open."""
    listening = socket.create_server(("127.0.0.1", 0))
    if receive_buffer:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    server = await asyncio.start_server(visited, sock=listening)
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.close()
