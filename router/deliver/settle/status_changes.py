"""A destination's state as it is stored and told: it pauses, opens its breaker, or goes on."""

from __future__ import annotations

from collections.abc import Callable

from router.clock import to_iso
from router.deliver.context import DeliveryContext, DeliveryState
from router.deliver.send.backoff import wait_s
from router.deliver.settle.destination_verdict import Failed, Health, Stop, Succeeded, Wait
from router.plugin import Pause
from router.vocabulary import DestinationState

NAMES = {
    DestinationState.BREAKER_OPEN: "breaker_opened",
    DestinationState.PAUSED: "destination_paused",
}
"""The log's word for a change to a state."""


class StatusChanges:
    """Applies to the circuit breaker what responses say, and records each change."""

    def __init__(self, context: DeliveryContext, state: DeliveryState) -> None:
        self._context, self._breaker, self._work = context, state.breaker, state.work
        self._recorded = state.breaker.status
        self._waits_without_time = 0  #: requests to wait, one after the other, that did not say for how long

    def apply(self, health: Health, users: frozenset[str], is_everybody: Callable[[frozenset[str]], bool]) -> None:
        """What a response says about the destination. `is_everybody`: whether no other user has anything to send."""
        breaker = self._breaker
        match health:
            case Succeeded():
                self._waits_without_time = 0
                self.record(breaker.succeeded())
            case Failed(reason=reason, detail=detail):
                self.record(breaker.failed(users, reason, detail, is_everybody=is_everybody(users)))
            case Wait(seconds=seconds):
                self.record(breaker.wait(self._wait_s(seconds)))
            case Stop(pause=pause):
                self.pause(pause)

    def pause(self, pause: Pause) -> None:
        """The whole destination waits: its key or its set-up is wrong."""
        self.record(self._breaker.pause(pause))

    def forget_waits(self) -> None:
        """The vendor took everything."""
        self._waits_without_time = 0

    def _wait_s(self, asked: float | None) -> float:
        if asked is not None and asked > 0:
            return asked
        if asked is None:  # not once more for each request that was on its way meanwhile
            self._waits_without_time += self._breaker.is_running
        return wait_s(max(1, self._waits_without_time), self._context.random)

    def record(self, is_change: bool) -> None:
        """Store the state, and tell of it where it did change."""
        before, status = self._recorded, self._breaker.status
        self._recorded = status
        if status is before:
            return
        self._work.status(status)
        if not is_change:
            return
        self._context.meter.change(status.state, status.reason)
        resumed = "breaker_closed" if before.state == DestinationState.BREAKER_OPEN else "destination_resumed"
        name = NAMES.get(DestinationState(status.state), resumed)
        until = to_iso(status.until) if status.until else ""
        self._context.log.emit(name, reason=status.reason, detail=status.detail, until=until)
