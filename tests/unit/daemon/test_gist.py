"""The line that `systemctl status` shows."""

from __future__ import annotations

from typing import Any

from router.daemon.gist import gist


def row(state: str = "running", reason: str = "", **counts: int) -> dict[str, Any]:
    waiting = dict.fromkeys(("held", "retrying", "queued", "dead"), 0)
    return {**waiting, **counts, "state": state, "state_reason": reason}


def test_it_adds_up_what_waits_and_names_who_does_not_send() -> None:
    rows = {
        "crm": row("paused", "credentials", queued=1200, held=3),
        "hook": row("breaker_open", retrying=2, queued=34),
        "mail": row(dead=1),
        "old": row("disabled"),
    }
    words = "12,345 accepted; 3 held, 2 retrying, 1,234 queued, 1 dead; crm paused (credentials); hook breaker open"
    assert gist({"accepted": 12_345, "destinations": rows}) == words


def test_it_says_that_the_last_reload_was_refused() -> None:
    ledger = {"accepted": 0, "destinations": {"crm": row()}}
    counts = "0 accepted; 0 held, 0 retrying, 0 queued, 0 dead"
    assert gist(ledger, is_reload_refused=True) == f"{counts}; the last reload was refused"
    assert gist(ledger) == counts
