"""What was counted in a period: of a destination, of a source, or of all together. For the plots and the Line."""

from __future__ import annotations

from typing import Any

from router.admin.answers import Answers
from router.admin.daemon_port import DaemonPort
from router.admin.pace import WEEK_AND_MORE, a_week_before, growth
from router.admin.series import PERIODS, Bucket, Period, begin_ms, reasons, series, total
from router.counts import STORE, Counted
from router.errors import CommandRefused
from router.vocabulary import UNSETTLED


class Plots:
    """The questions. Names of destinations that are not configured raise CommandRefused `not_found`."""

    def __init__(self, daemon: DaemonPort, answers: Answers) -> None:
        self._daemon, self._answers = daemon, answers
        self._stored: dict[tuple[int, int, str | None, str | None], list[Bucket]] = {}  #: buckets that were read
        self._stored_at = -1  #: as of this write of the counts

    async def series(
        self, destination: str | None = None, period: str = "1h", *, source: str | None = None
    ) -> dict[str, Any]:
        """What was counted of a destination, of a source, or of all together, as columns for a plot. Raises CommandRefused."""
        span, whom = self._period(period), self._whom(destination, source)
        found = await self._buckets(span, whom)
        of = {whom.kind: whom.name} if whom is not None else {}
        return {**of, "period": period, **series(found, span, self._daemon.now_ms)}

    async def line(self, name: str, period: str) -> dict[str, Any]:
        """What came to an end at a destination in a period, by state and reason; beside it what waits there now.

        `accepted` is what all sources accepted in that time. Events wait and are replayed, so in a period the states need not add up
        to it; those of the ledger do.
        """
        span = self._period(period)
        runner = self._answers.runner(name)
        counts = total(await self._buckets(span, Counted("destination", name)))
        accepted = total(await self._buckets(span, None, "source")).n.get("accepted", 0)
        now = (await self._daemon.store.queries.ledger([name]))["destinations"].get(name, {})
        return {
            "destination": runner.destination.name,
            "period": period,
            "accepted": accepted,
            **{state: counts.n.get(state, 0) for state in ("filtered", "skipped", "delivered", "dead", "retried")},
            "latency_p50_s": counts.latency_s(0.5),
            "latency_p95_s": counts.latency_s(0.95),
            "reasons": reasons(counts),
            "now": {state: now.get(state, 0) for state in UNSETTLED},
        }

    async def pace(self, source: str) -> dict[str, Any]:
        """What a source sent in the last hour, in the same hour of the last week (None: not known), and in the last 7 days."""
        whom, now_ms = Counted("source", source), self._daemon.now_ms
        of_week = total(await self._buckets(PERIODS["7d"], whom))
        return {
            "last_hour": total(await self._buckets(PERIODS["1h"], whom)).n.get("accepted", 0),
            "week_before": a_week_before(await self._buckets(WEEK_AND_MORE, whom), now_ms),
            "week": {name: of_week.n.get(name, 0) for name in ("accepted", "duplicates", "discarded")},
        }

    async def growth(self) -> float | None:
        """Bytes a day that the store grew by of late; None before that can be told."""
        return growth(await self._buckets(PERIODS["7d"], STORE))

    async def _buckets(self, period: Period, whom: Counted | None, kind: str | None = None) -> list[Bucket]:
        """What the store has, and what was counted since it was written to last."""
        since = begin_ms(period, self._daemon.now_ms)
        kind, name = whom or (kind, None)
        at, fresh = self._daemon.unwritten_counts()
        key = period.bucket_s, since, kind, name
        while (stored := self._stored_as_of(at).get(key)) is None:
            read = await self._daemon.store.counters.buckets(period.bucket_s, since, kind, name)
            before, (at, fresh) = at, self._daemon.unwritten_counts()
            if at == before:  # else they were written meanwhile: some would be counted twice, or not at all
                self._stored_as_of(at)[key] = read
        found = list(stored)
        bucket = at - at % (1000 * period.bucket_s)
        if bucket >= since:
            found += [
                (bucket, of, counts)
                for of, counts in fresh.items()
                if kind in (None, of.kind) and name in (None, of.name)
            ]
        return found

    def _stored_as_of(self, at: int) -> dict[tuple[int, int, str | None, str | None], list[Bucket]]:
        """What was read since the counts were written at this instant: a page that is sent anew each second asks the store once a
        minute."""
        if self._stored_at != at:
            self._stored_at, self._stored = at, {}
        return self._stored

    def _period(self, period: str) -> Period:
        if period not in PERIODS:
            raise CommandRefused("invalid_request", f"period {period!r}: one of {', '.join(PERIODS)}")
        return PERIODS[period]

    def _whom(self, destination: str | None, source: str | None) -> Counted | None:
        if destination is not None and source is not None:
            raise CommandRefused("invalid_request", "name a destination or a source, not both")
        if destination is not None:
            return Counted("destination", self._answers.runner(destination).destination.name)
        if source is None:
            return None
        known = [one.name for one in self._daemon.config.sources]
        if source not in known:
            raise CommandRefused("not_found", f"no source {source!r}; configured: {', '.join(known) or 'none'}")
        return Counted("source", source)
