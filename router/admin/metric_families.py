"""The metrics that are looked up for each scrape: names, types, labels, meanings. What the process counts itself is in `router.metrics`.

A label is a name of config.toml or a word from a short list, so the number of series is bounded by config.toml. New metrics have no labels
but `source`, `destination`, `outcome` and `reason`.
"""

from __future__ import annotations

from collections.abc import Mapping

from router.metrics import COUNTED, Family

SEVEN = ("delivered", "skipped", "filtered", "held", "retrying", "queued", "dead")

_NONE, _OF, _FROM = (), ("destination",), ("source",)


def _of_us(gauges: Mapping[str, tuple[tuple[str, ...], str]], type: str) -> dict[str, Family]:
    return {f"segment_router_{name}": Family(type, labels, meaning) for name, (labels, meaning) in gauges.items()}


_COUNTERS = {
    "events_accepted_total": (_NONE, "Events stored, since the store was made."),
    "events_duplicate_total": (_NONE, "Events with a message id that was accepted before."),
    "events_discarded_total": (_NONE, "Calls that could not be used, and requests that were refused for good."),
    "source_events_total": (
        ("source", "outcome"), "Calls of a source since the start, by what they came to: accepted, duplicate or discarded."
    ),
    "source_discards_total": (("source", "reason"), "Calls that could not be used since the start, by the reason of `discards`."),
    "destination_dry_run_events_total": (_OF, "Of the delivered events, those a dry run has only recorded."),
    "destination_replayed_events_total": (_OF, "Events sent once more on demand."),
    "destination_dead_events_total": (("destination", "reason"), "Events that became dead letters since the start, by the reason of `dead`."),
    "store_commits_total": (_NONE, "Transactions written since the start."),
    "store_commit_events_total": (_NONE, "Events in these transactions."),
    "store_commit_bytes_total": (_NONE, "Bytes of the calls in these transactions."),
    "store_commit_seconds_total": (_NONE, "Time these transactions took, fsync included."),
}  # fmt: skip

_GAUGES = {
    "info": (("version",), "Always 1; the label is the version that runs."),
    "trouble": (
        ("source", "destination", "reason"), "Always 1: a trouble of this moment. `reason` is its code in `status` and `[notify]`."
    ),
    "nodes": (_NONE, "Nodes that share the store and give signs of life, this one included; 1 where the store is a file."),
    "start_timestamp_seconds": (_NONE, "When this process began to serve, in seconds since 1970."),
    "config_loaded_timestamp_seconds": (_NONE, "Since when the configuration is active, in seconds since 1970."),
    "loop_lag_seconds": (
        _OF, "How late an event loop was at most in the last minute; `destination` is empty for the one that all share."
    ),
    "source_last_event_timestamp_seconds": (_FROM, "When its newest event came, in seconds since 1970; 0 where none is known."),
    "destination_events": (
        ("destination", "state"), "Events by the state they are in now; the seven add up to those accepted."
    ),
    "destination_oldest_queued_seconds": (
        _OF, "Age of the oldest event that waits for its turn or its answer; 0 without any."
    ),
    "destination_cursor_lag_events": (_OF, "How many events of the log it has still to settle or to park."),
    "destination_cursor_standing_seconds": (
        _OF, "For how long its cursor has not moved, though there are events above it; looked at every 10 s."
    ),
    "destination_without_owner_seconds": (
        _OF, "For how long no node has delivered to it; 0 while one does, and where the store is a file."
    ),
    "destination_requests_in_flight": (_OF, "Requests to the vendor that wait for an answer."),
    "destination_state": (
        ("destination", "state", "reason"), "Always 1; the labels say how the destination is, and why."
    ),
    "store_pending_events": (_NONE, "Events that wait to be written; ingestion answers 503 above 20,000."),
    "store_pending_bytes": (_NONE, "Bytes of these calls; ingestion answers 503 above 32 MB."),
    "store_wal_bytes": (_NONE, "Size of the write-ahead log beside the store."),
    "store_free_bytes": (_NONE, "Free space on the store's disk."),
    "store_used_bytes": (_NONE, "What the store takes of it, room for reuse left out."),
    "store_left_bytes": (_NONE, "What the store may grow by before events get 503."),
    "store_full": (_NONE, "1 while less than `store.min_free` is free: events get 503."),
    "store_oldest_snapshot_age_seconds": (
        _NONE, "Age of the oldest snapshot that anybody keeps in the database: what was deleted since cannot be reused."
    ),
    "store_replication_slots_lag_bytes": (_NONE, "Write-ahead log that the database keeps for its slowest replication slot."),
    "store_dead_rows": (_NONE, "Dead rows of the tables `head` and `unit`, of the one that has more."),
    "store_last_backup_timestamp_seconds": (
        _NONE, "When the last backup was made, in seconds since 1970; 0 where none is known."
    ),
}  # fmt: skip

_HISTOGRAMS = {
    "delivery_latency_seconds": (_OF, "From the acceptance of an event to its delivery, by the oldest event of each request."),
    "store_sync_duration_seconds": (_NONE, "How long it took to make a transaction durable: the fsync, and a checkpoint if one was due."),
    "store_group_commit_events": (_NONE, "Events that were stored together in one transaction, with one fsync."),
}  # fmt: skip

STORED: Mapping[str, Family] = {
    **_of_us(_COUNTERS, "counter"),
    **_of_us(_GAUGES, "gauge"),
    **_of_us(_HISTOGRAMS, "histogram"),
}
"""The metrics that are looked up for each scrape."""

FAMILIES = {**STORED, **COUNTED}
"""Every metric of the router itself. Those of the process are named `process_...` by convention."""
