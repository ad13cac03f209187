"""Looks at the troubles every two seconds and posts what has changed. Nothing waits for it, and what it cannot tell it tells later.

One message is on its way at a time. It is tried again with growing waits, with the same id, until it is taken or an hour old; then the
next one tells how things are by then. What was told is stored after each message, so that a restart neither tells it twice nor forgets
that its end is to be told. Where the process is killed between the answer and that, the message is sent a second time.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Protocol
from uuid import uuid4

from router.background import beside
from router.clock import Clock
from router.config import Config, DeliveryConfig
from router.deliver.send.backoff import wait_s
from router.deliver.send.http_client import Client, Fault, open_client
from router.errors import StoreError
from router.logger import Log
from router.notify.bodies import Message, request_of
from router.notify.changes import Announced, read_stored, stored
from router.notify.sight import Seen
from router.store import Notices

LOOK_S = 2.0
TIMEOUT_S = 10.0
GOOD_FOR_MS = 3_600_000
"""A message that nobody has taken for so long is made anew."""


class Watched(Protocol):
    """What the notifier asks of the daemon."""

    @property
    def config(self) -> Config:
        """The configuration in force."""
        ...

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to stop: how things are then is no trouble."""
        ...


class Notifier:
    """Owned by the daemon, inside of the destinations' lifetime."""

    def __init__(
        self, daemon: Watched, look: Callable[[], Awaitable[Seen]], notices: Notices, clock: Clock, log: Log
    ) -> None:
        self._daemon, self._look, self._notices, self._clock, self._log = daemon, look, notices, clock, log
        self._random = Random()
        self._announced: Announced | None = None  #: None: what was told before has not been read yet
        self._message: Message | None = None  #: not taken yet
        self._attempts = 0
        self._storing = asyncio.Lock()  #: held from an answer until it is stored

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look and send until the end of it. What is on its way then is cut."""
        async with beside("notify", self._run, self._clock, self._log, writing=self._storing):
            yield
        await self._notices.give_back()

    async def _run(self) -> None:
        async with open_client(DeliveryConfig.model_validate({"timeout": f"{TIMEOUT_S:g}s"})) as client:
            while True:
                pause_s = LOOK_S
                if self._daemon.config.notify.url and not self._daemon.is_stopping:
                    with contextlib.suppress(StoreError):  # told of by the store itself
                        pause_s = await self._turn_if_ours(client)
                await self._clock.sleep(pause_s)

    async def _turn_if_ours(self, client: Client) -> float:
        """Take a turn, if no other process tells. What that one has told is read first."""
        if await self._notices.are_ours():
            return await self._turn(client)
        self._announced = self._message = None
        return LOOK_S

    async def _turn(self, client: Client) -> float:
        """Look, unless there is a message to be sent; send it. Returns the seconds until the next turn."""
        now = self._clock.now_ms()
        if self._announced is None:
            self._announced = Announced(read_stored(await self._notices.read()))
        if self._message is None or now - self._message.at > GOOD_FOR_MS:
            self._message = await self._next_message(self._announced, now)
        message = self._message
        if message is None:
            self._attempts = 0
            return LOOK_S
        failed = await self._send(client, message, self._announced)
        if failed:
            self._attempts += 1
            self._tell_failure(failed)
            return max(LOOK_S, wait_s(self._attempts, self._random))
        return LOOK_S

    async def _next_message(self, announced: Announced, now: int) -> Message | None:
        config = self._daemon.config
        seen = await self._look()
        if self._daemon.is_stopping:
            return None
        changes = announced.changes(seen.troubles, now, config.notify.events, seen.starting)
        instance = config.console.instance or socket.gethostname()
        return Message(uuid4().hex, now, instance, tuple(changes)) if changes else None

    async def _send(self, client: Client, message: Message, announced: Announced) -> str:
        """Why it was not taken; empty when it was."""
        try:
            reply = await client.send(request_of(message, self._daemon.config.notify))
        except Fault as fault:
            return f"{fault.reason}: {fault.words}"
        except (TypeError, ValueError) as error:  # of Request: it names the field, and holds no value
            return f"notify.url: {error}"
        if not 200 <= reply.status < 300:
            return f"status {reply.status}"
        async with self._storing:
            self._message, self._attempts = None, 0
            announced.was_told(message.changes, message.at)
            await self._notices.write(stored(announced.told))
        self._log.emit("notified", changes=[f"{one.kind} {one.code} {one.subject}" for one in message.changes])
        return ""

    def _tell_failure(self, words: str) -> None:
        """The first failure, and then each time their number has doubled."""
        if not self._attempts & (self._attempts - 1):
            self._log.emit("notify_failed", detail=words, attempt=self._attempts)
