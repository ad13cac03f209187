"""A port that is held: only the daemon it is for can listen there."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing

import pytest

from router.testing.ports import HeldPort


async def test_a_server_can_listen_there_again_and_again_and_nobody_else_gets_it_meanwhile() -> None:
    with closing(HeldPort()) as held:
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", held.number)
            with socket.socket() as other, pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", held.number))
            async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", held.number):
                reader, writer = await asyncio.open_connection("127.0.0.1", held.number)
                assert await reader.read() == b""
                writer.close()


def test_it_is_free_again_when_it_was_closed_or_is_no_longer_used() -> None:
    held = HeldPort()
    number = held.number
    del held
    with socket.socket() as other:
        other.bind(("127.0.0.1", number))
