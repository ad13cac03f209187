"""Whether a destination may send at all: paused by hand, by its vendor or for its credentials; or its breaker is open.

Ten failures in a row open the breaker, if they come from at least three users or from every user there is. Then one probe
at a time goes out, after 1 s, doubling to 60 s. A destination that is paused for its credentials or its set-up, or by its plugin, probes
once every five minutes, whatever its probes meet. Pure but for the clock handed in.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from router.clock import Clock
from router.deliver.send.backoff import ASKED_CAP_S
from router.plugin import Pause
from router.store import Status
from router.vocabulary import DestinationState

OPEN_AFTER, OPEN_USERS = 10, 3
PROBE_FIRST_MS, PROBE_CAP_MS = 1_000, 60_000
PAUSE_PROBE_MS = 300_000
MAX_FAILED_USERS = 1000
RUNNING, PAUSED, BREAKER_OPEN = DestinationState.RUNNING, DestinationState.PAUSED, DestinationState.BREAKER_OPEN
SLOW_HOOKS, HOOK_HELD = "slow_hooks", "hook_held"
NOT_PROBING = frozenset({"by_hand", "retry_after", "internal", SLOW_HOOKS, HOOK_HELD})
"""Reasons of pauses that end by hand, or when their time is over. All others end with a probe: `credentials`, `set_up`, and what a
plugin says in its own words."""
OWN_PAUSES = frozenset({"internal", SLOW_HOOKS, HOOK_HELD})
"""Reasons of pauses of one shard: what is wrong is wrong with its process. All others are those of the whole destination."""
TURN_MS = 2_000
"""Each shard leaves so much more time to those before it, of which the probe of one is enough."""
MAX_REASON = 100


class CircuitBreaker:
    """The state of one destination. Methods that change it return True where it did change."""

    def __init__(self, status: Status, clock: Clock, shard: int = 0) -> None:
        self.status = status
        self._turn_ms = TURN_MS * shard
        self.suspects: frozenset[str] = frozenset()  #: users that met a 403 or 404 since the last success
        self._clock = clock
        self._failures = 0
        self._failed_users: set[str] = set()
        self._probe_ms = PROBE_FIRST_MS

    # ------------------------------------------------------------ questions

    @property
    def is_running(self) -> bool:
        """Sends as it likes."""
        return self.status.state == RUNNING

    @property
    def is_calm(self) -> bool:
        """Runs, and nothing failed since the last success."""
        return self._failures == 0 and not self.suspects and self.status.state == RUNNING

    @property
    def probes(self) -> bool:
        """Not running, but one request at a time may find out whether it could."""
        return probes(self.status)

    @property
    def is_opened_by_few(self) -> bool:
        """Whether the breaker is open for the failures of one or two users: for others it need not wait."""
        return self.status.state == BREAKER_OPEN and 0 < len(self._failed_users) < OPEN_USERS

    def may_send(self, in_flight: int) -> bool:
        """Whether one more request may start now."""
        if self.is_running:
            return True
        return self.probes and in_flight == 0 and self._clock.now_ms() >= self._until

    def failed_recently(self, user_key: str) -> bool:
        """Whether this user was among those whose requests failed since the last success."""
        return user_key in self._failed_users

    def wake_at(self) -> int | None:
        """When something changes by itself (ms)."""
        return self._until if not self.is_running and self.status.until else None

    @property
    def _until(self) -> int:
        """When it does something by itself (ms): of the shards of a destination one after the other probes."""
        return self.status.until + (self._turn_ms if self.status.state == PAUSED and self.probes else 0)

    def running_ms(self) -> int:
        """Router time less all the time the destination stood still: the clock that the budget of retries runs on."""
        now = self._clock.now_ms()
        return now - self.status.stopped_ms - (0 if self.is_running else now - self.status.since)

    # ------------------------------------------------------------ what changes it

    def tick(self) -> bool:
        """A pause the vendor asked for ends when its time is over."""
        due = self.status.until and self._clock.now_ms() >= self.status.until
        return self.resume() if self.status.state == PAUSED and due and not self.probes else False

    def succeeded(self) -> bool:
        """The vendor took something."""
        self._forget_failures()
        return self.resume() if self.probes else False

    def failed(self, user_keys: Iterable[str], reason: str, detail: str = "", *, is_everybody: bool = False) -> bool:
        """A request failed in a way that may pass.

        Args:
            detail: the words of the error.
            is_everybody: no other user has anything to send.
        """
        self._failures += 1
        if len(self._failed_users) < MAX_FAILED_USERS:
            self._failed_users.update(user_keys)
        if self.probes:
            self._pace_probe(reason, detail)
            return False
        enough_users = is_everybody or len(self._failed_users) >= OPEN_USERS
        if self.is_running and self._failures >= OPEN_AFTER and enough_users:
            return self._set(BREAKER_OPEN, reason, self._probe_ms, detail=detail)
        return False

    def pause(self, pause: Pause) -> bool:
        """The vendor's answer says that the key or the set-up is wrong. Never replaces a pause by hand."""
        if self.status.reason == "by_hand":
            return False
        reason = "set_up" if not pause.reason or pause.reason in NOT_PROBING else pause.reason[:MAX_REASON]
        wait = PAUSE_PROBE_MS if pause.after_s is None else _wait_ms(pause.after_s)
        left = self.status.until - self._clock.now_ms() if self.status.state == PAUSED else 0
        return self._set(PAUSED, reason, max(wait, left), detail=pause.detail)

    def wait(self, seconds: float) -> bool:
        """The vendor asked for this long. Never shortens a wait, never replaces a pause by hand."""
        wait_ms = _wait_ms(seconds)
        until = self.status.until
        if self.status.state == PAUSED and self.probes:
            self._pace_probe(self.status.reason, at_least_ms=wait_ms)
            return False
        if self.status.state == PAUSED and (until == 0 or until >= self._clock.now_ms() + wait_ms):
            return False
        absurd = seconds > ASKED_CAP_S
        detail = f"it asked for a wait of {seconds:g} s; at most {ASKED_CAP_S:g} s are waited" if absurd else ""
        return self._set(PAUSED, "retry_after", wait_ms, detail=detail)

    def pause_by_hand(self, words: str = "") -> bool:
        """Until somebody resumes it. `words`: why, as the operator gave it; the reason that was given before stays without any."""
        before = self.status.detail if self.status.reason == "by_hand" else ""
        return self._set(PAUSED, "by_hand", 0, detail=words or before)

    def pause_internal(self, detail: str) -> bool:
        """The router itself could not store this destination's commits."""
        return self._set(PAUSED, "internal", 0, detail=detail)

    def pause_for_hook(self, detail: str) -> bool:
        """A hook of its plugin holds up everybody else. Never replaces a pause by hand."""
        return self.status.reason != "by_hand" and self._set(PAUSED, SLOW_HOOKS, 0, detail=detail)

    def probe_now(self) -> bool:
        """The key or the set-up has changed: find out whether it is right now. False: it is not paused for these."""
        if self.status.state != PAUSED or not self.probes:
            return False
        self.status = msgspec.structs.replace(self.status, until=self._clock.now_ms())
        return True

    def forget_detail(self) -> None:
        """Why it is paused names a person or group that was forgotten."""
        self.status = msgspec.structs.replace(self.status, detail="")

    def resume(self) -> bool:
        """Run, whatever it waited for."""
        self._forget_failures()
        return not self.is_running and self._set(RUNNING, "", 0)

    def follow(self, others: Iterable[Status]) -> bool:
        """How the other shards of the destination are. What one of them was told since this one changed holds here, too: a pause, or that the
        key is right again. A pause by hand ends by hand at each shard."""
        changes = [self._follow(other) for other in others]
        return any(changes)

    def _follow(self, other: Status) -> bool:
        mine = self.status
        if mine.state == PAUSED and (mine.reason in OWN_PAUSES or other.since < mine.since):
            return False
        if other.state == RUNNING:
            return mine.state == PAUSED and self.probes and other.since > mine.since and self.resume()
        now = self._clock.now_ms()
        is_over = other.reason == "retry_after" and other.until <= now
        if other.state != PAUSED or other.reason in OWN_PAUSES or is_over or not self._is_more(other):
            return False
        since = None if mine.reason == other.reason else other.since
        return self._set(
            PAUSED, other.reason, other.until and max(1, other.until - now), detail=other.detail, since=since
        )

    def _is_more(self, other: Status) -> bool:
        """Whether another shard's pause says more than the state of this one."""
        mine = self.status
        if mine.state != PAUSED:
            return other.since > mine.since
        if mine.reason == other.reason:
            return other.until > mine.until
        return other.since > mine.since and _gravity(other) > _gravity(mine)

    def _pace_probe(self, reason: str, detail: str = "", at_least_ms: int = 0) -> None:
        """A probe met trouble: the next one waits. What was on its way before is no probe."""
        before = self.status
        if self._clock.now_ms() < before.until:
            return
        if before.state == BREAKER_OPEN:
            self._probe_ms = min(PROBE_CAP_MS, self._probe_ms * 2)
            self._set(BREAKER_OPEN, reason, max(self._probe_ms, at_least_ms), detail=detail, since=before.since)
        else:
            wait_ms = max(PAUSE_PROBE_MS, at_least_ms)
            self._set(PAUSED, before.reason, wait_ms, detail=before.detail, since=before.since)

    def _forget_failures(self) -> None:
        self._failures = 0
        self._failed_users.clear()
        self.suspects = frozenset()
        self._probe_ms = PROBE_FIRST_MS

    def _set(self, state: str, reason: str, wait_ms: int, *, detail: str = "", since: int | None = None) -> bool:
        """`wait_ms` 0: until somebody resumes it. `since`: it goes on in this state, with perhaps another reason."""
        now = self._clock.now_ms()
        before = self.status
        is_same = (before.state, before.reason) == (state, reason)
        began = since if since is not None else before.since if is_same else now
        stood_ms = 0 if before.state == RUNNING else began - before.since
        until = now + wait_ms if wait_ms else 0
        self.status = Status(state, reason, began, until, detail[:500], before.stopped_ms + stood_ms)
        return not is_same


def probes(status: Status) -> bool:
    """Whether a destination in this state sends one request at a time, to find out whether it could run."""
    return status.state == BREAKER_OPEN or (status.state == PAUSED and status.reason not in NOT_PROBING)


def _gravity(status: Status) -> int:
    """Of a pause: by hand, then what ends with a probe, then what its vendor asked for."""
    return 2 if status.reason == "by_hand" else int(probes(status))


def _wait_ms(seconds: float) -> int:
    """Milliseconds to wait when somebody asks for this many seconds: at least one, so that the wait has an end."""
    return max(1, int(min(seconds, ASKED_CAP_S) * 1000)) if seconds > 0 else 1
