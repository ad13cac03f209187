"""Which filter keeps an event back, or which consent lacks: worked out again when somebody asks, from the stored event and
today's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from router.config import DestinationConfig
from router.consent import REASONS as CONSENT_REASONS
from router.consent import WITHDRAWN, Requirement
from router.event import Call, normalize_event
from router.plugin_host.event_filter import REASONS as FILTER_REASONS
from router.plugin_host.event_filter import EventFilter, compile_filter

KEEPING_BACK = frozenset({*FILTER_REASONS, *CONSENT_REASONS})
"""Reasons by which the operator keeps an event from a destination: a group call that ends so does not count there."""


class Conditions(NamedTuple):
    """What a destination asks of an event, in this order. None: nothing."""

    consent: Requirement | None
    filter: EventFilter | None


def compile_consent(config: DestinationConfig, *, follow: bool = False) -> Requirement | None:
    """The consent that a destination needs; None where it needs none. `follow`: [consent] follow is on."""
    if config.consent is None:
        return None
    return Requirement(config.consent, config.consent_missing == "block", config.consent_updates, follow)


def compile_conditions(config: DestinationConfig) -> Conditions:
    """Both, of a configuration that was checked before."""
    return Conditions(compile_consent(config), compile_filter(config))


def is_asked_for(fates: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether any of these outcomes, by destination, is that of a filter or of consent."""
    return any(_is_kept_back(told) for told in fates.values())


def add_details(fates: Mapping[str, dict[str, Any]], call: Call | None, conditions: Mapping[str, Conditions]) -> None:
    """Give each such outcome its `detail` (the filter's title, or the ids that lack), that of a filter its `expression`, and
    `changed`: whether today's configuration would decide otherwise; the details are those of today then, or empty. Without
    the stored call nothing is added."""
    if call is None:
        return
    event = normalize_event(call.source, call.type, call.message_id, call.received_at, call.body)
    for name, told in fates.items():
        if _is_kept_back(told):
            told.update(_detail(told["reason"], event.payload, conditions.get(name, Conditions(None, None))))


def _is_kept_back(told: Mapping[str, Any]) -> bool:
    return told["state"] == "filtered" and told["reason"] in KEEPING_BACK


def _detail(reason: str, payload: Mapping[str, Any], today: Conditions) -> dict[str, Any]:
    withheld = today.consent.withheld(payload) if today.consent is not None else None
    if reason == WITHDRAWN:  # what its user said later is not in the event
        needed = today.consent.need.ids if today.consent is not None else ()
        return {"detail": ", ".join(needed), "changed": not needed}
    if withheld is not None or reason in CONSENT_REASONS:
        detail, now = (withheld.detail, withheld.reason) if withheld is not None else ("", "")
        return {"detail": detail, "changed": now != reason}
    stopped = today.filter.stopped(payload) if today.filter is not None else None
    if stopped is None:
        return {"detail": "", "expression": "", "changed": True}
    return {"detail": stopped.title, "expression": stopped.expression, "changed": stopped.reason != reason}
