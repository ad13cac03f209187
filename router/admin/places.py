"""Where the newest events of somebody are at each destination, for `explain.whereabouts`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from router.admin.daemon_port import DaemonPort
from router.admin.pauses import pause_of
from router.plugin_host import add_details

TRIED = ("dead", "retrying", "queued")
"""States in which an event may have been tried."""


async def places(
    daemon: DaemonPort, events: Sequence[Mapping[str, Any]], lanes: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, dict[str, Any]]:
    """By destination what `explain.whereabouts.where` wants to know."""
    told = {}
    for name, runner in daemon.runners.items():
        destination = runner.destination
        told[name] = {
            "mode": destination.config.mode,
            "enabled": destination.config.enabled,
            "pause": pause_of(name, runner.status),
            "counts": _counts(name, events),
            "lanes": list(lanes.get(name, ())),
            "shown_after": getattr(destination.instance, "shown_after", ""),
        }
    await _add_details(daemon, told)
    await _add_attempts(daemon, told)
    return told


async def _add_details(daemon: DaemonPort, told: Mapping[str, dict[str, Any]]) -> None:
    """Say of each reason to filter what it was about, by the newest event that has it."""
    conditions = {name: runner.destination.conditions for name, runner in daemon.runners.items()}
    for name, place in told.items():
        for reason, one in place["counts"].get("filtered", {}).items():
            call = await daemon.store.queries.stored_call(one["sample"], one["source"])
            fate: dict[str, Any] = {"state": "filtered", "reason": reason}
            add_details({name: fate}, call, conditions)
            one["detail"] = fate.get("detail") or ""


async def _add_attempts(daemon: DaemonPort, told: Mapping[str, dict[str, Any]]) -> None:
    """Say whether an event was tried, where none was delivered: the oldest one of each reason, since what stands behind it waits."""
    for name, place in told.items():
        if place["counts"].get("delivered"):
            continue
        for state in TRIED:
            for one in place["counts"].get(state, {}).values():
                found = await daemon.store.queries.message(one["oldest"], one["oldest_source"], [name])
                attempts = found["destinations"].get(name, {}).get("attempts", []) if found else []
                one["tried"], one["status"] = bool(attempts), attempts[-1]["status"] if attempts else None


def _counts(name: str, events: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    """How many of these events are in which state at a destination, by reason, each with its newest one as a sample, and its oldest."""
    counts: dict[str, dict[str, dict[str, Any]]] = {}
    for event in events:  # newest first
        fate = event["destinations"].get(name)
        if fate is None:
            continue
        of_state = counts.setdefault(fate["state"], {})
        one = of_state.get(fate["reason"])
        if one is None:
            sample = {"sample": event["message_id"], "source": event["source"], "type": event["type"]}
            one = of_state[fate["reason"]] = {"n": 0, **sample, "detail": fate.get("detail"), "last_at": fate.get("at")}
        one["n"] += 1
        one["oldest"], one["oldest_source"] = event["message_id"], event["source"]
        one["last_at"] = max(one["last_at"] or "", fate.get("at") or "") or None
    return counts
