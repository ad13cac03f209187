"""GET /metrics: what the store and the process have counted, as Prometheus reads it.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (text format 0.0.4).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from router import __version__
from router.admin import standing
from router.admin.daemon_port import DaemonPort
from router.admin.metric_families import SEVEN, STORED
from router.counts import LATENCY_BOUNDS_S, OTHER, Counts
from router.explain.reasons import DEAD
from router.explain.troubles import Trouble, about
from router.metrics import Family, bounded
from router.store import Store, Upkeep

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

OUTCOMES = {"accepted": "accepted", "duplicates": "duplicate", "discarded": "discarded"}
"""What the calls of a source came to: as it is counted, and as the label says it."""


class Stored(NamedTuple):
    """What one scrape shows of what only the store knows."""

    ledger: Mapping[str, Any]  #: as `/api/ledger` gives it
    used_bytes: int
    upkeep: Upkeep | None


def exposition(daemon: DaemonPort, troubles: Sequence[Trouble], stored: Stored | None) -> bytes:
    """The text of one scrape. `stored`: None while the store is away, which then is a trouble, also where no sign of life has failed yet."""
    page = _Page(daemon.metrics.collect(daemon.runners.keys(), [source.name for source in daemon.config.sources]))
    page.add("info", 1, __version__)
    of_troubles = [(*about(one), one.code) for one in troubles] + ([("", "", "store_away")] if stored is None else [])
    for labels in dict.fromkeys(of_troubles):
        page.add("trouble", 1, *labels)
    page.add("nodes", 1 if daemon.store.cluster is None else daemon.store.cluster.count_live())
    page.add("start_timestamp_seconds", daemon.started_ms / 1000)
    page.add("config_loaded_timestamp_seconds", daemon.in_force.since_ms / 1000)
    for name, seconds in daemon.loop_lags_s.items():
        page.add("loop_lag_seconds", seconds, name)
    _add_destinations(page, daemon)
    _add_sources(page, daemon)
    _add_store(page, daemon.store)
    page.add("store_last_backup_timestamp_seconds", daemon.last_backup_ms / 1000)
    if stored is not None:
        _add_stored(page, stored)
    return generate_latest(page)


def _add_stored(page: _Page, stored: Stored) -> None:
    ledger = stored.ledger
    for name in ("accepted", "discarded"):
        page.add(f"events_{name}_total", ledger[name])
    page.add("events_duplicate_total", ledger["duplicates"])
    for name, counts in ledger["destinations"].items():
        _add_ledger(page, name, counts)
    page.add("store_used_bytes", stored.used_bytes)
    if stored.upkeep is not None:
        page.add("store_oldest_snapshot_age_seconds", stored.upkeep.snapshot_s)
        page.add("store_replication_slots_lag_bytes", stored.upkeep.slot_bytes)
        page.add("store_dead_rows", stored.upkeep.dead_rows)


def _add_ledger(page: _Page, name: str, counts: Mapping[str, Any]) -> None:
    for state in SEVEN:
        page.add("destination_events", counts[state], name, state)
    page.add("destination_dry_run_events_total", counts["dry_run"], name)
    page.add("destination_replayed_events_total", counts["replayed"], name)
    page.add("destination_oldest_queued_seconds", counts["oldest_queued_s"], name)
    page.add("destination_cursor_lag_events", counts["head"] - counts["cursor"], name)


def _add_destinations(page: _Page, daemon: DaemonPort) -> None:
    standing_s, without_owner_s = daemon.standing_s, standing.without_owner_s(daemon)
    counted = daemon.metrics.counts()
    for name, runner in daemon.runners.items():
        page.add("destination_state", 1, name, runner.status.state, bounded(runner.status.reason))
        page.add("destination_cursor_standing_seconds", standing_s.get(name, 0.0), name)
        page.add("destination_without_owner_seconds", without_owner_s.get(name, 0.0), name)
        page.add("destination_requests_in_flight", runner.in_flight, name)
        counts = counted.get(name, Counts()).copy()
        for reason, n in _by_reason(counts, "dead", DEAD).items():
            page.add("destination_dead_events_total", n, name, reason)
        page.add_histogram("delivery_latency_seconds", _latencies(counts), counts.took_ms / 1000, name)


def _add_sources(page: _Page, daemon: DaemonPort) -> None:
    """Of sources that are configured: others send nothing any more."""
    counted = daemon.store.counters.of_sources()
    for source in (one.name for one in daemon.config.sources):
        counts = counted.get(source, Counts())
        for name, outcome in OUTCOMES.items():
            page.add("source_events_total", counts.n.get(name, 0), source, outcome)
        for reason, n in _by_reason(counts, "discarded").items():
            page.add("source_discards_total", n, source, reason)
        page.add("source_last_event_timestamp_seconds", daemon.activity_of(source).last_at / 1000, source)


def _by_reason(counts: Counts, name: str, known: Mapping[str, Any] | None = None) -> dict[str, int]:
    """What was counted under a name, by reason. A word that is not among the known ones is a plugin's: `other`."""
    found: dict[str, int] = {}
    for words, n in counts.why.items():
        counted, _, reason = words.partition(" ")
        if counted == name:
            label = reason if known is None or reason in known else OTHER
            found[label] = found.get(label, 0) + n
    return found


def _latencies(counts: Counts) -> list[tuple[str, float]]:
    """The buckets, those below included."""
    within = [counts.latency.get(place, 0) for place in range(len(LATENCY_BOUNDS_S) + 1)]
    return list(zip([*map(str, LATENCY_BOUNDS_S), "+Inf"], map(float, accumulate(within)), strict=True))


def _add_store(page: _Page, store: Store) -> None:
    written, pending = store.sizes.written(), store.sizes.pending()
    page.add("store_commits_total", written.n)
    page.add("store_commit_events_total", written.events)
    page.add("store_commit_bytes_total", written.bytes)
    page.add("store_commit_seconds_total", written.seconds)
    page.add_histogram("store_sync_duration_seconds", written.sync.buckets(), written.sync.sum)
    page.add_histogram("store_group_commit_events", written.group.buckets(), written.group.sum)
    page.add("store_pending_events", pending.events)
    page.add("store_pending_bytes", pending.bytes)
    page.add("store_wal_bytes", store.sizes.wal_bytes())
    for name, room in (("store_free_bytes", store.sizes.free_bytes()), ("store_left_bytes", store.sizes.left_bytes())):
        if room is not None:
            page.add(name, room)
    page.add("store_full", 0 if store.health.may_append() else 1)


class _Page(Collector):
    """All families of one scrape, also those without a sample yet. `counted`: those that the process counts."""

    def __init__(self, counted: Iterable[Metric]) -> None:
        self._families = {
            name.removeprefix("segment_router_"): _family(name, family) for name, family in STORED.items()
        }
        self._counted = counted

    def add(self, name: str, value: float, *labels: str) -> None:
        """One sample, of a name without the prefix; labels in the order of the family."""
        family = self._families[name]
        assert not isinstance(family, HistogramMetricFamily)
        family.add_metric(labels, value)

    def add_histogram(self, name: str, buckets: Sequence[tuple[str, float]], sum: float, *labels: str) -> None:
        """One histogram."""
        family = self._families[name]
        assert isinstance(family, HistogramMetricFamily)
        family.add_metric(labels, buckets, sum)

    def collect(self) -> Iterator[Metric]:
        yield from self._families.values()
        yield from self._counted
        yield from ProcessCollector(registry=None).collect()


def _family(name: str, family: Family) -> CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily:
    if family.type == "histogram":
        return HistogramMetricFamily(name, family.meaning, labels=family.labels)
    kind = CounterMetricFamily if family.type == "counter" else GaugeMetricFamily
    return kind(name, family.meaning, labels=family.labels)
