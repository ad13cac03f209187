"""Which filter keeps an event back: worked out again when somebody asks, from the stored event and today's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.event import Call, normalize_event
from router.plugin_host.event_filter import REASONS, EventFilter


def is_asked_for(fates: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether any of these outcomes, by destination, is that of a filter."""
    return any(told["state"] == "filtered" and told["reason"] in REASONS for told in fates.values())


def add_filter_details(
    fates: Mapping[str, dict[str, Any]], call: Call | None, filters: Mapping[str, EventFilter | None]
) -> None:
    """Give each outcome of a filter its `detail` (the filter's title) and `expression`; where today's filters would decide
    otherwise, `changed` is true and the two are those of today, or empty. Without the stored call nothing is added."""
    if call is None:
        return
    event = normalize_event(call.source, call.type, call.message_id, call.received_at, call.body)
    for name, told in fates.items():
        if told["state"] != "filtered" or told["reason"] not in REASONS:
            continue
        found = filters.get(name)
        stopped = found.stopped(event.payload) if found is not None else None
        told["detail"] = stopped.title if stopped is not None else ""
        told["expression"] = stopped.expression if stopped is not None else ""
        told["changed"] = stopped is None or stopped.reason != told["reason"]
