"""Whether a destination may send at all: paused by hand, by its vendor or for its credentials; or its breaker is open.

Ten failures in a row from at least three users open the breaker. Then one probe at a time, after 1 s, doubling to 60 s.
A destination paused for its credentials or set-up probes once every five minutes. Pure but for the clock handed in.
"""

from __future__ import annotations

from router.clock import Clock
from router.deliver.backoff import ASKED_CAP_S
from router.plugin import Pause
from router.store import Status

OPEN_AFTER, OPEN_USERS = 10, 3
PROBE_FIRST_MS, PROBE_CAP_MS = 1_000, 60_000
PAUSE_PROBE_MS = 300_000
RUNNING = "running"
PAUSED = "paused"
BREAKER_OPEN = "breaker_open"
PROBING = frozenset({"credentials", "set_up"})
"""Pauses that end with a probe; the others end when their time is over, or by hand."""


class Flow:
    """The state of one destination. Methods that change it return True where it did change."""

    def __init__(self, status: Status, clock: Clock) -> None:
        self.status = status
        self._clock = clock
        self._failures = 0
        self._failed_users: set[str] = set()
        self._suspects: set[str] = set()
        self._probe_ms = PROBE_FIRST_MS

    @property
    def running(self) -> bool:
        """Sends as it likes."""
        return self.status.state == RUNNING

    @property
    def probes(self) -> bool:
        """Not running, but one request at a time may find out whether it could."""
        return self.status.state == BREAKER_OPEN or self.status.reason in PROBING

    def may_send(self, in_flight: int) -> bool:
        """Whether one more request may start now."""
        if self.running:
            return True
        return self.probes and in_flight == 0 and self._clock.now_ms() >= self.status.until

    def failed_recently(self, user_key: str) -> bool:
        """Whether this user was among those whose failures opened the breaker."""
        return user_key in self._failed_users

    def wake_at(self) -> int | None:
        """When something changes by itself (ms)."""
        return self.status.until if not self.running and self.status.until else None

    def tick(self) -> bool:
        """A pause the vendor asked for ends when its time is over."""
        due = self.status.until and self._clock.now_ms() >= self.status.until
        return self.resume() if self.status.state == PAUSED and due and not self.probes else False

    def succeeded(self) -> bool:
        """The vendor took something."""
        self._forget_failures()
        return self.resume() if self.probes else False

    def _forget_failures(self) -> None:
        self._failures = 0
        self._failed_users.clear()
        self._suspects.clear()
        self._probe_ms = PROBE_FIRST_MS

    def failed(self, user_keys: set[str], reason: str) -> bool:
        """A request failed in a way that may pass."""
        self._failures += 1
        if len(self._failed_users) < 1000:
            self._failed_users |= user_keys
        if self.status.state == BREAKER_OPEN:
            self._probe_ms = min(PROBE_CAP_MS, self._probe_ms * 2)
            self._set(BREAKER_OPEN, reason, self._probe_ms, since=self.status.since)
            return False
        if self.running and self._failures >= OPEN_AFTER and len(self._failed_users) >= OPEN_USERS:
            return self._set(BREAKER_OPEN, reason, self._probe_ms)
        return False

    def suspect(self, user_keys: set[str]) -> bool:
        """A 403 or 404: ours, or just this event's? True once three users met it and nobody succeeded."""
        self._suspects |= user_keys
        return len(self._suspects) >= OPEN_USERS

    def pause(self, pause: Pause) -> bool:
        """The vendor's answer says that the key or the set-up is wrong. Never replaces a pause by hand."""
        if self.status.reason == "by_hand":
            return False
        reason = pause.reason if pause.reason in PROBING else "set_up"
        wait = PAUSE_PROBE_MS if pause.after_s is None else _wait_ms(pause.after_s)
        left = self.status.until - self._clock.now_ms() if self.status.state == PAUSED else 0
        return self._set(PAUSED, reason, max(wait, left), detail=pause.detail)

    def running_ms(self) -> int:
        """Router time less all the time the destination stood still: the clock that the budget of retries runs on."""
        now = self._clock.now_ms()
        return now - self.status.stopped_ms - (0 if self.running else now - self.status.since)

    def wait(self, seconds: float) -> bool:
        """The vendor asked for this long. Never shortens a wait, never replaces a pause by hand."""
        wait_ms = _wait_ms(seconds)
        absurd = seconds > ASKED_CAP_S
        detail = f"it asked for a wait of {seconds:g} s; at most {ASKED_CAP_S:g} s are waited" if absurd else ""
        until = self.status.until
        if self.status.state == PAUSED and (until == 0 or until >= self._clock.now_ms() + wait_ms):
            return False
        return self._set(PAUSED, "retry_after", wait_ms, detail=detail)

    def pause_by_hand(self) -> bool:
        """Until somebody resumes it."""
        return self._set(PAUSED, "by_hand", 0)

    def pause_internal(self, detail: str) -> bool:
        """The router itself could not store this destination's steps."""
        return self._set(PAUSED, "internal", 0, detail=detail)

    def resume(self) -> bool:
        """Run, whatever it waited for."""
        self._forget_failures()
        return not self.running and self._set(RUNNING, "", 0)

    def _set(self, state: str, reason: str, wait_ms: int, *, detail: str = "", since: int | None = None) -> bool:
        """`wait_ms` 0: until somebody resumes it."""
        now = self._clock.now_ms()
        before = self.status
        same = (before.state, before.reason) == (state, reason)
        began = before.since if same and since is None else since if since is not None else now
        stood = 0 if before.state == RUNNING or began == before.since else now - before.since
        self.status = Status(
            state, reason, began, now + wait_ms if wait_ms else 0, detail[:500], before.stopped_ms + stood
        )
        return not same


def _wait_ms(seconds: float) -> int:
    """Milliseconds to wait when somebody asks for this many seconds: at least one, so that the wait has an end."""
    return max(1, int(min(seconds, ASKED_CAP_S) * 1000)) if seconds > 0 else 1
