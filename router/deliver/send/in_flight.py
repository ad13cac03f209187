"""The requests of a destination that are on their way: how many, what they take, which of them are stuck."""

from __future__ import annotations

import asyncio
from typing import Literal

from router.clock import Clock
from router.deliver.send.delivery_span import CUT
from router.deliver.send.kind_queue import RELEASE
from router.deliver.send.request_batch import Flight, RequestBatch
from router.plugin_host.time_budgets import CALL_TIMEOUTS

MARGIN_S = 10.0
"""A request that is on its way longer than all its time-outs and this is stuck: its plugin does not let itself be ended."""


class InFlight:
    """Owned by the batcher."""

    def __init__(self, clock: Clock, timeout_s: float) -> None:
        self._clock = clock
        self._most_ms = int(1000 * (CALL_TIMEOUTS * timeout_s + MARGIN_S))
        self.batches: dict[RequestBatch, Literal[True]] = {}  #: oldest first
        self.by_kind: dict[str, int] = {}  #: how many carry items of this kind
        self.sent = 0  #: bytes of their bodies
        self.releases = 0  #: those that began with a released event
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    def enter(self, batch: RequestBatch) -> None:
        """A request begins."""
        batch.began = self._clock.monotonic()
        if not self.batches:
            self._is_idle.clear()
        self.batches[batch] = True
        self.by_kind[batch.kind] = self.by_kind.get(batch.kind, 0) + 1
        self.releases += batch.line is RELEASE

    def leave(self, batch: RequestBatch) -> bool:
        """A request is on its way no longer. False: it was not."""
        if self.batches.pop(batch, None) is None:
            return False
        self.sent -= batch.flight.sent
        batch.flight.is_over = True
        batch.exchange = None  # which knows the batch: neither would go without the garbage collector
        self.by_kind[batch.kind] -= 1
        self.releases -= batch.line is RELEASE
        if not self.batches:
            self._is_idle.set()
        return True

    def count_sent(self, flight: Flight, n: int) -> None:
        """So many bytes more, or less, are on their way for it."""
        if not flight.is_over:
            flight.sent += n
            self.sent += n

    def lasted_ms(self, batch: RequestBatch) -> int:
        """For how long it has been on its way."""
        return round(1000 * (self._clock.monotonic() - batch.began))

    @property
    def overdue_at(self) -> int | None:
        """When the request that has been on its way for the longest counts as stuck (ms)."""
        for batch in self.batches:
            return self._clock.now_ms() + self._most_ms - self.lasted_ms(batch)
        return None

    def stuck(self) -> list[RequestBatch]:
        """Those that count as stuck."""
        return [batch for batch in self.batches if self.lasted_ms(batch) >= self._most_ms]

    # ------------------------------------------------------------ the end

    def abandon(self) -> None:
        """From another thread, for one whose loop a hook holds: no answer finds its request any more."""
        flying, self.batches = self.batches, {}
        for batch in flying:
            batch.flight.is_over = True
            _end_span(batch)

    def cut(self) -> None:
        """End all of them now: what is cut has no answer."""
        for batch in list(self.batches):
            if batch.exchange is not None:
                batch.exchange.cancel()
            self.leave(batch)
            _end_span(batch)

    async def until_idle(self) -> None:
        """Return when none is on its way."""
        await self._is_idle.wait()


def _end_span(batch: RequestBatch) -> None:
    if batch.span is not None:
        batch.span.end(CUT)
