"""What the process counts of itself while it works, once for each request and attempt, never for each event.

`GET /metrics` shows these counts, beside what the store has counted for good. Labels come from configuration or from
short lists, never from events, so their number is bounded.
"""

from __future__ import annotations

import re
from collections import Counter as Count
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from router.counts import Counts
from router.duplicates import Duplicates
from router.input_warnings import InputWarnings
from router.plugin import Delivered, Outcome, Pause, Reject, RetryLater, Split
from router.spread import Spread

disable_created_metrics()  # type: ignore[no-untyped-call]  # they would double the page

ATTEMPT_BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
MIXED = "mixed"
OUTCOMES: dict[type[Outcome], str] = {
    Delivered: "delivered",
    Reject: "rejected",
    RetryLater: "retry",
    Pause: "pause",
    Split: "split",
}
"""What a request came to: for all of its items the same, else `mixed`."""

REASONS = re.compile(
    r"|by_hand|retry_after|credentials|set_up|internal|slow_hooks|hook_held|timeout|connection|not_http|dns|tls|plugin_error|status_[1-5]\d\d"
)
"""Why a destination is in its state. A plugin's own word may be anything, so it is counted as `other`."""


class Family(NamedTuple):
    """One metric: its type, its labels and what it says."""

    type: str
    labels: tuple[str, ...]
    meaning: str


REQUESTS = "segment_router_ingest_requests_total"
ATTEMPTS = "segment_router_delivery_attempts_total"
SECONDS = "segment_router_delivery_attempt_duration_seconds"
CHANGES = "segment_router_destination_state_changes_total"
FILTERED = "segment_router_destination_filtered_events_total"
CLAIMS_LOST = "segment_router_claims_lost_total"
CONNECTIONS = "segment_router_connections"
ENDED = "segment_router_connections_ended_total"
UNFINISHED = "segment_router_unfinished_bytes"
UNREAD = "segment_router_unread_bytes"
VIOLATIONS = "segment_router_plan_violations_total"
LEFT_OUT = "segment_router_plan_violations_not_forwarded_total"
COUNTED: Mapping[str, Family] = {
    CHANGES: Family(
        "counter", ("destination", "state", "reason"), "Changes to this state since the start, by itself or by hand."
    ),
    ATTEMPTS: Family(
        "counter", ("destination", "status", "outcome"), "Requests to the vendor since the start, by what they came to."
    ),
    FILTERED: Family(
        "counter",
        ("destination", "reason"),
        "Events that were filtered since the start, by the reason that `why` shows.",
    ),
    CLAIMS_LOST: Family(
        "counter",
        ("destination",),
        "Times since the start that another node had the destination by then: what this one would have stored was refused.",
    ),
    SECONDS: Family("histogram", ("destination",), "How long requests to the vendor took, waits for `rate` left out."),
    REQUESTS: Family(
        "counter",
        ("source", "code"),
        "Requests to the ingestion listener since the start, by the status answered; of a pixel by the one that its picture cannot say.",
    ),
    CONNECTIONS: Family("gauge", ("listener",), "Connections that are open."),
    ENDED: Family(
        "counter", ("listener", "cause"), "Connections refused or ended since the start, to protect the others."
    ),
    UNFINISHED: Family("gauge", ("listener",), "Bytes of requests that are not here in full."),
    UNREAD: Family("gauge", ("listener",), "Bytes of answers that clients have not read and that wait in the daemon."),
    VIOLATIONS: Family(
        "counter",
        ("source", "type", "result"),
        "Violations of tracking plans since the start, by what became of the event: allowed, omitted or blocked.",
    ),
    LEFT_OUT: Family(
        "counter",
        ("source", "type"),
        "Violations since the start that `forward.violations` left out, since there were more than 100 in a minute.",
    ),
}
"""The metrics that are counted here."""


class Metrics:
    """The counts of one process. Children of a metric are kept: finding one by its labels takes longer than counting."""

    def __init__(self, input_warnings: InputWarnings | None = None) -> None:
        self.registry = CollectorRegistry()
        self.input_warnings = input_warnings or InputWarnings()
        self.duplicates = Duplicates()
        self.changes = self._counter(CHANGES)
        self._requests = Count[
            tuple[str, int]
        ]()  #: by source and status, in a plain number: a child's `inc` takes ten times as long
        self._ended = self._counter(ENDED)
        self._connections = self._gauge(CONNECTIONS)
        self._unfinished = self._gauge(UNFINISHED)
        self._unread = self._gauge(UNREAD)
        self._violations = cache(self._counter(VIOLATIONS).labels)
        self._left_out = cache(self._counter(LEFT_OUT).labels)
        self._meters: dict[str, Meter] = {}

    def _gauge(self, name: str) -> Gauge:
        return Gauge(name, COUNTED[name].meaning, COUNTED[name].labels, registry=self.registry)

    def _counter(self, name: str) -> Counter:
        return Counter(name, COUNTED[name].meaning, COUNTED[name].labels, registry=self.registry)

    def request(self, source: str, status: int) -> None:
        """A request to the ingestion listener was answered. `source` is empty where none is known."""
        self._requests[source, status] += 1

    def answered(self, status: int) -> int:
        """How many requests to the ingestion listener got this status since the start."""
        return sum(n for (_, code), n in self._requests.items() if code == status)

    def answers(self) -> dict[str, dict[str, int]]:
        """How often requests of each source were answered with each status since the start; of strangers, for an empty name."""
        found: dict[str, dict[str, int]] = {}
        for (source, code), n in sorted(self._requests.items()):
            if n:
                found.setdefault(source, {})[str(code)] = n
        return found

    def violation(self, source: str, type: str, result: str) -> None:
        """A call that violates the tracking plan of its source was stored."""
        self._violations(source, type, result).inc()

    def forward_left_out(self, source: str, type: str) -> None:
        """A violation was not forwarded, since there were too many in this minute."""
        self._left_out(source, type).inc()

    def show_listener(
        self, listener: str, connections: Callable[[], int], unfinished: Callable[[], int], unread: Callable[[], int]
    ) -> None:
        """Ask these for the gauges of a listener."""
        self._connections.labels(listener).set_function(connections)
        self._unfinished.labels(listener).set_function(unfinished)
        self._unread.labels(listener).set_function(unread)

    def connection_ended(self, listener: str, cause: str) -> None:
        """A connection was refused or ended to protect the others."""
        self._ended.labels(listener, cause).inc()

    def meter(self, destination: str) -> Meter:
        """The counts of this destination, which outlive a reload of it."""
        if destination not in self._meters:
            self._meters[destination] = Meter(self, destination)
        return self._meters[destination]

    def counts(self) -> dict[str, Counts]:
        """What was counted of each destination since the start of the process, also of those that are configured no more."""
        return {name: meter.counts for name, meter in self._meters.items()}

    def collect(self, destinations: Collection[str], sources: Collection[str] = ()) -> Iterator[Metric]:
        """The families of COUNTED. What counts by destination shows these only. Each of `sources` has its 503s from the start: a
        series that begins at 1 has no increase, and nobody would be alerted of the first ones."""
        requests = CounterMetricFamily(REQUESTS, COUNTED[REQUESTS].meaning, labels=COUNTED[REQUESTS].labels)
        for (source, code), n in {**{(source, 503): 0 for source in sources}, **self._requests}.items():
            requests.add_metric([source, str(code)], n)
        for family in self.registry.collect():
            family.samples = [s for s in family.samples if s.labels.get("destination") in (None, *destinations)]
            yield family
        yield requests
        attempts = CounterMetricFamily(ATTEMPTS, COUNTED[ATTEMPTS].meaning, labels=COUNTED[ATTEMPTS].labels)
        seconds = HistogramMetricFamily(SECONDS, COUNTED[SECONDS].meaning, labels=COUNTED[SECONDS].labels)
        filtered = CounterMetricFamily(FILTERED, COUNTED[FILTERED].meaning, labels=COUNTED[FILTERED].labels)
        lost = CounterMetricFamily(CLAIMS_LOST, COUNTED[CLAIMS_LOST].meaning, labels=COUNTED[CLAIMS_LOST].labels)
        for destination, meter in self._meters.items():
            if destination in destinations:
                meter.show(destination, attempts, seconds)
                lost.add_metric([destination], meter.claims_lost)
                for reason, n in list(meter.filtered.items()):  # its own thread may count meanwhile
                    filtered.add_metric([destination, reason], n)
        yield attempts
        yield filtered
        yield lost
        yield seconds


class Meter:
    """Counts for one destination, whatever worker serves it.

    Requests to the vendor are counted in plain numbers: a counter and a histogram of prometheus_client took 4.6 % of a busy
    daemon's time, these take 1 %.
    """

    def __init__(self, metrics: Metrics | None = None, destination: str = "") -> None:
        metrics = metrics or Metrics()
        self.input_warnings = metrics.input_warnings  #: of all sources
        self._changes = cache(partial(metrics.changes.labels, destination))
        self._attempts: dict[
            tuple[int | None, str], int
        ] = {}  #: a plain dict: a Counter takes four times as long to count
        self.filtered = Count[str]()  #: events that were filtered, by reason; the words are the router's own
        self.claims_lost = 0  #: to another node
        self._took = Spread(ATTEMPT_BOUNDS_S)
        self.counts = Counts()  #: of commits that are stored, since the start of the process

    def stored(self, counts: Counts) -> None:
        """A commit is durable, in which these came to an end."""
        self.counts.add(counts)

    def attempt(self, status: int | None, outcomes: Sequence[Outcome], duration_ms: int) -> None:
        """One request to the vendor has ended. `status` None: there was no answer."""
        told = status, outcome_word(outcomes)
        self._attempts[told] = self._attempts.get(told, 0) + 1
        self._took.add(duration_ms / 1000)

    def show(self, destination: str, attempts: CounterMetricFamily, seconds: HistogramMetricFamily) -> None:
        """Add what was counted to these families."""
        counts = Count[tuple[str, str]]()
        for (status, outcome), n in list(self._attempts.items()):  # a destination's own thread may count meanwhile
            counts[status_class(status), outcome] += n
        for words, n in counts.items():
            attempts.add_metric([destination, *words], n)
        seconds.add_metric([destination], self._took.buckets(), self._took.sum)

    def change(self, state: str, reason: str) -> None:
        """The destination is in this state from now on."""
        self._changes(state, bounded(reason)).inc()


def outcome_word(outcomes: Sequence[Outcome]) -> str:
    """What a request came to: one of OUTCOMES, or `mixed`."""
    if len(outcomes) == 1 and (word := OUTCOMES.get(type(outcomes[0]))):
        return word
    kinds = set(map(type, outcomes))
    if len(kinds) == 1 and (word := OUTCOMES.get(next(iter(kinds)))):
        return word
    words = {word for family, word in OUTCOMES.items() if any(issubclass(kind, family) for kind in kinds)}
    return words.pop() if len(words) == 1 else MIXED


def status_class(status: int | None) -> str:
    """`2xx` and the like; `none` without an answer, `other` for what is no HTTP status."""
    if status is None:
        return "none"
    return f"{status // 100}xx" if 100 <= status < 600 else "other"


def bounded(reason: str) -> str:
    """A reason as a label: one of the router's own words, or `other`."""
    return reason if REASONS.fullmatch(reason) else "other"
