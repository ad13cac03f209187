"""`resume`: let a destination that is paused, or whose breaker is open, send again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import typer

from router.cli.client import Admin, Refused, running_daemon
from router.cli.endpoint import Failed
from router.cli.options import Common, DestinationName, asks
from router.cli.output import say, say_json
from router.clock import Clock, SystemClock
from router.explain import destination_phrases

WATCHED_S = 3.0
"""How long it is watched: a vendor that refuses a key does so within a second."""
EVERY_S = 0.1
STANDS = ("paused", "breaker_open")


@asks
def resume(common: Common, destination: DestinationName) -> None:
    """Resume a destination that is paused, or whose breaker is open.

    What waits is sent now, also without waiting for the next probe of an open breaker. A key that was corrected counts after `reload`. The
    first answers are awaited, 3 s at most. Exit code 1 if the destination is paused again or its breaker opens by then.

    Examples:
        resume braze
    """
    with running_daemon(common) as admin:
        before = _look(admin, destination)
        answer = admin.post("api", "destinations", destination, "resume")
        seen = _watch(admin, destination, before, SystemClock()) or answer
    now = {**answer, **{key: seen.get(key, answer[key]) for key in ("state", "state_reason")}}
    if common.as_json:
        say_json(now)
        raise typer.Exit(1 if now["state"] in STANDS else 0)
    if now["state"] in STANDS:
        trouble = destination_phrases.trouble_of(destination, {**seen, **now})
        if now["state"] == "paused":
            raise Failed(f"it was paused again at once: {trouble}")
        mend = "if you have corrected its key or settings, run `reload`"
        raise Failed(f"its breaker opened again at once: {trouble}; {mend}")
    say(destination_phrases.resumed(destination, answer.get("was", "")))
    if before and not _is_settled(seen, before):
        say("it has no answer yet: `status` shows how it goes on")


def _look(admin: Admin, destination: str) -> Mapping[str, Any]:
    """How it is; nothing where the daemon does not say it."""
    try:
        return admin.get("api", "destinations", destination)
    except Refused:
        return {}


def _watch(admin: Admin, destination: str, before: Mapping[str, Any], clock: Clock) -> Mapping[str, Any]:
    """How it is once it has delivered something, stands still again, has nothing to send, or the time is over."""
    until = clock.monotonic() + WATCHED_S
    while not _is_settled(seen := _look(admin, destination), before) and clock.monotonic() < until:
        asyncio.run(clock.sleep(EVERY_S))
    return seen


def _is_settled(seen: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    if not seen or seen["state"] != "running":
        return True
    has_delivered = seen["last"]["delivered"] != before.get("last", {}).get("delivered")
    return has_delivered or not any(seen.get(state) for state in ("queued", "retrying"))
