"""How the counts of a destination are told in the ledger. The seven fates always add up to what was accepted since its start. What a replay
brought beside them is told beside them, in the same seven words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from router.store.fate_words import state_told

LEDGER_COLUMNS = (
    "held, again_held, start, pos, delivered, skipped, filtered, retrying, dead, dry_run, replayed,"
    " again_skipped, again_filtered, again_retrying, again_queued, again_dead,"
    " state, state_reason, state_since, state_until, state_detail"
)
"""What is read of a destination. Whether anything is held comes first: only then is it asked how much of that was released."""
HOW_MANY = 2
"""So many of these columns say whether anything is held."""
Released = tuple[int, int]
"""Held events that were let go and wait for their turn: of those that the seven count, and of second sendings."""
NONE_RELEASED: Released = (0, 0)


def counts_told(row: Sequence[Any], head: int, released: Released) -> dict[str, Any]:
    """The counts of a destination, and its state. `oldest_queued_s` is 0 until somebody looks.

    Args:
        row: the values of LEDGER_COLUMNS.
        head: how many events were accepted.
        released: how many of the held ones were let go.
    """
    held, held_again, start, pos, delivered, skipped, filtered, retrying, dead, dry_run, replayed, *rest = row
    again_skipped, again_filtered, again_retrying, again_queued, again_dead, *state = rest
    held -= min(held, released[0])
    let_go = min(held_again, released[1])
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
        "beside": {
            "delivered": replayed,
            "skipped": again_skipped,
            "filtered": again_filtered,
            "held": held_again - let_go,
            "retrying": again_retrying,
            "queued": again_queued + let_go,
            "dead": again_dead,
        },
        "cursor": pos,
        "head": head,
        "oldest_queued_s": 0,
        **state_told(*state),
    }
