"""What a destination that does not run waits for, and what ends that."""

from __future__ import annotations

from typing import Any

from router.clock import to_iso
from router.deliver.send.circuit_breaker import HOOK_HELD, probes
from router.store import Status

IN_TROUBLE = ("paused", "breaker_open")
"""States of a destination that sends nothing, or only probes."""


def pause_of(name: str, status: Status) -> dict[str, Any] | None:
    """Why a destination stands still, since when, when it probes next or goes on by itself, and the command that ends it; None
    where it runs or is disabled."""
    if status.state not in IN_TROUBLE:
        return None
    until = to_iso(status.until) if status.until else None
    return {
        "state": status.state,
        "reason": status.reason,
        "detail": status.detail,
        "since": to_iso(status.since) if status.since else None,
        "next_probe_at": until if probes(status) else None,
        "ends_at": None if probes(status) else until,
        "ended_by": "reload" if status.reason == HOOK_HELD else f"resume {name}",
    }
