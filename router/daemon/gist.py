"""How the daemon is, in one line: what `systemctl status` shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WAITING = ("held", "retrying", "queued", "dead")


def gist(ledger: Mapping[str, Any], *, is_reload_refused: bool = False) -> str:
    """What was accepted, what waits at all destinations together, and which of them do not send.

    Args:
        ledger: the answer of `Answers.ledger`.
    """
    rows: Mapping[str, Mapping[str, Any]] = ledger["destinations"]
    counts = ", ".join(f"{sum(row[state] for row in rows.values()):,} {state}" for state in WAITING)
    parts = [f"{ledger['accepted']:,} accepted", counts]
    parts += [f"{name} {_state(row)}" for name, row in rows.items() if row["state"] not in ("running", "disabled")]
    if is_reload_refused:
        parts.append("the last reload was refused")
    return "; ".join(parts)


def _state(row: Mapping[str, Any]) -> str:
    words = str(row["state"]).replace("_", " ")
    return f"{words} ({row['state_reason']})" if row.get("state_reason") else words
