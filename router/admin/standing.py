"""How the router is, from memory alone: what `/healthz` and `/readyz` tell whoever reaches the listener.

Nothing here reads the store or the disk, or waits, so that the answers come while the disk hangs (`router/daemon/disk_looks.py` looks at it
in a thread); and nothing quotes a vendor or a config.toml. Who has not given the token learns codes and what each stands for: no name, no
path, no figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from router.admin.daemon_port import DaemonPort
from router.admin.pauses import pause_of
from router.clock import to_iso
from router.explain.trouble_codes import CODES, OF_THE_ROUTER
from router.explain.troubles import RouterNotices, Trouble, troubles
from router.vocabulary import Problem

UNREADY = frozenset({"stopping", "store_broken", "store_away", "store_locked", "disk_full", "disk_low"})
"""Codes while which no event can be stored. Nothing else makes `/readyz` a 503: ingestion goes on whatever a destination does."""
PROBLEMS = UNREADY | {
    "store_half_full",
    "store_not_trimmed",
    "store_not_replicated",
    "config_differs",
    "versions_differ",
    "backup_old",
}
"""Codes of what is wrong with the daemon and its store."""
ROUTER, DESTINATION = "router", "destination"
"""What a trouble is about, for strangers."""


def health(daemon: DaemonPort) -> dict[str, Any]:
    """The answer of `/healthz`."""
    return {"status": "ok", "problems": problems(daemon), "troubles": shown(open_troubles(daemon))}


def readiness(daemon: DaemonPort) -> dict[str, Any]:
    """The answer of `/readyz`. Pauses are without the vendor's words."""
    pauses, found = _pauses(daemon), open_troubles(daemon)
    is_down = any(one.code in UNREADY for one in found) or not daemon.store.health.may_append()
    return {
        "status": "not ready" if is_down else "ready",
        "problems": problems(daemon),
        "troubles": shown(found),
        "destinations": {name: pause["reason"] or pause["state"] for name, pause in pauses.items()},
        "pauses": pauses,
        "isolated": dict(daemon.isolated),
    }


def for_strangers(told: Mapping[str, Any]) -> dict[str, Any]:
    """The same answer for who has not given the token."""
    found = {one["code"]: one for one in told["troubles"]}.values()  # one of each code: their number is a figure, too
    public = [
        {
            "code": one["code"],
            "subject": ROUTER if one["code"] in OF_THE_ROUTER else DESTINATION,
            "text": CODES[one["code"]],
            "next_step": "ask once more with the token",
            "who": one["who"],
            "waiting": 0,
            "since": None,
            "until": None,
        }
        for one in found
    ]
    hidden = {name: type(value)() for name, value in told.items() if isinstance(value, dict)}
    problems = [CODES[one["code"]] for one in found if one["code"] in PROBLEMS]
    return {"status": told["status"], "problems": problems, "troubles": public, **hidden}


def problems(daemon: DaemonPort) -> list[str]:
    """What is wrong with the daemon and its store, as sentences."""
    return [problem.words for problem in coded_problems(daemon)]


def coded_problems(daemon: DaemonPort) -> list[Problem]:
    """The same, each with its code."""
    found = [Problem("stopping", "the daemon is stopping")] if daemon.is_stopping else []
    found += daemon.store.health.problems()
    if daemon.disk_problem:
        found.append(Problem("store_half_full", daemon.disk_problem))
    if daemon.backup_problem:
        found.append(Problem("backup_old", daemon.backup_problem))
    return found


def notices_of(daemon: DaemonPort) -> RouterNotices:
    """What happened to the router itself."""
    refused, jump = daemon.last_refused, daemon.clock_jump
    return RouterNotices(
        refused_at=to_iso(refused.at_ms) if refused else None,
        refused=refused.code if refused else "invalid_config",
        errors=refused.problems if refused else (),
        jumped_at=to_iso(jump.at_ms) if jump else None,
        jump_s=jump.seconds if jump else 0.0,
        in_force_since=to_iso(daemon.in_force.since_ms) if refused else None,
        loop_late_s=daemon.loop_lags_s.get("", 0.0),
    )


def open_troubles(daemon: DaemonPort) -> list[Trouble]:
    """What is wrong with the router and its destinations, gravest first. Those that only the store knows of (dead letters, what is held
    or late) are not among them; `status`, the console and `/metrics` have them."""
    pauses, standing_s, missing_s = _pauses(daemon), daemon.standing_s, without_owner_s(daemon)
    rows = [
        {
            "name": name,
            "enabled": runner.destination.config.enabled,
            "pause": {**pauses[name], "detail": ""} if name in pauses else None,
            "stands_s": standing_s.get(name, 0.0),
            "without_owner_s": missing_s.get(name, 0.0),
            **dict.fromkeys(("queued", "retrying", "dead"), 0),
        }
        for name, runner in daemon.runners.items()
    ]
    notices = notices_of(daemon)._replace(errors=["its log says why (config_reload_failed)"])
    return troubles(coded_problems(daemon), rows, notices=notices)


def without_owner_s(daemon: DaemonPort) -> Mapping[str, float]:
    """By destination for how long no node has delivered to it; without those that have one."""
    return {} if daemon.store.cluster is None else daemon.store.cluster.without_owner_s()


def shown(found: Sequence[Trouble]) -> list[dict[str, Any]]:
    """Troubles as JSON has them."""
    return [
        {
            "code": one.code,
            "subject": one.subject,
            "text": one.sentence,
            "next_step": one.next_step,
            "who": one.actor.value,
            "waiting": one.waiting,
            "since": one.since,
            "until": one.until,
        }
        for one in found
    ]


def _pauses(daemon: DaemonPort) -> Mapping[str, Mapping[str, Any]]:
    """The pauses of destinations, without what a vendor said."""
    found = {name: pause_of(name, runner.status) for name, runner in daemon.runners.items()}
    return {
        name: {key: value for key, value in pause.items() if key != "detail"}
        for name, pause in found.items()
        if pause is not None
    }
