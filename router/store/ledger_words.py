"""How the counts of a destination are told in the ledger. The seven fates always add up to what was accepted since its start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from router.store.fate_words import state_told

LEDGER_COLUMNS = (
    "held, start, pos, delivered, skipped, filtered, retrying, dead, dry_run, replayed,"
    " state, state_reason, state_since, state_until, state_detail"
)
"""What is read of a destination. Whether anything is held comes first: only then is it asked how much of that was released."""


def counts_told(row: Sequence[Any], head: int, released: int) -> dict[str, Any]:
    """The counts of a destination, and its state. `oldest_queued_s` is 0 until somebody looks.

    Args:
        row: the values of LEDGER_COLUMNS.
        head: how many events were accepted.
        released: how many of the held ones were let go, and wait for their turn.
    """
    held, start, pos, delivered, skipped, filtered, retrying, dead, dry_run, replayed, *state = row
    held -= min(held, released)
    return {
        "delivered": delivered,
        "skipped": skipped,
        "filtered": filtered,
        "held": held,
        "retrying": retrying,
        "queued": head - start - delivered - skipped - filtered - held - retrying - dead,
        "dead": dead,
        "dry_run": dry_run,
        "replayed": replayed,
        "cursor": pos,
        "head": head,
        "oldest_queued_s": 0,
        **state_told(*state),
    }
