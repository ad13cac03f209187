"""However many connections are busy: a new one is accepted and read in the next turns of the loop, not behind all of them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from router.ingest import fair_reading, limits
from router.ingest.fair_reading import FairReading
from router.ingest.hot_connection import MAX_BEHIND_BYTES
from tests.unit.ingest.rig import TRACK, RecordingAcceptor
from tests.unit.ingest.test_hot_path import Rig, post, read_answer, serving, until

REQUEST = post("/v1/track", TRACK)
MANY = 120
"""Fewer than the system lets wait for a test's listener."""


class Busy:
    """Clients that send the next request as soon as the one before is answered."""

    def __init__(self, port: int, stack: ExitStack) -> None:
        self.sockets = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(MANY)]
        self.answers = dict.fromkeys(self.sockets, 0)

    async def begin(self, rig: Rig) -> None:
        """Send their first requests, once all of them are accepted."""
        await until(lambda: len(rig.server.connections) == MANY)
        for one in self.sockets:
            one.setblocking(False)
            one.send(REQUEST)

    def go_on(self) -> None:
        """Whoever has an answer goes on."""
        for one in self.sockets:
            try:
                assert one.recv(4096).startswith(b"HTTP/1.1 200 ")
            except BlockingIOError:
                continue
            self.answers[one] += 1
            one.send(REQUEST)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


async def test_a_new_connection_is_answered_though_hundreds_are_busy(
    monkeypatch: pytest.MonkeyPatch, stack: ExitStack
) -> None:
    monkeypatch.setattr(limits, "MAX_READ", 5)
    acceptor = RecordingAcceptor()
    async with serving(acceptor=acceptor) as rig:
        busy = Busy(rig.port, stack)
        await busy.begin(rig)
        while sum(busy.answers.values()) < 3 * MANY:
            await asyncio.sleep(0)
            busy.go_on()
        new = stack.enter_context(socket.create_connection(("127.0.0.1", rig.port)))
        new.sendall(post("/v1/track", {**TRACK, "messageId": "new"}))
        stored = len(acceptor.calls)
        while acceptor.calls[-1].message_id != "new" and len(acceptor.calls) < stored + MANY:
            await asyncio.sleep(0)
            busy.go_on()
        assert "new" in {call.message_id for call in acceptor.calls[stored : stored + MANY // 2]}


async def test_they_are_all_answered_in_turn(monkeypatch: pytest.MonkeyPatch, stack: ExitStack) -> None:
    monkeypatch.setattr(limits, "MAX_READ", 5)
    async with serving() as rig:
        busy = Busy(rig.port, stack)
        await busy.begin(rig)
        while min(busy.answers.values()) < 3:
            await asyncio.sleep(0)
            busy.go_on()
        assert max(busy.answers.values()) <= 5


async def test_connections_that_wait_while_it_is_busy_are_accepted_by_the_dozen(
    monkeypatch: pytest.MonkeyPatch, stack: ExitStack
) -> None:
    monkeypatch.setattr(fair_reading, "FEW", 0)  # it is busy
    async with serving() as rig:
        for _ in range(MANY):
            stack.enter_context(socket.create_connection(("127.0.0.1", rig.port)))
        turns = 0
        while len(rig.server.connections) < MANY:
            turns += 1
            await asyncio.sleep(0)
        assert turns < MANY // limits.MAX_ACCEPTED + 20
        await rig.runner.drain()
        assert rig.server.connections == []


async def test_no_descriptor_is_left_by_a_client_that_has_gone_before_it_is_accepted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fair_reading, "FEW", 0)
    async with serving() as rig:
        for _ in range(50):
            socket.create_connection(("127.0.0.1", rig.port)).close()
        with socket.create_connection(("127.0.0.1", rig.port)) as last:
            last.sendall(REQUEST)
            last.setblocking(False)
            await until(lambda: bool(rig.acceptor.calls))
            await until(lambda: len(rig.server.connections) == 1)


async def test_it_is_busy_where_the_last_turns_have_read_a_few() -> None:
    reading, busy = FairReading(), list[bool]()
    for times in (fair_reading.FEW - 1, 0, fair_reading.FEW, 0, 0, 1, 0, 1):
        for _ in range(times):
            reading.was_read(Counted())
        busy.append(reading.is_busy)
        await asyncio.sleep(0)
    assert busy == [False, False, True, True, True, True, False, False]


class Counted:
    """A connection."""

    def stand_by(self) -> None:
        """Not asked."""

    def go_on(self) -> None:
        """Not asked."""


async def test_a_connection_that_waits_for_its_turn_is_not_read_for_another_reason() -> None:
    gate = asyncio.Event()
    async with serving(acceptor=RecordingAcceptor(gate=gate)) as rig:
        reader, writer = await rig.connect()
        connection = await rig.connection()
        requests = 2 * MAX_BEHIND_BYTES // len(REQUEST)
        writer.write(REQUEST * requests)
        await until(lambda: connection._hot.is_full)
        connection.stand_by()
        connection.go_on()
        assert not connection.transport.is_reading(), "too much has come behind a request that is being stored"
        connection.stand_by()
        gate.set()
        await until(lambda: not connection._hot.is_full)
        assert not connection.transport.is_reading(), "its turn has not come"
        connection.go_on()
        assert connection.transport.is_reading()
        for _ in range(requests):
            await read_answer(reader)
        writer.close()


async def test_nor_for_its_turn_alone_where_nobody_takes_what_has_come_or_nothing_more_is_taken() -> None:
    async with serving() as rig:
        _reader, writer = await rig.connect()
        connection = await rig.connection()
        connection.stand_by()
        connection._pause_reading_for_buffer()  # as aiohttp does
        connection.go_on()
        assert not connection.transport.is_reading()
        connection.stand_by()
        connection._resume_reading_for_buffer()
        assert not connection.transport.is_reading()
        connection.go_on()
        assert connection.transport.is_reading()
        connection.share.is_refused = True
        connection.stand_by()
        connection.go_on()
        assert not connection.transport.is_reading()
        writer.close()


@pytest.mark.parametrize("ends_well", [True, False])
async def test_a_connection_that_waits_for_its_turn_does_not_keep_the_listener_from_its_end(ends_well: bool) -> None:
    async with serving() as rig:
        reader, writer = await rig.connect()
        connection = await rig.connection()
        connection.stand_by()
        await (rig.runner.drain() if ends_well else rig.runner.cleanup())
        assert rig.server.connections == []
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
