"""What operators ask of that which came in and went out, and what is counted for plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from router.counts import Counted, Counts
from router.event import Call
from router.store.rows import ReplayRow
from router.store.shards import WHOLE, Share


class InputReports(Protocol):
    """What operators ask of that which came in: what could not be used, what does not fit a plan, what looks personal."""

    async def discards(self, source: str | None, since_ms: int) -> dict[str, Any]:
        """Why calls that got a 200 are nowhere: counts by source and code, and the newest ones; `since`: when the counts begin.
        `since_ms` is 0 for all there ever were."""
        ...

    async def discards_by_day(self, source: str | None, since_ms: int) -> list[dict[str, Any]]:
        """The entries of `discards` that are kept, counted by day (UTC), source and code, the newest day first: `{"day", "source", "code",
        "entries"}` each."""
        ...

    async def clients(self, source: str, most: int) -> dict[str, Any]:
        """Which libraries sent the newest events of a source, among so many of all sources: `{"looked_at", "events", "last_at",
        "items": [{"library", "version", "count", "last_at"}], "left_out"}`."""
        ...

    async def violations(self, source: str | None, event: str | None, since_ms: int) -> dict[str, Any]:
        """What does not fit the tracking plans: kinds of violations met since an instant, the most frequent first."""
        ...

    async def personal_data(self, source: str | None, since_ms: int, before: int | None) -> dict[str, Any]:
        """What looks personal in the events in front of a position, as counts without any value: `found`, and `next`. How many
        events it looks at is bounded."""
        ...


class OutputReports(Protocol):
    """What operators ask of that which goes out: what is left, why events are dead or retrying, and what was decided lately."""

    async def left_over(self, configured: Sequence[str]) -> dict[str, dict[str, int]]:
        """Destinations that are configured no more, and what is kept of them: held, retrying, queued, dead letters."""
        ...

    async def failures(self, destination: str, most: int) -> list[dict[str, Any]]:
        """The newest dead letters, and of events that are retrying the last attempt, newest first: `{"state", "reason", "status", "words",
        "message_id", "at"}`."""
        ...

    async def dead_reasons(self, destination: str, most: int) -> list[dict[str, Any]]:
        """Dead letters by reason, of so many at most: `{"reason", "count", "first", "last"}`."""
        ...

    async def newest_calls(self, destination: str, most: int) -> list[tuple[Call, str, str]]:
        """The newest calls, each with its state and reason at a destination."""
        ...

    async def newest_replay(self, destination: str, share: Share = WHOLE) -> ReplayRow | None:
        """The newest replay of a destination, or of a shard, as of the last commit."""
        ...


class Counters(Protocol):
    """What was counted by minute (kept for 48 hours) and by hour (90 days), for plots. The ledger is what adds up for good."""

    def of_sources(self) -> Mapping[str, Counts]:
        """What was counted of each source since the start of the process. It grows while it is looked at."""
        ...

    async def add(self, at_ms: int, counted: Mapping[Counted, Counts]) -> None:
        """Add to the buckets of this instant, in one transaction, and let go of what is too old."""
        ...

    async def buckets(
        self, span_s: int, since_ms: int, kind: str | None = None, name: str | None = None
    ) -> list[tuple[int, Counted, Counts]]:
        """Buckets of this length (`COUNTED_SPANS`) that begin at or after an instant, oldest first: when, whose, what. None: of
        all kinds, or names."""
        ...

    async def samples(self, destinations: Sequence[str]) -> dict[str, dict[str, float]]:
        """By destination: `held_events`, `held_people`, and `oldest_s`, the age of the oldest event that is neither settled nor
        held."""
        ...
