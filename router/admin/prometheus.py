"""GET /metrics: what the store and the process have counted, as Prometheus reads it.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (text format 0.0.4).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from router import __version__
from router.metrics import COUNTED, Family, Metrics, bounded
from router.store import Store

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

SEVEN = ("delivered", "skipped", "filtered", "held", "retrying", "queued", "dead")


_OF = ("destination",)
STORED: Mapping[str, Family] = {
    "segment_router_info": Family("gauge", ("version",), "Always 1; the label is the version that runs."),
    "segment_router_events_accepted_total": Family("counter", (), "Events stored, since the store was made."),
    "segment_router_events_duplicate_total": Family(
        "counter", (), "Events with a message id that was accepted before."
    ),
    "segment_router_events_discarded_total": Family(
        "counter", (), "Calls that could not be used, and requests that were refused for good."
    ),
    "segment_router_destination_events": Family(
        "gauge", ("destination", "state"), "Events by the state they are in now; the seven add up to those accepted."
    ),
    "segment_router_destination_dry_run_events_total": Family(
        "counter", _OF, "Of the delivered events, those a dry run has only recorded."
    ),
    "segment_router_destination_replayed_events_total": Family("counter", _OF, "Events sent once more on demand."),
    "segment_router_destination_oldest_queued_seconds": Family(
        "gauge", _OF, "Age of the oldest event that waits for its turn or its answer; 0 without any."
    ),
    "segment_router_destination_cursor_lag_events": Family(
        "gauge", _OF, "How many events of the log it has still to settle or to park."
    ),
    "segment_router_destination_state": Family(
        "gauge", ("destination", "state", "reason"), "Always 1; the labels say how the destination is, and why."
    ),
    "segment_router_store_commits_total": Family("counter", (), "Transactions written since the start."),
    "segment_router_store_commit_events_total": Family("counter", (), "Events in these transactions."),
    "segment_router_store_commit_bytes_total": Family("counter", (), "Bytes of the calls in these transactions."),
    "segment_router_store_commit_seconds_total": Family("counter", (), "Time these transactions took, fsync included."),
    "segment_router_store_free_bytes": Family("gauge", (), "Free space on the store's disk."),
    "segment_router_store_used_bytes": Family("gauge", (), "What the store takes of it, room for reuse left out."),
    "segment_router_store_left_bytes": Family("gauge", (), "What the store may grow by before events get 503."),
    "segment_router_store_full": Family("gauge", (), "1 while less than `store.min_free` is free: events get 503."),
    "segment_router_store_last_backup_timestamp_seconds": Family(
        "gauge", (), "When the last backup was made, in seconds since 1970; 0 where none is known."
    ),
}
"""The metrics that are looked up for each scrape."""
FAMILIES = {**STORED, **COUNTED}
"""Every metric of the router itself. Those of the process are named `process_...` by convention."""


def exposition(
    ledger: Mapping[str, Any],
    states: Mapping[str, tuple[str, str]],
    metrics: Metrics,
    store: Store,
    used_bytes: int,
    last_backup_ms: int,
) -> bytes:
    """The text of one scrape.

    Args:
        ledger: as `/api/ledger` gives it.
        states: (state, reason) of each configured destination.
    """
    page = _Page(metrics.collect(states.keys()))
    page.add("segment_router_info", 1, __version__)
    for name in ("accepted", "discarded"):
        page.add(f"segment_router_events_{name}_total", ledger[name])
    page.add("segment_router_events_duplicate_total", ledger["duplicates"])
    for name, counts in ledger["destinations"].items():
        _add_ledger(page, name, counts)
    for name, (state, reason) in states.items():
        page.add("segment_router_destination_state", 1, name, state, bounded(reason))
    _add_store(page, store, used_bytes)
    page.add("segment_router_store_last_backup_timestamp_seconds", last_backup_ms / 1000)
    return generate_latest(page)


def _add_ledger(page: _Page, name: str, counts: Mapping[str, Any]) -> None:
    of = "segment_router_destination_"
    for state in SEVEN:
        page.add(f"{of}events", counts[state], name, state)
    page.add(f"{of}dry_run_events_total", counts["dry_run"], name)
    page.add(f"{of}replayed_events_total", counts["replayed"], name)
    page.add(f"{of}oldest_queued_seconds", counts["oldest_queued_s"], name)
    page.add(f"{of}cursor_lag_events", counts["head"] - counts["cursor"], name)


def _add_store(page: _Page, store: Store, used_bytes: int) -> None:
    commits = store.sizes.written()
    of = "segment_router_store_"
    page.add(f"{of}commits_total", commits.n)
    page.add(f"{of}commit_events_total", commits.events)
    page.add(f"{of}commit_bytes_total", commits.bytes)
    page.add(f"{of}commit_seconds_total", commits.seconds)
    page.add(f"{of}free_bytes", store.sizes.free_bytes())
    page.add(f"{of}used_bytes", used_bytes)
    page.add(f"{of}left_bytes", store.sizes.left_bytes())
    page.add(f"{of}full", 0 if store.health.may_append() else 1)


class _Page(Collector):
    """All families of one scrape, also those without a sample yet. `counted`: those that the process counts."""

    def __init__(self, counted: Iterable[Metric]) -> None:
        self._families = {name: _family(name, family) for name, family in STORED.items()}
        self._counted = counted

    def add(self, name: str, value: float, *labels: str) -> None:
        """One sample; labels in the order of the family."""
        self._families[name].add_metric(labels, value)

    def collect(self) -> Iterator[Metric]:
        yield from self._families.values()
        yield from self._counted
        yield from ProcessCollector(registry=None).collect()


def _family(name: str, family: Family) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if family.type == "counter" else GaugeMetricFamily
    return kind(name, family.meaning, labels=family.labels)
