"""Whether the counts of a destination agree with its rows. They are changed in one commit, so a difference is a fault, and stays as it is
while others are written: whoever finds it can take it away at any time."""

from __future__ import annotations

from router.store.outcome_blocks import unpack_ahead
from router.store.rows import LedgerCounts


def miscounts(c: LedgerCounts) -> dict[str, int]:
    """By how much each counter must change to agree with the rows; empty where all do.

    Events that are settled have no row. If fewer are counted than were accepted, the rest is lost, and counted as dead. If more are
    counted, `delivered` gives way, which is the largest number; and if that is not enough, the position behind which the destination began.
    """
    told = c.delivered + c.skipped + c.filtered + c.held_rows + c.retrying_rows + c.dead
    queued = c.head - c.pos - len(unpack_ahead(c.pos, c.ahead)) + c.queued_rows
    too_many = told + queued - (c.head - c.start)
    of_delivered = max(0, min(too_many, c.delivered))
    changes = {
        "held": c.held_rows - c.held,
        "retrying": c.retrying_rows - c.retrying,
        "letters": c.letter_rows - c.letters,
        "dead": max(0, -too_many),
        "delivered": -of_delivered,
        "start": min(0, of_delivered - too_many),
    }
    return {name: n for name, n in changes.items() if n}
