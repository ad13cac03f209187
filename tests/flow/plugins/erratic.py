"""Returns, raises and yields anything from its hooks, as a seed says: what no plugin should do, and what only few do."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from router.plugin import (
    Answer,
    Batch,
    Context,
    Delivered,
    Event,
    Item,
    Sender,
    Settings,
    UserId,
    hookimpl,
    json_request,
)  # fmt: skip
from tests.flow.fuzz.odd_returns import (
    ERRORS,
    HUGE,
    INSTANTS,
    NAN,
    OUTCOMES,
    REQUESTS,
    RESULTS,
    STATES,
    VERDICTS,
    WARNINGS,
    Own,
)  # fmt: skip

SLOW_S = 0.2


class ErraticSettings(Settings):
    """Where to, and what chance begins with."""

    base_url: str
    seed: int = 0


class Erratic:
    """About half of its calls are well made, so that events reach every hook."""

    settings_model = ErraticSettings
    requires: Mapping[str, tuple[UserId, ...]] = {"page": (UserId(),)}

    def __init__(self, settings: ErraticSettings) -> None:
        self.settings = settings
        self._random = random.Random(settings.seed)
        self.kinds: Mapping[str, Batch] = {
            "": Batch(max_items=5),
            "other": Batch(max_items=1, concurrency=2, linger_s=0.1),
        }

    @hookimpl
    async def lifetime(self) -> AsyncIterator[None]:
        """Fails now and then, at its start or later."""
        chance = self._random.random()
        if chance < 0.05:
            raise Own("lifetime")
        async with asyncio.TaskGroup() as group:
            if chance < 0.1:
                group.create_task(_fail_later())
            yield

    @hookimpl
    def state_key(self, event: Event) -> Any:
        """A user, mostly."""
        chance = self._random.random()
        if chance < 0.03:
            return self._random.choice((7, "", "x" * 10_000, "\ud800", b"x", [], "a\x00b"))
        if chance < 0.04:
            raise self._error()
        return event.user_id or "nobody" if chance < 0.7 else None

    @hookimpl
    def identify(self, event: Event, context: Context) -> Any:
        """Anything."""
        return self._map(event.message_id, context, event.received_at)

    @hookimpl
    def group(self, event: Event, context: Context) -> Any:
        """Anything."""
        return self._map(event.message_id, context, event.received_at)

    @hookimpl
    def track(self, event: Event, context: Context) -> Any:
        """Anything."""
        return self._map(event.message_id, context, event.received_at)

    @hookimpl
    def page(self, event: Event, context: Context) -> Any:
        """Anything."""
        return self._map(event.message_id, context, event.received_at)

    @hookimpl
    def alias(self, event: Event, context: Context) -> Any:
        """Anything."""
        return self._map(event.message_id, context, event.received_at)

    @hookimpl
    def wake(self, key: str, at: datetime, context: Context) -> Any:
        """Anything."""
        return self._map(key, context, at)

    @hookimpl
    def request(self, items: list[Item]) -> Any:
        """A request, mostly."""
        chance = self._random.random()
        if chance < 0.85:
            return json_request(f"{self.settings.base_url}/x", [item.body for item in items])
        if chance < 0.9:
            raise self._error()
        return self._random.choice(REQUESTS)(self.settings.base_url)

    @hookimpl
    def verdict(self, items: list[Item], answer: Answer) -> Any:
        """An outcome, mostly."""
        return self._outcome(len(items))

    @hookimpl
    async def deliver(self, items: list[Item], sender: Sender) -> Any:
        """Sends once, not at all or often, and says anything of it."""
        chance = self._random.random()
        if chance < 0.05:
            await asyncio.sleep(self._random.random() * SLOW_S)
        elif chance < 0.06:
            time.sleep(SLOW_S)  # noqa: ASYNC251  # what it must not do
        elif chance < 0.08:
            current = asyncio.current_task()
            assert current is not None
            current.cancel()
            await asyncio.sleep(0)
        elif chance < 0.1:
            asyncio.get_running_loop().create_task(_fail_later())
        elif chance < 0.12:
            await asyncio.gather(*(sender.send(self.request(items)) for _ in range(5)))
        elif chance < 0.14:
            await asyncio.wait_for(asyncio.sleep(1), 0.01)
        elif chance < 0.8:
            answer = await sender.send(self.request(items))
            return self.verdict(items, answer)
        items.clear()
        return self._outcome(self._random.randrange(3))

    # ------------------------------------------------------------ what chance says

    def _map(self, name: str, context: Context, now: datetime) -> Any:
        self._touch(context, now)
        chance = self._random.random()
        if chance < 0.6:
            return Item({"id": name}, self._random.choice(("", "", "other")))
        if chance < 0.65:
            raise self._error()
        if chance < 0.67:
            time.sleep(self._random.random() * SLOW_S)
        return self._random.choice(RESULTS)(name)

    def _touch(self, context: Context, now: datetime) -> None:
        """State and timers, at times such as cannot be stored."""
        chance = self._random.random()
        if chance < 0.1:
            context.warn(self._random.choice(WARNINGS), n=self._random.choice((1, NAN, HUGE)))
        elif chance < 0.15:
            context.state = self._random.choice((*STATES, now))
        elif chance < 0.2:
            context.wake(self._random.choice((now - timedelta(days=1), now.replace(tzinfo=None), *INSTANTS)))
        elif chance < 0.4:
            context.state = {"count": self._random.randrange(99)}
            context.wake(now + timedelta(seconds=self._random.random() * 20))

    def _error(self) -> BaseException:
        return self._random.choice(ERRORS)()

    def _outcome(self, n: int) -> Any:
        chance = self._random.random()
        if chance < 0.6:
            return Delivered() if chance < 0.4 else [Delivered()] * n
        if chance < 0.66:
            raise self._error()
        if chance < 0.7:
            return self._random.choice(VERDICTS)(n)
        if chance < 0.85:
            return [self._random.choice(OUTCOMES)() for _ in range(n)]
        return self._random.choice(OUTCOMES)()


async def _fail_later() -> None:
    await asyncio.sleep(0.1)
    raise ConnectionError("lost")
